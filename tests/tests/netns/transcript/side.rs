//! A balancer of the story, and the hand that moves it.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpStream};

use lb_tests::tcp::{Connection, Mode};
use lb_tests::{Process, wait_for};
use nix::sys::signal::Signal;

use crate::attendance::{Conf, Office, Row, Told, ask};
use crate::bench::{Bench, SOON, server};
use crate::haproxy::Haproxy;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Haproxy,
    Qlb,
}

enum Running {
    /// The newest is the last.
    Haproxy(Vec<Haproxy>),
    Qlb(Option<Process>),
}

pub(super) struct Side {
    running: Running,
    pub(super) bench: Bench,
    pub(super) office: Office,
    /// Rows after the last reload, which later ones are counted from.
    pub(super) baseline: HashMap<String, Row>,
    /// Bytes of greetings by member since then: they name ports, which differ in length.
    greetings: HashMap<String, u64>,
    /// Whether the balancer was started anew.
    pub(super) reloaded: bool,
}

fn checked() -> Conf {
    Conf {
        balance: "roundrobin",
        weights: vec![1, 1],
        server: " check inter 1s fall 2",
        idle: 50_000,
        backend: "\ttimeout check 1s\n",
    }
}

/// Without checks, so that all members refuse before anybody has noticed; and short of patience.
fn reloaded() -> Conf {
    Conf { server: "", idle: 6_000, backend: "", ..checked() }
}

impl Side {
    pub(super) fn start(kind: Kind, bench: Bench, office: Office) -> Self {
        let running = match kind {
            Kind::Haproxy => Running::Haproxy(Vec::new()),
            Kind::Qlb => Running::Qlb(None),
        };
        let (baseline, greetings) = (HashMap::new(), HashMap::new());
        let mut side = Self { running, bench, office, baseline, greetings, reloaded: false };
        side.run(&checked(), &[]);
        let well = |row: &Row| row["status"] == "UP" && row["check_status"] == "L4OK";
        side.office.rows(|rows| well(&rows["m1"]) && well(&rows["m2"]));
        let started = format!("Proxy {} started", side.bench.pool.id);
        if let Kind::Qlb = kind {
            side.office.logged(&["<133>", &started]);
        }
        side
    }

    fn run(&mut self, conf: &Conf, args: &[&str]) {
        let path = self.office.write(&self.bench, conf);
        match &mut self.running {
            Running::Haproxy(all) => {
                // Weights are changed by a socket of another level than Neutron's.
                let admin = self.office.path("admin");
                let text = std::fs::read_to_string(&path).unwrap();
                let socket = format!("\tstats socket {} level admin\ndefaults\n", admin.display());
                std::fs::write(&path, text.replacen("defaults\n", &socket, 1)).unwrap();
                let vip = self.bench.vip();
                all.push(Haproxy::with_conf(&self.bench.net.vip.namespace, &path, args, &[vip]));
            }
            Running::Qlb(run) => *run = Some(self.bench.qlb.run(["-f".into(), path]).unwrap()),
        }
        self.office.rows(|rows| rows.contains_key("BACKEND"));
    }

    /// A member's server ends, and the balancer notices.
    pub(super) fn fail(&mut self, index: usize) {
        // The listening socket closes with the server.
        drop(self.bench.servers.remove(index));
        let name = format!("m{}", index + 1);
        self.office.rows(|rows| rows[&name]["status"] == "DOWN");
        self.office.logged(&["<129>", &format!("/{name} is DOWN")]);
    }

    pub(super) fn heal(&mut self, index: usize) {
        self.bench.servers.insert(index, server(&self.bench.net, index, Mode::Echo));
        let name = format!("m{}", index + 1);
        self.office.rows(|rows| rows[&name]["status"] == "UP");
        self.office.logged(&["<133>", &format!("/{name} is UP")]);
    }

    pub(super) fn weigh(&mut self, index: usize, weight: u32) {
        let (name, weight) = (format!("m{}", index + 1), weight.to_string());
        match &self.running {
            Running::Haproxy(_) => {
                let line = format!("set weight {}/{name} {weight}\n", self.bench.pool.id);
                ask(&self.office.path("admin"), &line).unwrap();
            }
            Running::Qlb(_) => drop(self.bench.member("set", &[&name, "--weight", &weight])),
        }
        self.office.rows(|rows| rows[&name]["weight"] == weight);
    }

