//! Clients that come again from the same port, and SYNs that are nobody's.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::thread;

use etherparse::PacketBuilder;
use lb_tests::tcp::{Connection, connect_from, pattern};
use lb_tests::topology::Host;
use lb_tests::wait_until;
use nix::sys::socket::sockopt::{Linger, ReuseAddr, SendTimeout};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrStorage, bind,
    connect, sendto, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::bench::{Bench, SOON};
use crate::ping::ping;
use crate::pool_file::ROUND_ROBIN;

/// More than all buffers on the way hold.
const MUCH: usize = 32 << 20;

fn link(host: &Host, state: &str) {
    let device = &host.plugged().device;
    host.namespace.command("ip").args(["link", "set", device, state]).stdout().unwrap();
}

/// A connect that nobody answers in time.
fn attempt(from: SocketAddr, to: SocketAddr) -> nix::Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, SendTimeout, &TimeVal::milliseconds(200))?;
    setsockopt(&socket, ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(from))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to))
}

/// Of the connections that are not over.
fn states(bench: &Bench) -> Vec<String> {
    let conns = bench.conns();
    let states = conns.iter().map(|conn| conn["state"].as_str().unwrap().to_owned());
    states.filter(|state| state != "CLOSED").collect()
}

fn talks(mut connection: Connection, bench: &Bench) -> Connection {
    connection.exchange(&pattern(10_000)).unwrap();
    assert_eq!(states(bench), ["ESTABLISHED"]);
    connection
}

/// The member comes up between two attempts of the client, which have different sequence numbers.
#[test]
fn a_second_attempt_from_the_same_port_is_a_connection() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let _run = bench.run();
    let (client, member) = (bench.net.client(), &bench.net.members[0]);
    // So that both know where the other one is.
    bench.connect().exchange(b"hello").unwrap();
    bench.wait_idle();
    link(member, "down");
    let from = SocketAddr::new(client.address(), 20_000);
    client.namespace.run(|| attempt(from, bench.vip())).unwrap().unwrap_err();
    assert_eq!(bench.counter("connection_opened"), 2);
    link(member, "up");
    let _held = talks(connect_from(&client.namespace, Some(from), bench.vip()).unwrap(), &bench);
    assert_eq!(bench.counter("connection_opened"), 2);
}

/// As a client does that was reset without a word, as by a power cut.
#[test]
fn a_client_that_has_forgotten_its_connection_gets_a_new_one() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let _run = bench.run();
    let client = bench.net.client();
    let from = SocketAddr::new(client.address(), 20_000);
    let before = connect_from(&client.namespace, Some(from), bench.vip()).unwrap();
    let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(before.stream(), Linger, &at_once).unwrap();
    link(client, "down");
    drop(before);
    link(client, "up");
    assert_eq!(states(&bench), ["ESTABLISHED"]);
    // The port of the bridge forwards a moment later, and neighbours are found anew: one SYN only.
    assert_eq!(ping(client, bench.vip().ip(), b"there"), b"there");
    let _held = talks(connect_from(&client.namespace, Some(from), bench.vip()).unwrap(), &bench);
    let counters = ["syn_challenged", "connection_reopened", "connection_closed"];
    assert_eq!(counters.map(|name| bench.counter(name)), [1, 1, 1]);
}

/// A SYN with the connection's ends and somebody's number.
fn forge(client: &Host, from: SocketAddr, to: SocketAddr) {
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else { panic!("IPv4 only") };
    let mut packet = Vec::new();
    PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64)
        .tcp(from.port(), to.port(), 77, 64_240)
        .syn()
        .write(&mut packet, &[])
        .unwrap();
    let send = || {
        let (flags, protocol) = (SockFlag::SOCK_CLOEXEC, SockProtocol::Raw);
        let raw = socket(AddressFamily::Inet, SockType::Raw, flags, protocol)?;
        sendto(raw.as_raw_fd(), &packet, &SockaddrIn::from(to), MsgFlags::empty())
    };
    assert_eq!(client.namespace.run(send).unwrap(), Ok(packet.len()));
}

/// The client has said all and closed; its answer is still on its way.
#[test]
fn a_forged_syn_takes_nothing_from_a_half_closed_connection() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let _run = bench.run();
    let held = bench.connect();
    let block = pattern(MUCH);
    let mut writer: TcpStream = held.stream().try_clone().unwrap();
    let mut answer = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&block).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let (mut reader, mut part) = (held.stream(), vec![0; 1 << 18]);
        while states(&bench) != ["CLOSING"] {
            let count = reader.read(&mut part).unwrap();
            assert_ne!(count, 0, "all was said before the connection was half closed");
            answer.extend(&part[..count]);
        }
        forge(bench.net.client(), held.local, bench.vip());
        let challenged = || bench.counter("syn_challenged") == 1;
        wait_until(challenged, SOON, "a challenge").unwrap();
        reader.read_to_end(&mut answer).unwrap();
    });
    assert!(answer == block, "{} bytes of {MUCH}, or wrong ones", answer.len());
    assert_eq!(bench.counter("syn_challenged"), 1);
    assert_eq!(bench.counter("connection_opened"), 1);
}
