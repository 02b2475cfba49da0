//! Counts of active connections that are wrong are shown.

use lb_tests::datapath::falsify;
use serde_json::{Value, json};

use crate::bench::{Bench, pins};
use crate::pool_file::LEAST_CONNECTIONS;

#[test]
fn a_false_count_is_shown_as_drift() {
    let bench = Bench::new(LEAST_CONNECTIONS, &[1, 1]);
    let _run = bench.run();
    let held = bench.hold(6);
    let id = bench.pool.id.as_str();
    let status = || bench.qlb.json(["status", id, "-o", "json"]).unwrap()["pools"][0].take();
    let text = || bench.qlb.command(["status", id]).unwrap();
    assert_eq!(status()["drift"], 0);
    assert!(!text().contains("DRIFT"), "{}", text());

    let pins = pins(id);
    falsify(&pins, 1, 2).unwrap();
    let wrong: Value = status();
    assert_eq!(wrong["drift"], 2, "{wrong}");
    assert_eq!(wrong["connections"]["active"], json!(8));
    assert!(text().contains("DRIFT 2"), "{}", text());

    falsify(&pins, 1, 2_u32.wrapping_neg()).unwrap();
    assert_eq!(status()["drift"], 0);
    drop(held);
    bench.wait_idle();
}
