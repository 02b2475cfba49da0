//! Which member gets a connection, and that nobody's count is ever off.

use lb_tests::tcp::pattern;

use crate::bench::{Bench, order};
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN};

#[test]
fn round_robin_follows_the_weights() {
    let bench = Bench::new(ROUND_ROBIN, &[3, 1]);
    let _run = bench.run();
    assert_eq!(bench.sequence(12), "m1 m1 m1 m2 m1 m1 m1 m2 m1 m1 m1 m2");
    bench.wait_idle();
    assert_eq!(bench.members("total_connections"), [9, 3]);
    assert_eq!(bench.counter("connection_opened"), 12);
    assert_eq!(bench.counter("connection_closed"), 12);
}

#[test]
fn round_robin_alternates_between_equals() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let _run = bench.run();
    assert_eq!(bench.sequence(8), "m1 m2 m1 m2 m1 m2 m1 m2");
    bench.wait_idle();
    assert_eq!(bench.members("total_connections"), [4, 4]);
}

#[test]
fn least_connections_weighs_held_connections() {
    let bench = Bench::new(LEAST_CONNECTIONS, &[3, 1]);
    let _run = bench.run();
    let mut held = bench.hold(8);
    assert_eq!(order(&held), "m1 m2 m1 m1 m1 m1 m2 m1");
    let status = bench.status();
    assert_eq!(bench.members("active_connections"), [6, 2]);
    assert_eq!(status["connections"]["active"], 8);
    for connection in &mut held {
        connection.exchange(&pattern(1000)).unwrap();
    }
    drop(held);
    bench.wait_idle();
    assert_eq!(bench.members("total_connections"), [6, 2]);
    assert_eq!(bench.status()["connections"]["active"], 0);
    assert_eq!(bench.status()["connections"]["total"], 8);
}

#[test]
fn least_connections_alternates_between_equals_and_fills_up_what_closed() {
    let bench = Bench::new(LEAST_CONNECTIONS, &[1, 1]);
    let _run = bench.run();
    let held = bench.hold(8);
    assert_eq!(order(&held), "m1 m2 m1 m2 m1 m2 m1 m2");
    // Three of m2's four end: the next three are its, then the two are equal again.
    let mut of_second = 0;
    let (ended, held): (Vec<_>, Vec<_>) = held.into_iter().partition(|connection| {
        of_second += usize::from(connection.member == "m2");
        connection.member == "m2" && of_second <= 3
    });
    drop(ended);
    lb_tests::wait_until(
        || bench.members("active_connections") == [4, 1],
        crate::bench::SOON,
        "three connections less",
    )
    .unwrap();
    let more = bench.hold(3);
    assert_eq!(order(&more), "m2 m2 m2");
    drop((held, more));
    bench.wait_idle();
    assert_eq!(bench.members("total_connections"), [4, 7]);
}

#[test]
fn a_connection_that_is_reset_is_counted_down_once() {
    let bench = Bench::new(LEAST_CONNECTIONS, &[1, 1]);
    let _run = bench.run();
    let held = bench.hold(10);
    for connection in &held {
        // Closing with a zero linger time sends RST instead of FIN (socket(7), SO_LINGER).
        let now = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        nix::sys::socket::setsockopt(connection.stream(), nix::sys::socket::sockopt::Linger, &now)
            .unwrap();
    }
    drop(held);
    bench.wait_idle();
    assert_eq!(bench.members("total_connections"), [5, 5]);
    assert_eq!(bench.counter("connection_closed"), 10);
    assert_eq!(bench.sequence(2).len(), "m1 m2".len());
    bench.wait_idle();
}
