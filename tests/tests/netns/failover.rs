//! Members that refuse or are not there, and clients that do not notice.

use std::fmt;
use std::io::{self, Write as _};
use std::slice;
use std::time::{Duration, Instant};

use lb_tests::counters::Counters;
use lb_tests::tcp::connect;
use lb_tests::topology::{Layout, PoolNet, SSH_POOL, SSH_POOL_V6, SeedPool};

use crate::bench::{Bench, numbers};
use crate::haproxy::Haproxy;
use crate::pool_file::ROUND_ROBIN;

const MEMBERS: u8 = 4;

/// The first member refuses, the second has lost its link, the others serve.
fn broken(pool: &SeedPool) -> Bench {
    let layout = Layout { members: MEMBERS, ..Layout::ONE_ARM };
    let mut bench = Bench::of(pool, &layout, ROUND_ROBIN, &[1; MEMBERS as usize]);
    drop(bench.servers.remove(0));
    unplug(&bench.net, 1);
    bench
}

fn unplug(net: &PoolNet, index: usize) {
    let host = &net.members[index];
    let device = &host.plugged().device;
    host.namespace.command("ip").args(["link", "set", device, "down"]).stdout().unwrap();
}

/// How long each of `count` connections took to its greeting, and who served it. All must be served, by
/// members that are there.
fn served(bench: &Bench, count: usize) -> Vec<(Duration, String)> {
    let one = |_| {
        let start = Instant::now();
        let connection = connect(&bench.net.client().namespace, bench.vip()).unwrap();
        let took = start.elapsed();
        assert!(["m3", "m4"].contains(&connection.member.as_str()), "{}", connection.member);
        (took, connection.member)
    };
    (0..count).map(one).collect()
}

/// The times of these connections, from the quickest; of one member only if it is named.
fn times(served: &[(Duration, String)], by: Option<&str>) -> Vec<Duration> {
    let those = served.iter().filter(|(_, member)| by.is_none_or(|by| by == member));
    let mut times: Vec<Duration> = those.map(|(took, _)| *took).collect();
    times.sort_unstable();
    times
}

fn median(times: &[Duration]) -> Duration {
    times[(times.len() - 1) / 2]
}

/// A tenth of them are quicker.
fn quick(times: &[Duration]) -> Duration {
    times[(times.len() - 1) / 10]
}

fn show(who: &str, times: &[Duration]) {
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let (median, slow, slowest) = (at(50), at(95), at(100));
    tell(format_args!(
        "{who}: {} connections, median {median:?}, 95 % {slow:?}, slowest {slowest:?}",
        times.len()
    ));
}

#[test]
fn no_client_notices_members_that_refuse_or_are_not_there() {
    let bench = broken(&SSH_POOL);
    {
        let _haproxy = Haproxy::start(&bench.net.vip.namespace, slice::from_ref(&bench.pool));
        // Every fourth meets the member that is not there, and HAProxy waits 5 s for it: 1,000 would take 20 minutes.
        show("haproxy, 5 s for every fourth, so few", &times(&served(&bench, 8), None));
    }
    unnoticed(&bench);
}

#[test]
fn no_client_notices_them_over_ipv6_either() {
    unnoticed(&broken(&SSH_POOL_V6));
}

fn unnoticed(bench: &Bench) {
    let _run = bench.run();
    show("qlb", &times(&served(bench, 1_000), None));
    bench.wait_idle();
    let status = bench.status();
    let counter = |name: &str| status["counters"][name].as_u64().unwrap();
    let (refused, silent) = (counter("redispatched_refused"), counter("redispatched_silent"));
    assert!(refused > 0 && silent > 0, "{refused} refused, {silent} silent");
    assert_eq!(counter("connection_opened"), 1_000);
    assert!(counter("member_ejected") >= 2, "both are ejected");
    // Whoever was given a connection either accepted it or failed it.
    let [given, failed] = ["total_connections", "failed_connections"].map(|f| numbers(&status, f));
    assert_eq!((given[0], given[1]), (failed[0], failed[1]));
    assert_eq!(failed[0] + failed[1], refused + silent);
    assert_eq!((given[2] + given[3], failed[2], failed[3]), (1_000, 0, 0));
}

/// What a client waits longer for a member that refuses first: below 5 ms, the quickest tenth of half of the
/// connections against that of the other half.
#[test]
fn a_refusal_costs_the_client_no_time_worth_naming() {
    let layout = Layout { members: MEMBERS, ..Layout::ONE_ARM };
    let mut bench = Bench::with_layout(&layout, ROUND_ROBIN, &[1, 0, 1, 1]);
    drop(bench.servers.remove(0));
    bench.pool.fields.push("failover: {retries: 3, eject_after: 0}".to_owned());
    {
        let _haproxy = Haproxy::start(&bench.net.vip.namespace, slice::from_ref(&bench.pool));
        // Nobody has to be waited for here.
        show("haproxy, every other refused", &times(&served(&bench, 1_000), None));
    }
    let _run = bench.run();
    let resent =
        || Counters::read(&bench.net.client().namespace).unwrap().get("TcpExtTCPSynRetrans");
    let before = resent();
    let served = served(&bench, 1_000);
    let sent = resent() - before;
    assert!(sent < 10, "{sent} SYNs sent again");
    // Each refusal uses up the turn of the next member, so every other connection meets the first, and then
    // the third. All of the third's are such, and none of the fourth's.
    assert_eq!(bench.counter("redispatched_refused"), 500);
    assert_eq!(bench.members("failed_connections"), [500, 0, 0, 0]);
    assert_eq!(bench.members("total_connections"), [500, 0, 500, 500]);
    for pair in served.chunks(2) {
        assert_eq!((pair[0].1.as_str(), pair[1].1.as_str()), ("m3", "m4"));
    }
    let [refused, at_once] = ["m3", "m4"].map(|member| times(&served, Some(member)));
    show("qlb, refused first", &refused);
    show("qlb, not refused", &at_once);
    let added = median(&refused).saturating_sub(median(&at_once));
    tell(format_args!("qlb: a refusal adds {added:?} at the median"));
    // Some hundred times what it takes, of those whom a busy machine has not kept waiting.
    let added = quick(&refused).saturating_sub(quick(&at_once));
    assert!(added < Duration::from_millis(5), "{added:?}");
}

#[test]
fn the_client_hears_of_it_when_all_have_failed() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.servers.clear();
    let _run = bench.run();
    let refused = connect(&bench.net.client().namespace, bench.vip()).unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
    assert_eq!(bench.counter("redispatched_refused"), 1);
    assert_eq!(bench.members("failed_connections"), [1, 1]);
    bench.wait_idle();
}

/// Says something that the test runner does not keep to itself when the test passes.
#[expect(clippy::explicit_write, reason = "the test runner keeps what eprintln! says")]
fn tell(text: fmt::Arguments<'_>) {
    writeln!(io::stderr(), "{text}").unwrap();
}
