//! Datagrams that come in fragments, put together by real receivers.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;

use etherparse::PacketBuilder;
use lb_tests::counters::Counters;
use lb_tests::datapath::cut;
use lb_tests::tcp::{Mode, pattern};
use lb_tests::topology::{Host, Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::{sysctl, wait_until};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
};

use crate::bench::{Bench, SOON, server};
use crate::pool_file::ROUND_ROBIN;

/// The router's way to the VIP takes small datagrams only, and nobody forbids to cut larger ones: what the client
/// sends gets to the VIP in fragments, and what the members answer.
#[test]
fn what_a_router_cuts_arrives_whole() {
    let mut bench = Bench::with_layout(&Layout::ROUTED, ROUND_ROBIN, &[1, 1]);
    bench.servers.clear();
    let net = &bench.net;
    for host in net.members.iter().chain(&net.clients) {
        sysctl::set(&host.namespace, "net.ipv4.ip_no_pmtu_disc", "1").unwrap();
    }
    bench.servers = (0..2).map(|index| server(net, index, Mode::Echo)).collect();
    let router = net.router.as_ref().unwrap();
    let device = &router.plugged().device;
    let narrow = ["route", "change", "10.0.0.0/24", "dev", device, "mtu", "600"];
    router.namespace.command("ip").args(narrow).stdout().unwrap();
    let _run = bench.run();
    let ends = [&net.members[0], net.client()];
    let read = || ends.map(|host| Counters::read(&host.namespace).unwrap());
    let before = read();
    let mut connection = bench.connect();
    assert_eq!(connection.member, "m1");
    connection.exchange(&pattern(300_000)).unwrap();
    connection.finish().unwrap();
    for (after, before) in read().iter().zip(&before) {
        let grown = |name: &str| after.get(name) - before.get(name);
        // More than two hundred segments, of which each has 1,460 bytes.
        assert!(grown("IpReasmOKs") > 100, "{:?}", after.since(before));
        assert_eq!(grown("TcpInCsumErrors"), 0);
    }
    assert!(bench.counter("datagram_fragmented") > 200);
    bench.wait_idle();
}

/// A segment of a client, made by hand: an Ethernet frame.
fn segment(from: SocketAddr, to: SocketAddr, numbers: [u32; 2], payload: &[u8]) -> Vec<u8> {
    let start = PacketBuilder::ethernet2([0; 6], [0; 6]);
    let start = match (from.ip(), to.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => start.ipv4(src.octets(), dst.octets(), 64),
        (IpAddr::V6(src), IpAddr::V6(dst)) => start.ipv6(src.octets(), dst.octets(), 64),
        other => panic!("{other:?}"),
    };
    let [seq, ack] = numbers;
    let mut frame = Vec::new();
    let tcp = start.tcp(from.port(), to.port(), seq, 64_240).ack(ack).psh();
    tcp.write(&mut frame, payload).unwrap();
    frame
}

/// Offsets in a frame.
const IP: usize = 14;
const LENGTH: usize = IP + 4;
const NEXT: usize = IP + 6;
const V6: usize = IP + 40;
const ID: usize = IP + 4;

/// The datagram of a frame in fragments with this identification, cut before each of these bytes of the segment.
fn fragments(mut frame: Vec<u8>, places: &[usize], id: u16) -> Vec<Vec<u8>> {
    if frame[IP] >> 4 == 4 {
        frame[ID..ID + 2].copy_from_slice(&id.to_be_bytes());
        return cut(&frame, places).into_iter().map(|frame| frame[IP..].to_vec()).collect();
    }
    let (head, body) = frame.split_at(V6);
    let ends = places.iter().copied().chain([body.len()]);
    let part = |(start, end): (usize, usize)| {
        let mut all = head[IP..].to_vec();
        let len = (8 + end - start) as u16;
        all[LENGTH - IP..NEXT - IP].copy_from_slice(&len.to_be_bytes());
        // The fragment header, RFC 8200 section 4.5.
        let next = std::mem::replace(&mut all[NEXT - IP], 44);
        let bits = start as u16 | u16::from(end < body.len());
        all.extend([next, 0]);
        all.extend(bits.to_be_bytes());
        all.extend(u32::from(id).to_be_bytes());
        all.extend(&body[start..end]);
        all
    };
    [0].into_iter().chain(places.iter().copied()).zip(ends).map(part).collect()
}

