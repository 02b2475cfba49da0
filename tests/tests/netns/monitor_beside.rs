//! The same conf, the same members: qlb's states and log lines beside those of a real HAProxy.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lb_tests::tcp::Mode;
use lb_tests::topology::PoolNet;
use lb_tests::{Process, Qlb, wait_until};
use tempfile::TempDir;

use crate::bench::{Bench, SOON, server};
use crate::monitor_web::Web;
use crate::pool_file::ROUND_ROBIN;

/// Several probes, one every two seconds, and a busy machine.
const TURN: Duration = Duration::from_secs(60);

/// How a member's state went, without repetitions.
type Course = Arc<Mutex<Vec<String>>>;

/// HAProxy and qlb on one conf, and somebody who watches the second member of both.
struct Beside {
    haproxy: Process,
    qlb: Process,
    /// HAProxy's and qlb's.
    courses: [Course; 2],
    end: Arc<AtomicBool>,
    watchers: Vec<JoinHandle<()>>,
    _dir: TempDir,
}

impl Beside {
    /// Both, with `backend` lines, and `check` options of each server.
    fn start(net: &PoolNet, qlb: &Qlb, backend: &str, check: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("lbaas").join(net.pool.id);
        fs::create_dir_all(&state).unwrap();
        let (conf, sock) = (state.join("conf"), state.join("sock"));
        fs::write(&conf, settings(net, &sock, backend, check)).unwrap();
        let command = net.vip.namespace.command("haproxy").args(["-db", "-f"]).arg(&conf);
        let mut haproxy = Process::spawn(command).unwrap();
        let listens = |_: &Process| UnixStream::connect(&sock).ok().map(drop);
        haproxy.wait_ready(listens, SOON, "haproxy listening").unwrap();
        let run = qlb.run([PathBuf::from("-f"), conf]).unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let courses: [Course; 2] = Default::default();
        let (id, program) = (net.pool.id.to_owned(), qlb.clone());
        let looks: [Box<dyn Fn() -> Option<String> + Send>; 2] =
            [Box::new(move || haproxys(&sock)), Box::new(move || qlbs(&program, &id))];
        let watchers = looks.into_iter().zip(&courses).map(|(look, course)| {
            let (end, course) = (Arc::clone(&end), Arc::clone(course));
            thread::spawn(move || watch(&end, &course, look))
        });
        let watchers = watchers.collect();
        Self { haproxy, qlb: run, courses, end, watchers, _dir: dir }
    }

    /// Waits until both say that of the second member; returns how long each took.
    fn wait(&self, state: &str) -> [Duration; 2] {
        let start = Instant::now();
        let mut took = [None; 2];
        let all = || {
            for (course, took) in self.courses.iter().zip(&mut took) {
                if course.lock().unwrap().last().is_some_and(|last| last == state) {
                    took.get_or_insert_with(|| start.elapsed());
                }
            }
            took.iter().all(Option::is_some)
        };
        wait_until(all, TURN, &format!("{state}: {:?}", self.courses)).unwrap();
        took.map(Option::unwrap)
    }

    /// Ends the watching; the courses, and the log lines with times left out.
    fn finish(mut self, lines: usize) -> ([Vec<String>; 2], [Vec<String>; 2]) {
        let logs = || [&self.haproxy, &self.qlb].map(|process| log(&process.stderr()));
        let complete = || logs().iter().all(|log| log.len() >= lines);
        wait_until(complete, TURN, &format!("{lines} lines each in {:#?}", logs())).unwrap();
        self.end.store(true, Ordering::SeqCst);
        self.watchers.drain(..).for_each(|watcher| watcher.join().unwrap());
        let courses = self.courses.each_ref().map(|course| course.lock().unwrap().clone());
        (courses, logs())
    }
}

fn settings(net: &PoolNet, sock: &Path, backend: &str, check: &str) -> String {
    let (id, vip) = (net.pool.id, net.pool.vip);
    let servers: String = (0..2)
        .map(|index| {
            let address = net.member_socket(index);
            format!("\tserver m{} {address} weight 1 check {check}\n", index + 1)
        })
        .collect();
    format!(
        "global\n\tstats socket {} mode 0666 level user\ndefaults\n\tretries 3\n\toption redispatch\n\
         \ttimeout connect 5000\n\ttimeout client 50000\n\ttimeout server 50000\n\
         frontend vip\n\tbind {vip}\n\tmode tcp\n\tdefault_backend {id}\n\
         backend {id}\n\tmode tcp\n\tbalance roundrobin\n{backend}{servers}",
        sock.display()
    )
}

