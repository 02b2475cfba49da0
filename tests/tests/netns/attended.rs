//! The stats socket and the log of a pool that `qlb run` serves by its HAProxy conf.

use std::fs;
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;

use lb_tests::tcp::pattern;
use lb_tests::{Process, wait_for, wait_until};

use crate::attendance::{Conf, Office, Told, parse};
use crate::bench::{Bench, SOON, end};
use crate::events::{follow, told};
use crate::haproxy::Haproxy;
use crate::pool_file::ROUND_ROBIN;

fn plain() -> Conf {
    Conf { balance: "roundrobin", weights: vec![1, 1], server: "", idle: 50_000, backend: "" }
}

fn run(bench: &Bench, office: &Office, conf: &Conf) -> Process {
    let path = office.write(bench, conf);
    bench.qlb.run(["-f".into(), path]).unwrap()
}

#[test]
fn statistics_are_answered_and_the_socket_goes_with_the_controller() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let office = Office::open();
    // As a process leaves it that was killed.
    drop(UnixListener::bind(office.socket()).unwrap());
    let mut controller = run(&bench, &office, &plain());
    let file = fs::metadata(office.socket()).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o666);

    for _ in 0..2 {
        bench.connect().exchange(&pattern(1_000)).unwrap();
        bench.wait_idle();
    }
    let held = bench.connect();
    // Marks go by events, which come a moment after the counts.
    let rows = office.rows(|rows| rows["BACKEND"]["stot"] == "3" && rows["m2"]["smax"] == "1");
    let cells = |name: &str, columns: &[&str]| -> Vec<String> {
        columns.iter().map(|column| rows[name][*column].clone()).collect()
    };
    let greetings = u64::from(rows["BACKEND"]["bout"].parse::<u32>().unwrap()) - 2_000;
    assert!((51..=66).contains(&greetings), "three greetings of 17 to 22 bytes: {rows:?}");
    let columns = ["type", "scur", "smax", "stot", "bin", "econ", "eresp", "status"];
    assert_eq!(cells("BACKEND", &columns), ["1", "1", "1", "3", "2000", "0", "0", "UP"]);
    assert_eq!(cells("m1", &columns), ["2", "1", "1", "2", "1000", "0", "0", "no check"]);
    assert_eq!(cells("m2", &columns), ["2", "0", "1", "1", "1000", "0", "0", "no check"]);
    let all = parse(&office.ask("show stat\n").unwrap());
    assert_eq!(all.len(), 4, "{all:?}");
    let status = bench.status();
    let numbers = &status["lbaas"]["statistics"];
    for (name, column) in [
        ("bytes_in", "bin"),
        ("bytes_out", "bout"),
        ("active_connections", "scur"),
        ("total_connections", "stot"),
        ("request_errors", "econ"),
    ] {
        assert_eq!(numbers[name].to_string(), all["BACKEND"][column], "{name}");
    }
    metrics(&bench, 3);
    let info = office.ask("show info\n").unwrap();
    assert!(info.contains(&format!("\nPid: {}\n", controller.pid())), "{info}");
    assert!(info.contains("\nCurrConns: 1\nCumConns: 3\n"), "{info}");
    drop(held);
    end(&mut controller);
    assert!(!office.socket().exists());
}

/// What Prometheus reads: every family declared, no series twice, and the numbers of the status.
fn metrics(bench: &Bench, total: u32) {
    let text = bench.qlb.command(["metrics"]).unwrap();
    let (declared, series): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    let mut names: Vec<&str> = series.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    for name in &names {
        let family = name.split('{').next().unwrap();
        let kind = format!("# TYPE {family} ");
        assert!(declared.iter().any(|line| line.starts_with(&kind)), "{name}");
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{text}");
    let id = &bench.pool.id;
    for wanted in [
        format!("qlb_pool_connections_total{{pool=\"{id}\"}} {total}"),
        format!("qlb_pool_active_connections{{pool=\"{id}\"}} 1"),
        format!("qlb_pool_bytes_total{{pool=\"{id}\",direction=\"in\"}} 2000"),
        format!("qlb_member_up{{pool=\"{id}\",member=\"m1\"}} 1"),
        format!("qlb_member_state{{pool=\"{id}\",member=\"m2\",state=\"READY\"}} 1"),
        format!("qlb_pool_controller{{pool=\"{id}\"}} 1"),
    ] {
        assert!(series.contains(&wanted.as_str()), "{wanted}: {text}");
    }
}

/// HAProxy's own columns: whoever finds them by number finds them.
#[test]
fn the_header_is_that_of_haproxy() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let office = Office::open();
    let header = |office: &Office| {
        let ask = || office.ask("show stat -1 6 -1\n");
        let answer = wait_for(ask, SOON, "an answer").unwrap();
        assert!(answer.ends_with(",\n\n"), "{answer}");
        answer.lines().next().unwrap().to_owned()
    };
    let conf = office.write(&bench, &plain());
    let haproxy = Haproxy::with_conf(&bench.net.vip.namespace, &conf, &[], &[bench.vip()]);
    let theirs = header(&office);
    // A live one is not ours to take; the pool is served all the same.
    let mut beside = run(&bench, &office, &plain());
    assert!(beside.stderr().contains("is another process's"), "{}", beside.stderr());
    assert_eq!(header(&office), theirs);
    end(&mut beside);
    assert!(office.socket().exists(), "it is HAProxy's");
    drop(haproxy);
    let _ours = run(&bench, &office, &plain());
    assert_eq!(header(&office), theirs);
}

