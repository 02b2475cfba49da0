//! Members that do not have an ordinary share: backups, limits, slow start.

use lb_tests::wait_until;

use crate::bench::{Bench, SOON};
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN, SOURCE_IP, SOURCE_IP_PORT};

/// A pool of equal members with these keys.
fn bench(method: &'static str, more: &[&'static str]) -> Bench {
    let mut bench = Bench::new(method, &vec![1; more.len()]);
    for (member, more) in bench.pool.members.iter_mut().zip(more) {
        member.more = more;
    }
    bench
}

#[test]
fn backups_take_over_together_when_nobody_else_is_up() {
    let bench = bench(ROUND_ROBIN, &["", ", backup: true", ", backup: true"]);
    let _run = bench.run();
    assert_eq!(bench.sequence(3), "m1 m1 m1");
    bench.member("set", &["m1", "--admin-state-up", "false"]);
    let served = bench.sequence(4);
    assert!(["m2 m3 m2 m3", "m3 m2 m3 m2"].contains(&served.as_str()), "{served}");
    bench.member("set", &["m1", "--admin-state-up", "true"]);
    assert_eq!(bench.sequence(3), "m1 m1 m1");
    // A member that drains takes nobody's new connections either.
    bench.member("drain", &["m1"]);
    assert!(!bench.sequence(2).contains("m1"));
}

#[test]
fn a_full_member_takes_no_more_and_a_full_pool_refuses() {
    for method in [ROUND_ROBIN, LEAST_CONNECTIONS, SOURCE_IP, SOURCE_IP_PORT] {
        let bench = bench(method, &[", max_connections: 2", ", max_connections: 3"]);
        let _run = bench.run();
        let held = bench.hold(5);
        assert_eq!(bench.members("active_connections"), [2, 3], "{method}");
        let client = &bench.net.client().namespace;
        assert!(lb_tests::tcp::connect(client, bench.vip()).is_err(), "{method}: a sixth");
        assert_eq!(bench.counter("refuse_members_full"), 1, "{method}");
        drop(held);
        bench.wait_idle();
        bench.connect();
    }
}

#[test]
fn a_member_that_comes_up_starts_slowly() {
    // As long as no test lasts: a share of one sixteenth.
    let bench = bench(ROUND_ROBIN, &["", ", slow_start: 2000000000"]);
    let _run = bench.run();
    let share = |served: &str| served.split(' ').filter(|member| *member == "m2").count();
    assert_eq!(share(&bench.sequence(34)), 17, "nobody is held back at the start");
    bench.member("set", &["m2", "--admin-state-up", "false"]);
    bench.member("set", &["m2", "--admin-state-up", "true"]);
    assert_eq!(bench.status()["members"][1]["state"], "STARTING");
    assert_eq!(share(&bench.sequence(34)), 2);
}

#[test]
fn a_slow_start_ends_with_the_whole_share() {
    let bench = bench(ROUND_ROBIN, &["", ", slow_start: 200"]);
    let _run = bench.run();
    bench.member("set", &["m2", "--admin-state-up", "false"]);
    bench.member("set", &["m2", "--admin-state-up", "true"]);
    let whole = || bench.status()["members"][1]["state"] == "READY";
    wait_until(whole, SOON, "the end of the slow start").unwrap();
    let served = bench.sequence(8);
    assert_eq!(served.split(' ').filter(|member| *member == "m2").count(), 4, "{served}");
}
