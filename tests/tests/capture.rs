//! Captures of real traffic: complete at their end, and checked by the checksum oracle.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use etherparse::PacketBuilder;
use lb_tests::capture::{Capture, assert_no_bad_checksums, assert_sums_right_or_left};
use lb_tests::counters::{Counters, LinkCounters};
use lb_tests::tcp::{self, EchoServer, Mode, pattern};
use lb_tests::topology::{Host, PoolNet, SSH_POOL, SSH_POOL_V6, one_arm};
use lb_tests::{Error, ethtool, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
};
use nix::unistd::Pid;

const SHORT: Duration = Duration::from_secs(30);

#[test]
fn a_capture_holds_what_came_before_its_end_however_late_tcpdump_reads() {
    let net = one_arm(&SSH_POOL).unwrap();
    let member = &net.members[0];
    let to = net.member_socket(0);
    let _server = EchoServer::start(&member.namespace, "m", to, Mode::Echo).unwrap();
    let mut capture = Capture::start(&member.namespace, "eth0", "tcp").unwrap();
    let tcpdump = Pid::from_raw(capture.pid().cast_signed());
    kill(tcpdump, Signal::SIGSTOP).unwrap();
    let mut connection = tcp::connect(&net.client().namespace, to).unwrap();
    connection.exchange(&pattern(100)).unwrap();
    // With the server's FIN here, the client's has been there.
    connection.finish().unwrap();
    let stopped = thread::scope(|scope| {
        let stopping = scope.spawn(|| capture.stop());
        let asked = || pending_signals(tcpdump) != 0;
        wait_until(asked, SHORT, "a signal to tcpdump").unwrap();
        kill(tcpdump, Signal::SIGCONT).unwrap();
        stopping.join().unwrap()
    });
    stopped.unwrap();
    let lines = capture.lines(&[]).unwrap();
    let with = |flags: &str| lines.iter().filter(|line| line.contains(flags)).count();
    for flags in ["Flags [S],", "Flags [S.],", "Flags [F.],"] {
        assert!(with(flags) >= 1, "{flags}: {lines:#?}");
    }
}

/// Signals sent to the process and not yet taken (proc(5), `ShdPnd`).
fn pending_signals(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
}

#[test]
fn a_wrong_checksum_is_seen_by_the_oracle_and_counted_by_the_receiver() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        a_wrong_checksum_is_seen(&one_arm(pool).unwrap());
    }
}

fn a_wrong_checksum_is_seen(net: &PoolNet) {
    let member = &net.members[0];
    let tx = || ethtool::get(&member.namespace, "eth0", "tx-checksumming").unwrap();
    assert!(tx());
    net.set_offloads(false).unwrap();
    assert!(!tx());
    let to = net.member_socket(0);
    let _server = EchoServer::start(&member.namespace, "m", to, Mode::Echo).unwrap();
    let capture = || Capture::start(&member.namespace, "eth0", "tcp").unwrap();
    let before = Counters::read(&member.namespace).unwrap();
    let frames = LinkCounters::read(&member.namespace, "eth0").unwrap();

    let mut good = capture();
    let mut connection = tcp::connect(&net.client().namespace, to).unwrap();
    connection.exchange(&pattern(5_000)).unwrap();
    // Nothing of it comes later.
    connection.finish().unwrap();
    good.stop().unwrap();
    assert!(assert_no_bad_checksums(&good.path()).unwrap() >= 8);
    assert!(LinkCounters::read(&member.namespace, "eth0").unwrap().rx.packets > frames.rx.packets);

    let mut bad = capture();
    send_corrupted(net.client(), to);
    let csum_errors = || Counters::read(&member.namespace).unwrap().get("TcpInCsumErrors");
    let expected = before.get("TcpInCsumErrors") + 1;
    wait_until(|| csum_errors() == expected, SHORT, "one checksum error").unwrap();
    wait_until(|| !bad.lines(&[]).unwrap().is_empty(), SHORT, "packet in the capture").unwrap();
    bad.stop().unwrap();
    let error = assert_no_bad_checksums(&bad.path()).unwrap_err();
    assert!(matches!(&error, Error::BadChecksums { lines, .. } if lines.lines().count() == 1));
    // A wrong checksum is none that is left to the device.
    let error = assert_sums_right_or_left(&bad.path()).unwrap_err();
    assert!(matches!(&error, Error::BadChecksums { lines, .. } if lines.lines().count() == 1));

    // An oracle that saw nothing must not say that all is well.
    let mut nothing = capture();
    nothing.stop().unwrap();
    assert!(matches!(assert_no_bad_checksums(&nothing.path()), Err(Error::Unexpected { .. })));
}

/// A SYN whose TCP checksum is off by one bit, in its headers (raw(7), ipv6(7)).
fn send_corrupted(from: &Host, to: SocketAddr) {
    let (ip, header, family) = match (from.address(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            (PacketBuilder::ipv4(from.octets(), to.octets(), 64), 20, AddressFamily::Inet)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            (PacketBuilder::ipv6(from.octets(), to.octets(), 64), 40, AddressFamily::Inet6)
        }
        other => panic!("{other:?}"),
    };
    let mut packet = Vec::new();
    ip.tcp(40_000, to.port(), 1, 1024).syn().write(&mut packet, &[]).unwrap();
    packet[header + 16] ^= 1;
    // The kernel insists on a raw socket of IPv6 having no port.
    let to = SocketAddr::new(to.ip(), 0);
    let send = || {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(family, SockType::Raw, flags, SockProtocol::Raw).unwrap();
        sendto(fd.as_raw_fd(), &packet, &SockaddrStorage::from(to), MsgFlags::empty()).unwrap()
    };
    assert_eq!(from.namespace.run(send).unwrap(), packet.len());
}