    /// Starts anew with another conf, while a connection is held.
    pub(super) fn reload(&mut self) {
        self.reloaded = true;
        match &mut self.running {
            Running::Haproxy(all) => {
                let pid = all.last().unwrap().process.pid().to_string();
                self.run(&reloaded(), &["-sf", &pid]);
            }
            Running::Qlb(run) => {
                let mut old = run.take().unwrap();
                old.signal(Signal::SIGKILL).unwrap();
                old.wait(SOON).unwrap();
                self.run(&reloaded(), &[]);
            }
        }
        self.office.rows(|rows| rows["m1"]["status"] == "no check");
    }

    /// From here on statistics are counted.
    pub(super) fn rest(&mut self) {
        self.baseline = self.office.rows(|rows| rows["BACKEND"]["scur"] == "0");
        self.greetings.clear();
    }

    pub(super) fn fail_all(&mut self) {
        self.bench.servers.clear();
    }

    /// What a client sees whom no member takes.
    pub(super) fn refused(&mut self) -> &'static str {
        let vip = self.bench.vip();
        let seen = self.bench.net.client().namespace.run(|| {
            let mut stream = match TcpStream::connect_timeout(&vip, SOON) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    return "connection refused";
                }
                connected => connected.unwrap(),
            };
            stream.set_read_timeout(Some(SOON)).unwrap();
            match stream.read(&mut [0]) {
                Ok(0) => "end of stream",
                Ok(_) => "data",
                Err(_) => "reset",
            }
        });
        self.office.logged(&["<134>", " SC "]);
        seen.unwrap()
    }

    /// Ends it as its operator does.
    pub(super) fn stop(&mut self) {
        match &mut self.running {
            Running::Haproxy(all) => {
                let mut last = all.pop().unwrap();
                last.process.stop(Signal::SIGUSR1, SOON).unwrap();
            }
            Running::Qlb(run) => {
                run.take().unwrap().stop(Signal::SIGTERM, SOON).unwrap();
            }
        }
        self.office.logged(&["<132>", &format!("Proxy {} stopped", self.bench.pool.id)]);
    }

    pub(super) fn greeted(&mut self, connection: &Connection) {
        let bytes = format!("{} {}\n", connection.member, connection.seen).len() as u64;
        for name in [connection.member.as_str(), "BACKEND"] {
            *self.greetings.entry(name.to_owned()).or_default() += bytes;
        }
    }

    pub(super) fn greetings(&self, name: &str) -> u64 {
        self.greetings.get(name).copied().unwrap_or(0)
    }

    /// Waits for the line of a connection.
    pub(super) fn told(&self, client: SocketAddr) {
        self.office.logged(&["<134>", &format!("{client} [")]);
    }

    /// What has been logged to local0, and forgets it.
    pub(super) fn take_lines(&self) -> Vec<String> {
        // Lines to the second target follow those to the first.
        let settled = || {
            let lines = self.office.lines();
            let of = |facility: u32| {
                let notices = lines.iter().filter(|line| {
                    let priority = line[1..].split('>').next().unwrap().parse::<u32>().unwrap();
                    priority / 8 == facility && priority % 8 <= 5
                });
                notices.count()
            };
            if of(16) == of(17) { Ok(lines) } else { Err(lines.concat()) }
        };
        let lines = wait_for(settled, SOON, "the same notices at both targets").unwrap();
        self.office.clear();
        let id = self.bench.pool.id.as_str();
        let short = |line: &String| {
            let priority = line.split('>').next().unwrap().trim_start_matches('<');
            let (_, text) = line.trim_end().split_once("]: ").unwrap();
            let text = text.replace(&format!("{id}-vip"), "VIP").replace(id, "POOL");
            match priority {
                "134" => {
                    let Told { server, timers, bytes, state, counts, .. } = Told::read(line);
                    let body = bytes % 1_000;
                    // Greetings have 17 to 21 bytes, with the port of the connection.
                    let kind = if (10..40).contains(&body) { bytes - body } else { bytes };
                    let retries = counts.rsplit('/').next().unwrap();
                    let connected = if timers[1] < 0 { "not connected" } else { "connected" };
                    let server = if self.reloaded { "somebody" } else { server.as_str() };
                    format!("{server} {connected} {kind} {state} {retries} of {counts}")
                }
                _ => without_duration(&text),
            }
        };
        let first = |line: &&String| {
            let priority: u32 = line[1..].split('>').next().unwrap().parse().unwrap();
            priority / 8 == 16 && !line.contains("<HTTPCLIENT>")
        };
        lines.iter().filter(first).map(short).collect()
    }
}

/// A line about a member, whatever its last check took.
fn without_duration(text: &str) -> String {
    match (text.find("check duration: "), text.find("ms. ")) {
        (Some(from), Some(to)) => format!("{}check duration: some {}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    }
}
