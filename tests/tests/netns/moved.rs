//! Members and clients that come up with another MAC address under load, and say so, as machines do that move.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lb_tests::counters::Counters;
use lb_tests::sysctl;
use lb_tests::tcp::{Connection, pattern};
use lb_tests::topology::{Host, Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::wait_until;

use crate::bench::{Bench, SOON};
use crate::host::HOST;
use crate::pool_file::ROUND_ROBIN;

/// Connections that are busy all the while.
const BUSY: usize = 8;

/// How often each host moves.
const MOVES: u8 = 3;

/// What the operator may expect.
const FOLLOWED: Duration = Duration::from_secs(1);

/// Talks until told to stop, and returns the longest time one word and its answer took.
fn talk(connection: &mut Connection, words: &AtomicUsize, stop: &AtomicBool) -> Duration {
    let word = pattern(3_000);
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        connection.exchange(&word).unwrap();
        longest = longest.max(start.elapsed());
        words.fetch_add(1, Ordering::Relaxed);
    }
    longest
}

/// Has `host` tell of every MAC address it comes to have, by gratuitous ARP or an unsolicited neighbour advertisement:
/// nobody who waits for an answer of it would send anything that tells.
fn announce(host: &Host) {
    sysctl::set(&host.namespace, "net.ipv4.conf.all.arp_notify", "1").unwrap();
    sysctl::set_if_present(&host.namespace, "net.ipv6.conf.all.ndisc_notify", "1").unwrap();
}

/// Gives `host` another MAC address while all connections talk; returns the longest silence.
fn move_under_load(held: &mut [Connection], host: &Host, last: u8) -> Duration {
    let (words, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let talking: Vec<_> = held
            .iter_mut()
            .map(|connection| scope.spawn(|| talk(connection, &words, &stop)))
            .collect();
        let more = |count: usize| {
            let enough = words.load(Ordering::Relaxed) + count;
            let said = || words.load(Ordering::Relaxed) >= enough;
            wait_until(said, SOON, "words and answers").unwrap();
        };
        more(50 * BUSY);
        announce(host);
        host.ports[0].set_mac([0xfa, 0x16, 0x3e, 0x77, 0, last]).unwrap();
        more(50 * BUSY);
        stop.store(true, Ordering::Relaxed);
        talking.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    })
}

#[test]
fn a_new_mac_address_is_followed_within_a_second_and_no_connection_is_lost() {
    followed(&[], &Layout::ONE_ARM);
}

/// Next hops are learned from what the kernel sends, which has heard of it.
#[test]
fn a_new_mac_address_is_followed_at_the_outer_end() {
    followed(&HOST, &Layout::ONE_ARM);
}

/// A SYN that is lost meanwhile is sent again after a second, and goes to another member then.
#[test]
fn no_client_fails_to_connect_while_a_member_moves() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let _run = bench.run_with(&HOST).unwrap();
    let member = &bench.net.members[0];
    announce(member);
    let moved = AtomicBool::new(false);
    let client = &bench.net.client().namespace;
    let resent = || Counters::read(client).unwrap().get("TcpExtTCPSynRetrans");
    let before = resent();
    thread::scope(|scope| {
        let open = |count: usize| (0..count).for_each(|_| drop(bench.connect()));
        open(100);
        let moving = scope.spawn(|| {
            member.ports[0].set_mac([0xfa, 0x16, 0x3e, 0x77, 0, 0xa4]).unwrap();
            moved.store(true, Ordering::Relaxed);
        });
        while !moved.load(Ordering::Relaxed) {
            open(1);
        }
        moving.join().unwrap();
        open(100);
    });
    // One client at a time: who has waited for a second finds it followed.
    let sent = resent() - before;
    assert!(sent <= 2, "{sent} SYNs sent again");
    assert_eq!(bench.counter("member_ejected"), 0);
    bench.wait_idle();
    let well = || bench.sequence(4).matches("m1").count() == 2;
    wait_until(well, SOON, "the member that moved is well").unwrap();
}

fn followed(options: &[&str], layout: &Layout) {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let bench = Bench::of(pool, layout, ROUND_ROBIN, &[1, 1]);
        let _run = bench.run_with(options).unwrap();
        let mut held = bench.hold(BUSY);
        let who = [&bench.net.members[0], bench.net.client(), &bench.net.vip];
        for (host, first) in who.into_iter().zip([0xa0, 0xb0, 0xc0]) {
            // A busy machine may itself be silent for so long, but hardly twice.
            let silences: Vec<Duration> =
                (first..first + MOVES).map(|last| move_under_load(&mut held, host, last)).collect();
            let late = silences.iter().filter(|silence| **silence >= FOLLOWED).count();
            assert!(late <= 1, "{} moved: {silences:?} of silence", host.name());
        }
        assert_eq!(bench.members("active_connections"), [BUSY as u64 / 2; 2]);
        assert_eq!(bench.counter("connection_opened"), BUSY as u64);
        assert_eq!(bench.members("failed_connections"), [0, 0]);
    }
}