/// Sends datagrams as they are (raw(7), IP_HDRINCL).
fn send(host: &Host, to: IpAddr, datagrams: &[&Vec<u8>]) {
    let send = || {
        let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(family, SockType::Raw, flags, SockProtocol::Raw).unwrap();
        let to = SockaddrStorage::from(SocketAddr::new(to, 0));
        for datagram in datagrams {
            let sent = sendto(fd.as_raw_fd(), datagram, &to, MsgFlags::empty()).unwrap();
            assert_eq!(sent, datagram.len());
        }
    };
    host.namespace.run(send).unwrap();
}

/// The sequence number in a line of tcpdump's.
fn seq(line: &str) -> u32 {
    let number = line.split("seq ").nth(1).and_then(|rest| rest.split([',', ':']).next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

const LEN: usize = 3000;
const PLACES: [usize; 2] = [1000, 2000];

#[test]
fn a_segment_in_fragments_arrives_whole() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let mut bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
        bench.servers.clear();
        let (client, member) = (bench.net.client(), &bench.net.members[0]);
        let at = bench.net.member_socket(0);
        let listener = member.namespace.run(|| TcpListener::bind(at)).unwrap().unwrap();
        let _run = bench.run();
        let vip = bench.vip();
        let capture = crate::reset::capture(client, "tcp");
        let connect = || TcpStream::connect_timeout(&vip, SOON);
        let stream = client.namespace.run(connect).unwrap().unwrap();
        let (mut served, _) = listener.accept().unwrap();
        served.set_read_timeout(Some(SOON)).unwrap();
        let handshake = || capture.lines(&["-S"]).is_ok_and(|lines| lines.len() >= 3);
        wait_until(handshake, SOON, "the handshake in the capture").unwrap();
        let lines = capture.lines(&["-S"]).unwrap();
        // Either may have been sent again.
        let [ours, theirs] = ["Flags [S],", "Flags [S.],"].map(|flags| {
            let line = lines.iter().find(|line| line.contains(flags)).unwrap();
            seq(line).wrapping_add(1)
        });
        let from = stream.local_addr().unwrap();

        let data = pattern(3 * LEN);
        let parts = |index: usize, id: u16| {
            let numbers = [ours.wrapping_add((index * LEN) as u32), theirs];
            let frame = segment(from, vip, numbers, &data[index * LEN..(index + 1) * LEN]);
            fragments(frame, &PLACES, id)
        };
        let mut arrives = |index: usize| {
            let mut have = vec![0; LEN];
            served.read_exact(&mut have).unwrap();
            assert!(have == data[index * LEN..(index + 1) * LEN], "{index}");
        };
        let before = Counters::read(&member.namespace).unwrap();
        let [a, b, c] = &parts(0, 7)[..] else { panic!() };
        send(client, vip.ip(), &[a, b, c]);
        arrives(0);
        // The first comes before the others, which may come in any order, with the same identification as before.
        let [a, b, c] = &parts(1, 7)[..] else { panic!() };
        send(client, vip.ip(), &[a, c, b]);
        arrives(1);
        // One that comes before the first is lost, and the sender has to send all of it again.
        let [a, b, c] = &parts(2, 8)[..] else { panic!() };
        send(client, vip.ip(), &[b, a, c]);
        let [a, b, c] = &parts(2, 9)[..] else { panic!() };
        send(client, vip.ip(), &[a, b, c]);
        arrives(2);

        assert_eq!(bench.counter("datagram_fragmented"), 4);
        assert_eq!(bench.counter("pass_fragment"), 1);
        let after = Counters::read(&member.namespace).unwrap();
        let grown = |name: &str| after.get(name) - before.get(name);
        assert_eq!(grown("TcpInCsumErrors"), 0);
        assert_eq!(grown("IpReasmOKs") + grown("Ip6ReasmOKs"), 3);
        assert_eq!(bench.members("bytes_in"), [(4 * LEN - 1000) as u64, 0]);
        // Whoever reaches back into the header gets nowhere.
        let tiny = fragments(segment(from, vip, [ours, theirs], &data[..100]), &[8, 16], 10);
        let [a, _, _] = &tiny[..] else { panic!() };
        send(client, vip.ip(), &[a]);
        let dropped = || bench.counter("drop_fragment_tiny") == 1;
        wait_until(dropped, SOON, "a fragment of eight bytes is dropped").unwrap();
    }
}