#[test]
fn a_line_for_each_connection_and_for_what_becomes_of_members() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let office = Office::open();
    let mut controller = run(&bench, &office, &plain());
    let id = bench.pool.id.clone();
    office.logged(&["<133>", &format!("Proxy {id}-vip started.")]);
    office.logged(&["<141>", &format!("Proxy {id} started.")]);

    // Somebody may look at events while the controller logs them.
    let mut events = follow(&bench.qlb, &bench.pool.id);
    let mut connection = bench.connect();
    connection.exchange(&pattern(1_000)).unwrap();
    let (local, seen) = (connection.local, connection.seen);
    connection.stream().shutdown(Shutdown::Write).unwrap();
    let line = office.logged(&[&format!("{local} ["), " -- "]);
    let told_line = Told::read(&line);
    let greeting = format!("m1 {seen}\n").len() as u64;
    assert_eq!((told_line.client, told_line.server.as_str()), (local, "m1"));
    assert_eq!((told_line.bytes, told_line.counts.as_str()), (1_000 + greeting, "1/1/0/0/0"));
    assert!(line.contains(&format!(" {id}-vip {id}/m1 ")), "{line}");
    let kinds: Vec<_> = told(&events, 2).iter().map(|event| event["event"].clone()).collect();
    assert_eq!(kinds, ["open", "close"]);
    assert!(!office.lines().iter().any(|line| line.starts_with("<142>")), "local1 is for notices");

    bench.member("set", &["m1", "--health", "down"]);
    let down = format!("Server {id}/m1 is DOWN. 1 active and 0 backup servers left.");
    office.logged(&["<129>", &down]);
    office.logged(&["<137>", &down]);
    assert_eq!(office.rows(|_| true)["m1"]["status"], "DOWN");
    assert_eq!(bench.status()["lbaas"]["v1"]["members"]["m1"], "INACTIVE");
    bench.member("set", &["m1", "--health", "up"]);
    office.logged(&[
        "<141>",
        &format!("Server {id}/m1 is UP. 2 active and 0 backup servers online."),
    ]);

    end(&mut controller);
    office.logged(&["<132>", &format!("Proxy {id} stopped (cumulated conns: FE: 0, BE: 1).")]);
    assert_eq!(events.wait(SOON).unwrap().code(), Some(0), "{}", events.stderr());
}

/// Connections are balanced a moment before the controller says so, and before it begins to log.
#[test]
fn the_first_connection_has_a_line() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let office = Office::roomy();
    let file = office.write(&bench, &plain());
    let (started, clients) = bench.knock(bench.vip(), || bench.qlb.run(["-f".into(), file]));
    let _controller = started.unwrap();
    office.logged_all(&clients, &bench.pool.id);
    assert_eq!(bench.counter("event_lost"), 0);
}

/// What is forgotten of members stays in the sums.
#[test]
fn statistics_outlive_members_and_controllers() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let office = Office::open();
    let mut controller = run(&bench, &office, &plain());
    for _ in 0..2 {
        bench.connect().exchange(&pattern(500)).unwrap();
    }
    bench.wait_idle();
    bench.member("remove", &["m1"]);
    let rows = office.rows(|rows| !rows.contains_key("m1"));
    assert_eq!((rows["BACKEND"]["bin"].as_str(), rows["m2"]["bin"].as_str()), ("1000", "500"));
    controller.signal(nix::sys::signal::Signal::SIGKILL).unwrap();
    controller.wait(SOON).unwrap();
    wait_until(|| office.ask("show info\n").is_err(), SOON, "the end of the controller").unwrap();
    let conf = Conf { weights: vec![1, 1], ..plain() };
    let _next = run(&bench, &office, &conf);
    let rows = office.rows(|rows| rows.contains_key("m1"));
    assert_eq!((rows["BACKEND"]["bin"].as_str(), rows["BACKEND"]["stot"].as_str()), ("1000", "2"));
}

/// More connections end at once than a syslog server has room for lines.
#[test]
fn a_crowd_has_a_line_each() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let office = Office::open();
    let _controller = run(&bench, &office, &plain());
    // A server that does not read for half a second misses lines, and it is said how many.
    let complete = (0..3).any(|_| crowd(&bench, &office) == 0);
    assert!(complete, "lines were dropped each time");
    assert_eq!(bench.counter("event_lost"), 0);
    let rows = office.rows(|rows| rows["BACKEND"]["scur"] == "0");
    assert_eq!(rows["BACKEND"]["smax"], CROWD.to_string());
}

const CROWD: usize = 300;

/// Each has one line, but for those that were dropped; returns how many.
fn crowd(bench: &Bench, office: &Office) -> usize {
    let lines = || office.lines().into_iter().filter(|line| line.contains(" -- "));
    let dropped = || -> usize {
        let info = office.ask("show info\n").unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("DroppedLogs: "));
        line.unwrap().parse().unwrap()
    };
    let before = dropped();
    let held = bench.hold(CROWD);
    let mut clients: Vec<String> = held.iter().map(|it| it.local.to_string()).collect();
    drop(held);
    let missing = || dropped() - before;
    wait_until(|| lines().count() + missing() >= CROWD, SOON, "a line for each").unwrap();
    let missing = missing();
    let mut told: Vec<String> = lines().map(|it| Told::read(&it).client.to_string()).collect();
    told.sort();
    clients.sort();
    if missing == 0 {
        assert_eq!(told, clients);
    }
    office.clear();
    missing
}
