//! Members and clients that come up with another MAC address under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lb_tests::tcp::{Connection, pattern};
use lb_tests::topology::{Host, Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::wait_until;

use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;

/// Connections that are busy all the while.
const BUSY: usize = 8;

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

/// Gives `host` another MAC address while all connections talk; returns the longest silence.
fn move_under_load(held: &mut [Connection], host: &Host, mac: [u8; 6]) -> Duration {
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
        host.ports[0].set_mac(mac).unwrap();
        more(50 * BUSY);
        stop.store(true, Ordering::Relaxed);
        talking.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    })
}

#[test]
fn a_new_mac_address_is_followed_within_a_second_and_no_connection_is_lost() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
        let _run = bench.run();
        let mut held = bench.hold(BUSY);
        let who = [&bench.net.members[0], bench.net.client()];
        for (host, last) in who.into_iter().zip([0xa1, 0xa2]) {
            let silence = move_under_load(&mut held, host, [0xfa, 0x16, 0x3e, 0x77, 0, last]);
            assert!(silence < FOLLOWED, "{} moved: {silence:?} of silence", host.name());
        }
        assert_eq!(bench.members("active_connections"), [BUSY as u64 / 2; 2]);
        assert_eq!(bench.counter("connection_opened"), BUSY as u64);
        assert_eq!(bench.members("failed_connections"), [0, 0]);
    }
}
