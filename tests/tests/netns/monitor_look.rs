//! What `qlb member list` says of probes, and waiting for it.

use std::time::{Duration, Instant};

use lb_tests::wait_for;
use serde_json::Value;

use crate::bench::Bench;

/// Several probes, one a second, and a busy machine.
pub(crate) const TURN: Duration = Duration::from_secs(30);

/// A monitor of the pool file that probes once a second, with more keys.
pub(crate) fn monitor(kind: &str, more: &str) -> String {
    format!("{{type: {kind}, delay: 1, timeout: 1, max_retries: 2, max_retries_down: 3{more}}}")
}

/// A member in `qlb member list`.
pub(crate) fn member(bench: &Bench, id: &str) -> Value {
    let list = bench.qlb.json(["member", "list", bench.pool.id.as_str(), "-o", "json"]).unwrap();
    let members = list["members"].as_array().unwrap();
    members.iter().find(|member| member["id"] == id).cloned().unwrap_or(Value::Null)
}

/// State and last probe of a member, such as `DOWN L4CON` or `UP L7OK/200`.
pub(crate) fn health(bench: &Bench, id: &str) -> String {
    words(&member(bench, id))
}

fn words(member: &Value) -> String {
    let check = &member["check"];
    let code = check["code"].as_u64().map(|code| format!("/{code}")).unwrap_or_default();
    let word = |field: &str| check[field].as_str().unwrap_or("INI").to_owned();
    format!("{} {}{code}", word("state"), word("status"))
}

/// Waits until a member's health is this, and the datapath knows; returns how long it took.
pub(crate) fn wait_health(bench: &Bench, id: &str, wanted: &str) -> Duration {
    let start = Instant::now();
    let reached = || {
        let found = member(bench, id);
        // What is found is written down first. The member's record comes last, after the datapath.
        let down = words(&found).starts_with("DOWN");
        let followed = found["health_forced"] == true || found["marked_down"] == down;
        if followed && words(&found) == wanted { Ok(()) } else { Err(found.to_string()) }
    };
    wait_for(reached, TURN, &format!("{id} {wanted}")).unwrap();
    start.elapsed()
}

/// Waits until the last probe of a member has found this; one that a busy machine has delayed says something else.
pub(crate) fn wait_info(bench: &Bench, id: &str, wanted: &str) {
    let found = || {
        let info = member(bench, id)["check"]["info"].take();
        if info.as_str().is_some_and(|info| info.contains(wanted)) { Ok(()) } else { Err(info) }
    };
    wait_for(found, TURN, wanted).unwrap();
}

/// Prints how long it took to notice, beside what the monitor is made for.
pub(crate) fn report(what: &str, took: Duration, configured: &str) {
    println!("{what}: noticed after {:.2} s (configured: {configured})", took.as_secs_f64());
}
