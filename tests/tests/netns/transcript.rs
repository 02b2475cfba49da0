//! One story told by HAProxy 2.6 and by qlb, side by side: log lines and statistics. Where they differ,
//! docs/haproxy.md says so.

mod side;

use std::fmt::Write as _;

use lb_tests::tcp::pattern;

use crate::attendance::{Office, Row};
use crate::bench::Bench;
use crate::pool_file::ROUND_ROBIN;
use side::{Kind, Side};

/// What a balancer says in one chapter of the story.
#[derive(Debug, Default)]
struct Chapter {
    name: &'static str,
    /// Lines of connections and servers, without what no two runs have in common.
    lines: Vec<String>,
    /// Columns that Neutron's agent reads, by row.
    rows: Vec<String>,
    /// What the client saw.
    seen: String,
}

const COLUMNS: [&str; 12] = [
    "scur",
    "smax",
    "stot",
    "bin",
    "bout",
    "econ",
    "eresp",
    "status",
    "check_status",
    "chkfail",
    "weight",
    "type",
];

/// The rows of pool and members, counted from the last reload, and without the greetings that name ports.
fn rows(side: &Side) -> Vec<String> {
    let rows = side.office.rows(|rows| rows["BACKEND"]["scur"] == "0");
    let line = |name: &str| {
        let row: &Row = &rows[name];
        let before = side.baseline.get(name);
        let cell = |column: &str| {
            // HAProxy marks a check that is under way.
            let cell = row[column].trim_start_matches("* ").to_owned();
            let number = |row: &Row| row[column].parse::<u64>().ok();
            let since = ["stot", "bin", "bout", "econ"].contains(&column);
            match (since, number(row), before.and_then(number)) {
                (true, Some(now), before) => {
                    let greetings = if column == "bout" { side.greetings(name) } else { 0 };
                    (now - before.unwrap_or(0) - greetings).to_string()
                }
                _ => cell,
            }
        };
        let cells: Vec<String> =
            COLUMNS.iter().map(|column| format!("{column}={}", cell(column))).collect();
        format!("{name} {}", cells.join(" "))
    };
    // A new process of HAProxy begins round robin anew, and its high-water marks.
    match side.reloaded {
        true => vec![line("BACKEND").replace(" smax=1", "").replace(" smax=0", "")],
        false => ["m1", "m2", "BACKEND"].map(line).to_vec(),
    }
}

/// Some connections, one after the other, and their lines.
fn serve(side: &mut Side, count: usize) {
    for _ in 0..count {
        let mut connection = side.bench.connect();
        connection.exchange(&pattern(1_000)).unwrap();
        side.greeted(&connection);
        let local = connection.local;
        connection.finish().unwrap();
        side.told(local);
        side.office.rows(|rows| rows["BACKEND"]["scur"] == "0");
    }
}

fn tell(kind: Kind) -> Vec<Chapter> {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut side = Side::start(kind, bench, Office::open());
    let mut story = Vec::new();
    let mut end = |side: &mut Side, name, seen: &str| {
        let chapter =
            Chapter { name, lines: side.take_lines(), rows: rows(side), seen: seen.to_owned() };
        story.push(chapter);
    };
    end(&mut side, "start", "");
    serve(&mut side, 4);
    end(&mut side, "four connections", "");

    side.fail(1);
    serve(&mut side, 2);
    end(&mut side, "a member fails", "");
    side.heal(1);
    serve(&mut side, 2);
    end(&mut side, "it returns", "");

    side.weigh(1, 0);
    serve(&mut side, 2);
    end(&mut side, "its weight becomes 0", "");

    let mut held = side.bench.connect();
    side.reload();
    held.exchange(&pattern(10)).unwrap();
    let local = held.local;
    held.finish().unwrap();
    // HAProxy's old process tells it, and the new one's rows know nothing of that.
    side.told(local);
    side.rest();
    end(&mut side, "reload", "the connection that was held lives");

    let mut idle = side.bench.connect();
    side.greeted(&idle);
    idle.exchange(&pattern(10)).unwrap();
    let local = idle.local;
    let seen = match idle.expect(b"more") {
        Err(error) if error.to_string().contains("reset") => "reset",
        Err(_) => "end of stream",
        Ok(()) => "data",
    };
    side.told(local);
    end(&mut side, "a connection idles", seen);

    side.fail_all();
    let seen = side.refused();
    end(&mut side, "all members refuse", seen);
    side.stop();
    story.push(Chapter { name: "stop", lines: side.take_lines(), ..Chapter::default() });
    story
}

