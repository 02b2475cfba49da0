//! What systemd gives the agent, and what it hears from it.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use lb_tests::{Namespace, Process};

use crate::agent_bench::{AgentBench, stop};
use crate::pool_file::ROUND_ROBIN;

/// The capabilities of the unit, as setpriv(1) takes them.
fn bounding_set() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/qlb.service");
    let unit = std::fs::read_to_string(path).unwrap();
    let lines = unit.lines().filter_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let names: Vec<String> = lines
        .flat_map(str::split_whitespace)
        .map(|name| format!("+{}", name.strip_prefix("CAP_").unwrap().to_lowercase()))
        .collect();
    assert_eq!(names.len(), 11, "{names:?}");
    format!("-all,{}", names.join(","))
}

#[test]
fn the_units_capabilities_are_enough_and_systemd_hears_of_the_agent() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let dir = tempfile::tempdir().unwrap();
    let notices = dir.path().join("notify");
    let heard = UnixDatagram::bind(&notices).unwrap();
    heard.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let hear = || {
        let mut notice = [0; 256];
        let len = heard.recv(&mut notice).unwrap();
        String::from_utf8_lossy(&notice[..len]).into_owned()
    };
    let command = Namespace::root()
        .unwrap()
        .command("setpriv")
        .args(["--bounding-set", &bounding_set(), "--no-new-privs"])
        .arg(agent.bench.qlb.program())
        .args(["agent", "--socket-group", "nogroup", "--state-dir"])
        .arg(agent.state_dir())
        .env("NOTIFY_SOCKET", &notices);
    let mut process = Process::spawn(command).unwrap();
    let ready = |process: &Process| process.stdout().starts_with("ready ").then_some(());
    process.wait_ready(ready, Duration::from_secs(30), "ready").unwrap();
    let notice = hear();
    assert!(notice.contains("READY=1") && notice.contains("served=1"), "{notice}");
    assert_eq!(agent.bench.sequence(2), "m1 m2");
    assert_eq!(process.stderr().matches("WARN").count(), 0, "{}", process.stderr());
    stop(&mut process);
    assert!(hear().contains("STOPPING=1"));
    let process = agent.start();
    agent.finish(process);
}
