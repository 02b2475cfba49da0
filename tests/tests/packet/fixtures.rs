//! How many cases there are.

use std::env;
use std::io::{self, Write as _};
use std::process::Command;

/// Set in a process that only counts what its tests would check.
const COUNTING: &str = "QLB_COUNT_FIXTURES";

/// In front of what a counting process says.
const SAYS: &str = "fixtures ";

/// Cases with a packet that there must be at least.
const WANTED: usize = 150;

/// Tests that check nothing case by case, or take long.
const OTHERS: [&str; 4] = ["crowd::", "events::", "fixtures::", "million::"];

/// In a counting process, says that there are so many cases with a packet and so many sweeps; else answers false.
pub(crate) fn counted(packets: usize, sweeps: usize) -> bool {
    let counting = env::var_os(COUNTING).is_some();
    if counting {
        // In one piece, whatever other threads say.
        io::stderr().write_all(format!("{SAYS}{packets} {sweeps}\n").as_bytes()).unwrap();
    }
    counting
}

/// Every test of this program, in a process that counts: no test knows when the others have ended.
#[test]
fn there_are_more_than_a_hundred_and_fifty() {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(COUNTING, "yes").args(OTHERS.iter().flat_map(|name| ["--skip", name]));
    let output = command.args(["--nocapture"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let numbers = said.lines().filter_map(|line| line.strip_prefix(SAYS)).map(|numbers| {
        let (packets, sweeps) = numbers.split_once(' ').unwrap();
        (packets.parse::<usize>().unwrap(), sweeps.parse::<usize>().unwrap())
    });
    let (packets, sweeps) = numbers.fold((0, 0), |sum, some| (sum.0 + some.0, sum.1 + some.1));
    super::tell(format_args!(
        "{packets} packets and {sweeps} sweeps of conntrack as fixtures, each also after an upgrade"
    ));
    assert!(packets > WANTED, "{packets} fixtures");
}