/// What is otherwise in a chapter, and the words of docs/haproxy.md about it.
struct Difference {
    chapter: &'static str,
    theirs: &'static [&'static str],
    ours: &'static [&'static str],
    words: &'static str,
}

const DIFFERENCES: [Difference; 6] = [
    Difference {
        chapter: "start",
        theirs: &[],
        ours: &["Proxy VIP started.", "Proxy POOL started."],
        words: "`Proxy <id> started.`",
    },
    Difference {
        chapter: "reload",
        theirs: &[
            "Proxy VIP stopped (cumulated conns: FE: 11, BE: 0).",
            "Proxy POOL stopped (cumulated conns: FE: 0, BE: 11).",
        ],
        ours: &["Proxy VIP started.", "Proxy POOL started."],
        words: "no line for the end of a process that was killed",
    },
    Difference {
        chapter: "a connection idles",
        theirs: &["end of stream"],
        ours: &["reset"],
        words: "An idle connection ends with RST at both ends",
    },
    Difference {
        chapter: "all members refuse",
        theirs: &["somebody not connected 0 SC +3 of 1/1/0/0/+3"],
        ours: &["somebody not connected 0 SC +1 of 1/1/0/0/+1"],
        words: "each member is tried once",
    },
    Difference {
        chapter: "all members refuse",
        theirs: &["end of stream"],
        ours: &["connection refused"],
        words: "the client hears ECONNREFUSED",
    },
    Difference {
        chapter: "stop",
        theirs: &[
            "Proxy VIP stopped (cumulated conns: FE: 2, BE: 0).",
            "Proxy POOL stopped (cumulated conns: FE: 0, BE: 2).",
        ],
        ours: &[
            "Proxy VIP stopped (cumulated conns: FE: 13, BE: 0).",
            "Proxy POOL stopped (cumulated conns: FE: 0, BE: 13).",
        ],
        words: "Counters go on",
    },
];

impl Chapter {
    fn all(&self) -> Vec<String> {
        let seen = Some(&self.seen).filter(|seen| !seen.is_empty());
        self.lines.iter().chain(&self.rows).chain(seen).cloned().collect()
    }
}

/// Those of `some` that are not among `others`.
fn only(some: &[String], others: &[String]) -> Vec<String> {
    let mut others = others.to_vec();
    let is_alone = |line: &&String| match others.iter().position(|other| other == *line) {
        Some(index) => {
            others.remove(index);
            false
        }
        None => true,
    };
    some.iter().filter(is_alone).cloned().collect()
}

#[test]
fn haproxy_and_qlb_tell_the_same_story() {
    let (theirs, ours) = (tell(Kind::Haproxy), tell(Kind::Qlb));
    let mut text = String::new();
    for (a, b) in theirs.iter().zip(&ours) {
        writeln!(text, "== {}", a.name).unwrap();
        for (label, chapter) in [("haproxy", a), ("qlb", b)] {
            chapter.all().iter().for_each(|line| writeln!(text, "{label:8} {line}").unwrap());
        }
    }
    println!("{text}");
    let docs = include_str!("../../../docs/haproxy.md");
    assert_eq!(theirs.len(), ours.len());
    for (a, b) in theirs.iter().zip(&ours) {
        let (their, our) = (a.all(), b.all());
        let known = DIFFERENCES.iter().filter(|known| known.chapter == a.name);
        let lines = |of: fn(&Difference) -> &'static [&'static str]| -> Vec<&str> {
            known.clone().flat_map(of).copied().collect()
        };
        assert_eq!(only(&their, &our), lines(|known| known.theirs), "{}: HAProxy's", a.name);
        assert_eq!(only(&our, &their), lines(|known| known.ours), "{}: qlb's", a.name);
        known.for_each(|known| assert!(docs.contains(known.words), "{}", known.words));
    }
}