fn watch(end: &AtomicBool, course: &Course, look: impl Fn() -> Option<String>) {
    while !end.load(Ordering::SeqCst) {
        if let Some(state) = look() {
            let mut course = course.lock().unwrap();
            if course.last() != Some(&state) {
                course.push(state);
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The second member in `show stat`, with the code of its last check once there was one.
fn haproxys(sock: &Path) -> Option<String> {
    let mut stream = UnixStream::connect(sock).ok()?;
    stream.write_all(b"show stat -1 4 -1\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let names: Vec<&str> = text.lines().next()?.trim_start_matches("# ").split(',').collect();
    let row = text.lines().find(|line| line.split(',').nth(1) == Some("m2"))?;
    let cells: Vec<&str> = row.split(',').collect();
    let cell = |name: &str| cells.get(names.iter().position(|known| *known == name)?).copied();
    let (status, code) = (cell("check_status")?, cell("check_code")?);
    // A check that is under way has no code yet.
    if status.starts_with("* ") {
        return None;
    }
    let counts = (cell("chkfail")?, cell("chkdown")?);
    Some(describe(cell("status")?, status, code, counts))
}

/// The same in `qlb member list`.
fn qlbs(qlb: &Qlb, pool: &str) -> Option<String> {
    let answer = qlb.json(["member", "list", pool, "-o", "json"]).ok()?;
    let member = answer["members"].as_array()?.iter().find(|member| member["id"] == "m2")?;
    let check = &member["check"];
    let text = |field: &str| check[field].as_str().unwrap_or("INI").to_owned();
    let number = |field: &str| check[field].to_string().replace("null", "");
    let counts = (&*number("failed"), &*number("downs"));
    Some(describe(check["state"].as_str()?, &text("status"), &number("code"), counts))
}

fn describe(state: &str, status: &str, code: &str, (failed, downs): (&str, &str)) -> String {
    let code = if code.is_empty() { String::new() } else { format!("/{code}") };
    format!("{state} {status}{code} chkfail={failed} chkdown={downs}")
}

/// The lines about members that turned, without what took how long, and without HAProxy's quotes.
fn log(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let start = line.find("Server ").or_else(|| line.find("backend "))?;
        let line = line[start..].replace('\'', "");
        let is_news =
            line.contains(" is UP") || line.contains(" is DOWN") || line.contains("no server");
        is_news.then(|| match line.split_once("check duration: ") {
            Some((before, after)) => {
                let rest = after.split_once("ms").map_or("", |(_, rest)| rest);
                format!("{before}check duration: #ms{rest}")
            }
            None => line,
        })
    };
    text.lines().filter_map(line).collect()
}

fn print(script: &str, (courses, logs): &([Vec<String>; 2], [Vec<String>; 2])) {
    println!("{script}:");
    for (name, (course, log)) in ["HAProxy", "qlb"].iter().zip(courses.iter().zip(logs)) {
        println!("  {name}: {}", course.join(" -> "));
        log.iter().for_each(|line| println!("    {line}"));
    }
}

/// What is known before the first probe has no place in the comparison: the two begin at different moments.
fn from_first_probe(course: &[String]) -> &[String] {
    let first = course.iter().position(|state| !state.contains("INI")).unwrap();
    &course[first..]
}

fn assert_same(found: &([Vec<String>; 2], [Vec<String>; 2])) {
    let ([haproxys, qlbs], [haproxys_log, qlbs_log]) = found;
    assert_eq!(from_first_probe(qlbs), from_first_probe(haproxys));
    assert_eq!(qlbs_log, haproxys_log);
}

#[test]
fn a_tcp_member_that_is_closed_opens_and_closes_goes_through_haproxys_states() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    drop(bench.servers.pop());
    let beside = Beside::start(&bench.net, &bench.qlb, "\ttimeout check 2s\n", "inter 2s fall 3");
    let refused = beside.wait("DOWN L4CON chkfail=1 chkdown=1");
    bench.servers.push(server(&bench.net, 1, Mode::Echo));
    let up = beside.wait("UP L4OK chkfail=1 chkdown=1");
    drop(bench.servers.pop());
    let down = beside.wait("DOWN L4CON chkfail=4 chkdown=2");
    bench.servers.clear();
    let found = beside.finish(5);
    print("TCP, inter 2s fall 3: closed, opens, closes; then the other one closes", &found);
    println!("  noticed by [HAProxy, qlb]: closed {refused:?}, open {up:?}, closed {down:?}");
    let ([.., course], [.., log]) = &found;
    assert_eq!(
        from_first_probe(course),
        [
            "DOWN L4CON chkfail=1 chkdown=1",
            "DOWN 1/2 L4OK chkfail=1 chkdown=1",
            "UP L4OK chkfail=1 chkdown=1",
            "UP 2/3 L4CON chkfail=2 chkdown=1",
            "UP 1/3 L4CON chkfail=3 chkdown=1",
            "DOWN L4CON chkfail=4 chkdown=2",
        ]
    );
    let id = bench.net.pool.id;
    assert_eq!(
        log[0],
        format!(
            "Server {id}/m2 is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", check \
             duration: #ms. 1 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in \
             queue."
        )
    );
    assert_same(&found);
}

#[test]
fn a_page_that_is_well_or_not_is_told_in_haproxys_words() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.servers.clear();
    let start = |index: usize| {
        Web::start(&bench.net.members[index].namespace, bench.net.member_socket(index), None)
    };
    let (_first, second) = (start(0), start(1));
    let backend =
        "\ttimeout check 2s\n\toption httpchk GET /health\n\thttp-check expect rstatus 200|204\n";
    let beside = Beside::start(&bench.net, &bench.qlb, backend, "inter 2s fall 2 rise 3");
    beside.wait("UP L7OK/204 chkfail=0 chkdown=0");
    second.is_well(false);
    beside.wait("DOWN L7STS/503 chkfail=2 chkdown=1");
    second.is_well(true);
    beside.wait("UP L7OK/204 chkfail=2 chkdown=1");
    second.stop();
    beside.wait("DOWN L4CON chkfail=4 chkdown=2");
    let found = beside.finish(3);
    print("HTTP, inter 2s fall 2 rise 3: 204, 503, 204, closed", &found);
    assert_same(&found);
}
