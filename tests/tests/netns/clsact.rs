//! The hook of kernels before 6.6: a filter of the clsact qdisc.

use lb_tests::tcp::pattern;
use nix::sys::signal::Signal;

use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;
use crate::traces::{assert_none, attachments, has_clsact};

const CLSACT: [&str; 2] = ["--hook", "clsact"];

#[test]
fn a_filter_serves_is_adopted_and_goes_with_its_qdisc() {
    let bench = Bench::new(ROUND_ROBIN, &[3, 1]);
    let mut run = bench.run_with(&CLSACT).unwrap();
    assert_eq!(attachments(&bench.net).len(), 1);
    assert_eq!(bench.status()["hook"], "clsact");
    assert_eq!(bench.sequence(4), "m1 m1 m1 m2");
    let mut held = bench.hold(8);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    for connection in &mut held {
        connection.exchange(&pattern(100_000)).unwrap();
    }

    let mut run = bench.run_with(&CLSACT).unwrap();
    assert_eq!(attachments(&bench.net).len(), 1, "{:?}", attachments(&bench.net));
    for connection in &mut held {
        connection.exchange(&pattern(100_000)).unwrap();
    }
    assert_eq!(bench.members("active_connections"), [6, 2]);
    assert_eq!(run.stop(Signal::SIGTERM, SOON).unwrap().code(), Some(0), "{}", run.stderr());
    assert_none(&bench.net);
}

#[test]
fn a_qdisc_of_somebody_else_stays() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let device = bench.net.vip.plugged().device.as_str();
    let qdisc = ["qdisc", "add", "dev", device, "clsact"];
    bench.net.vip.namespace.command("tc").args(qdisc).stdout().unwrap();
    for options in [CLSACT.as_slice(), &[]] {
        let mut run = bench.run_with(options).unwrap();
        assert_eq!(attachments(&bench.net).len(), 1);
        assert_eq!(bench.sequence(2), "m1 m2");
        assert_eq!(run.stop(Signal::SIGTERM, SOON).unwrap().code(), Some(0), "{}", run.stderr());
        assert!(has_clsact(&bench.net));
        assert!(attachments(&bench.net).is_empty());
    }
}

#[test]
fn the_next_controller_may_choose_another_hook() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut held = Vec::new();
    for (hook, other) in [("tcx", "clsact"), ("clsact", "tcx")] {
        let mut run = bench.run_with(&["--hook", hook]).unwrap();
        held.extend(bench.hold(4));
        run.stop(Signal::SIGKILL, SOON).unwrap();
        let mut run = bench.run_with(&["--hook", other]).unwrap();
        assert_eq!(attachments(&bench.net).len(), 1, "{hook}, then {other}");
        for connection in &mut held {
            connection.exchange(&pattern(10_000)).unwrap();
        }
        held.clear();
        bench.wait_idle();
        assert_eq!(run.stop(Signal::SIGTERM, SOON).unwrap().code(), Some(0), "{}", run.stderr());
        assert_none(&bench.net);
    }
}
