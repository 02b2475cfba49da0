//! A thousand pools of ten members each, every member probed every 5 s: as many probes as are due.

use std::net::{SocketAddrV4, TcpListener};
use std::time::{Duration, Instant};

use lb_tests::{Namespace, wait_until};
use lb_userspace::config::{PoolSpec, yaml};
use lb_userspace::monitor::{CheckStatus, Monitors, PoolHealth};
use lb_userspace::node::Place;

const POOLS: u64 = 1_000;
const MEMBERS: u64 = 10;
const DELAY: u64 = 5;

/// How many windows are watched at the most.
const WINDOWS: usize = 5;

/// Seconds of CPU of the thread of the monitors.
fn cpu() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let stat = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).ok()?;
        stat.contains("(monitors)").then_some(stat)
    });
    let ticks = |stat: String| -> u64 {
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    stat.map(ticks).sum::<u64>() as f64 / 100.0
}

/// Follows the pools and looks whether as many members are probed as are due, and what is found.
fn measure(namespace: &Namespace, found: CheckStatus, source: [u8; 4], target: SocketAddrV4) {
    let (monitors, mut results) = Monitors::start().unwrap();
    let place = Place::named(namespace.name());
    let begin = Instant::now();
    for number in 0..POOLS {
        let pool = pool(number, source, target);
        let _ = monitors.follow(&pool, &place, &PoolHealth::default()).unwrap();
    }
    let started = begin.elapsed();
    // Once every member has been probed, as many are under way as ever.
    let has_begun = || monitors.probes() >= POOLS * MEMBERS;
    wait_until(has_begun, Duration::from_secs(120), "each member has been probed").unwrap();
    // A machine that stops for a second has a window with more or fewer, and then one that is as it should be.
    let in_time = (0..WINDOWS).any(|_| watch(&monitors, found, started));
    assert!(in_time, "{found:?}: more or fewer than were due in {WINDOWS} windows");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let news = runtime.block_on(results.next());
    assert_eq!(news.health.members.len() as u64, MEMBERS);
    for member in news.health.members.values() {
        assert_eq!(member.last.as_ref().map(|last| last.status), Some(found), "{member:?}");
    }
}

/// Counts what is probed in two whole periods, in slots, to see how even it is. Whether it is what is due, within a tenth.
fn watch(monitors: &Monitors, found: CheckStatus, started: Duration) -> bool {
    let used = cpu();
    let (before, start) = (monitors.probes(), Instant::now());
    let (mut last, mut most) = (before, 0);
    while start.elapsed() < Duration::from_secs(2 * DELAY) {
        std::thread::sleep(Duration::from_millis(100));
        let now = monitors.probes();
        most = most.max(now - last);
        last = now;
    }
    let (last, window) = (monitors.probes(), start.elapsed().as_secs_f64());
    let (done, used) = (last - before, cpu() - used);
    let due = (POOLS * MEMBERS) as f64 / DELAY as f64 * window;
    println!(
        "{}: {POOLS} pools of {MEMBERS}, every {DELAY} s: {done} probes in {window:.2} s, {due:.0} due; at most \
         {most} in a tenth of a second (even: {:.0}); {:.1} % of a CPU, {:.0} us a probe; {:.2} s to follow all",
        found.code(),
        due / window / 10.0,
        used / window * 100.0,
        used / done as f64 * 1e6,
        started.as_secs_f64()
    );
    (0.9..=1.1).contains(&(done as f64 / due))
}

/// A pool whose members are all probed at `target`, which no file could say of a loopback address.
fn pool(number: u64, source: [u8; 4], target: SocketAddrV4) -> PoolSpec {
    let members: Vec<String> = (1..=MEMBERS)
        .map(|member| {
            format!("{{id: m{member}, address: 10.9.0.{member}, port: {}}}", target.port())
        })
        .collect();
    let text = format!(
        "pools: [{{id: pool-{number}, protocol: TCP, lb_method: ROUND_ROBIN, timeouts: {{connect: 2000}}, vip: {{id: \
         v, address: 10.0.0.1, port: 80}}, monitor: {{type: TCP, delay: {DELAY}, timeout: 2, max_retries: 2}}, \
         members: [{}]}}]",
        members.join(", ")
    );
    let mut pool = yaml::parse("pool", &text).unwrap().remove(0);
    pool.vip.as_mut().unwrap().address = source.into();
    pool.members.iter_mut().for_each(|member| member.monitor_address = Some((*target.ip()).into()));
    pool
}

/// One after the other: the CPU is that of every thread of monitors.
#[test]
fn a_thousand_pools_are_probed_in_time_though_nobody_answers() {
    let namespace = Namespace::create("qlb-scale").unwrap();
    let listener = namespace.run(|| TcpListener::bind("127.0.0.1:0")).unwrap().unwrap();
    let home = [127, 0, 0, 1];
    let open = SocketAddrV4::new(home.into(), listener.local_addr().unwrap().port());
    measure(&namespace, CheckStatus::L4Ok, home, open);

    // A cable at whose other end nobody listens. Each probe takes 2 s, so 4,000 are under way at any time.
    for line in [
        "link add here type veth peer name there",
        "link set here arp off up",
        "link set there up",
        "address add 10.0.0.1/8 dev here",
    ] {
        namespace.command("ip").args(line.split(' ')).stdout().unwrap();
    }
    let nobody = SocketAddrV4::new([10, 8, 0, 1].into(), 80);
    measure(&namespace, CheckStatus::L4Tout, [10, 0, 0, 1], nobody);
}
