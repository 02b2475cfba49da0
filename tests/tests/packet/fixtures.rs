//! How many cases there are.

use std::collections::BTreeSet;
use std::env;
use std::io::{self, Write as _};
use std::process::Command;

use lb_common::counter;

/// Set in a process that only counts what its tests would check.
const COUNTING: &str = "QLB_COUNT_FIXTURES";

/// In front of what a counting process says.
const SAYS: &str = "fixtures ";

/// Cases with a packet that there must be at least.
const WANTED: usize = 150;

/// Tests that check nothing case by case, or take long.
const OTHERS: [&str; 10] = [
    "crowd::",
    "drain::an_installation_drains_and_releases",
    "drain::the_cause_is_told",
    "drift::",
    "events::",
    "fixtures::",
    "front::",
    "harness::",
    "million::",
    "route::",
];

/// Counters that no case can move: what a rewrite needs was looked at before, no case listens, and no XDP program of a
/// case leaves anything to TC because of the time.
const OUT_OF_REACH: [&str; 3] = ["drop_rewrite", "event_lost", "xdp_pass_confirm"];

/// In a counting process, says that there are so many cases with a packet and so many sweeps, and which counters they
/// move; else answers false.
pub(crate) fn counted<'a>(
    packets: usize,
    sweeps: usize,
    deltas: impl Iterator<Item = &'a str>,
) -> bool {
    let counting = env::var_os(COUNTING).is_some();
    if counting {
        let parts = deltas.flat_map(|delta| delta.split(';'));
        let counters: BTreeSet<&str> =
            parts.filter_map(|part| part.trim().split_once(" +")).map(|(name, _)| name).collect();
        let counters: Vec<&str> = counters.into_iter().filter(|name| !name.contains(' ')).collect();
        // In one piece, whatever other threads say.
        let line = format!("{SAYS}{packets} {sweeps} {}\n", counters.join(" "));
        io::stderr().write_all(line.as_bytes()).unwrap();
    }
    counting
}

/// Every test of this program, in a process that counts: no test knows when the others have ended.
#[test]
fn there_are_more_than_a_hundred_and_fifty_and_they_move_every_counter() {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(COUNTING, "yes").args(OTHERS.iter().flat_map(|name| ["--skip", name]));
    let output = command.args(["--nocapture"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let (mut packets, mut sweeps) = (0, 0);
    let mut never: BTreeSet<&str> = counter::all().map(|(_, name, _)| name).collect();
    for line in said.lines().filter_map(|line| line.strip_prefix(SAYS)) {
        let mut words = line.split_whitespace();
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        packets += number();
        sweeps += number();
        words.for_each(|counter| _ = never.remove(counter));
    }
    super::tell(format_args!(
        "{packets} packets and {sweeps} sweeps of conntrack as fixtures, each also after an upgrade, with XDP in front, and past the outer end"
    ));
    assert!(packets > WANTED, "{packets} fixtures");
    assert!(never.into_iter().eq(OUT_OF_REACH), "counters that no fixture moves");
}
