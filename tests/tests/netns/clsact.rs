//! The hook of kernels before 6.6: a filter of the clsact qdisc.

use std::ffi::OsStr;
use std::path::Path;

use lb_tests::Process;
use lb_tests::tcp::{connect, pattern};
use nix::sys::signal::Signal;

use crate::bench::{Bench, SOON, end};
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
    bench.wait_idle();
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
    end(&mut run);
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
        end(&mut run);
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
        end(&mut run);
        assert_none(&bench.net);
    }
}

/// A controller of the pools in another file.
fn run_file(bench: &Bench, file: &Path) -> Process {
    let args = CLSACT.map(OsStr::new).into_iter().chain(["-f".as_ref(), file.as_os_str()]);
    bench.qlb.run(args).unwrap()
}

/// Whoever leaves first must not take the qdisc, and with it the other's filter.
#[test]
fn pools_on_one_device_end_one_by_one() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let other = bench.second_pool("other");
    let vip = other.vip;
    let file = bench.write("other.yaml", &[other]);
    let mut first = bench.run_with(&CLSACT).unwrap();
    let mut second = run_file(&bench, &file);
    end(&mut first);
    assert_eq!(attachments(&bench.net).len(), 1);
    assert_eq!(connect(&bench.net.client().namespace, vip).unwrap().member, "m1");
    end(&mut second);
    assert_none(&bench.net);
}

/// Each that comes attaches anew for all at the device, which their controllers look at once a second.
#[test]
fn a_pool_stays_while_others_come_and_go() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let file = bench.write("other.yaml", &[bench.second_pool("other")]);
    let mut first = bench.run_with(&CLSACT).unwrap();
    for _ in 0..10 {
        end(&mut run_file(&bench, &file));
    }
    assert_eq!(bench.sequence(2), "m1 m2");
    end(&mut first);
    assert_none(&bench.net);
}

#[test]
fn a_filter_on_a_device_that_was_renamed_goes_too() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run_with(&CLSACT).unwrap();
    bench.in_vip(&format!("ip link set {} name renamed", bench.device()));
    assert_eq!(bench.status()["attached"], true);
    end(&mut run);
    bench.in_vip(&format!("ip link set renamed name {}", bench.device()));
    assert_none(&bench.net);
}

#[test]
fn a_filter_goes_from_the_device_that_the_vip_has_left() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run_with(&CLSACT).unwrap();
    run.stop(Signal::SIGKILL, SOON).unwrap();
    bench.in_vip("ip link add second type veth peer name beyond");
    bench.in_vip("ip link set second up");
    let vip = bench.vip();
    bench.in_vip(&format!("ip address del {}/24 dev {}", vip.ip(), bench.device()));
    bench.in_vip(&format!("ip address add {}/24 dev second", vip.ip()));
    let mut run = bench.run_with(&CLSACT).unwrap();
    assert_eq!(attachments(&bench.net), [""; 0], "on the device that was left");
    assert_eq!(bench.status()["device"], "second");
    assert!(run.stderr().contains(bench.device()), "{}", run.stderr());
    end(&mut run);
    assert_none(&bench.net);
}
