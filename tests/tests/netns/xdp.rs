//! Native XDP in front of TC on a veth: when it is chosen, what it needs, and what becomes of it.

use lb_tests::tcp::{connect, pattern};
use lb_tests::topology::{Layout, PoolNet, SSH_POOL, SSH_POOL_V6};
use lb_tests::{Error, Namespace, ethtool, sysctl, wait_for, wait_until};
use lb_userspace::node::forwarding;
use nix::sys::signal::Signal;

use crate::bench::{Bench, SOON, end};
use crate::pool_file::ROUND_ROBIN;
use crate::traces::{assert_none, attachments, xdp_mode};

pub(crate) const XDP: [&str; 2] = ["--attach", "xdp"];

/// What the peer of the VIP's device needs, as ethtool(8) says it.
const FEATURES: [(&str, bool); 3] = [("gro", true), ("tx", false), ("txvlan", false)];

/// `XDP_ATTACHED_DRV` of linux/if_link.h.
const NATIVE: Option<u64> = Some(1);

/// The bridge's end of the VIP's cable.
pub(crate) fn peer(net: &PoolNet) -> (&Namespace, &str) {
    (net.node.bridge().namespace(), net.vip.ports[0].host_name())
}

/// The setting that lets the kernel tell next hops, in the VIP's family.
fn setting(net: &PoolNet) -> String {
    forwarding(&net.vip.plugged().device, net.pool.vip.ip())
}

fn forward(net: &PoolNet, on: &str) {
    sysctl::set(&net.vip.namespace, &setting(net), on).unwrap();
}

/// A bench of each family, prepared for XDP.
pub(crate) fn prepared(weights: &[u32]) -> impl Iterator<Item = Bench> {
    let of = |pool| Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, weights);
    [&SSH_POOL, &SSH_POOL_V6].into_iter().map(of).inspect(|bench| prepare(&bench.net))
}

/// Makes the node as the documentation wants it for XDP.
pub(crate) fn prepare(net: &PoolNet) {
    let (namespace, device) = peer(net);
    ethtool::set(namespace, device, &FEATURES).unwrap();
    forward(net, "1");
}

/// Fails unless the start is refused with the words on stderr and leaves nothing.
fn refused(bench: &Bench, options: &[&str], words: &[&str]) -> String {
    let text = match bench.run_with(options) {
        Err(error @ Error::Program { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    assert_none(&bench.net);
    text
}

#[test]
fn a_veth_is_not_served_by_xdp_and_the_log_says_why() {
    prepared(&[1, 1]).for_each(|bench| served_by_tc(&bench));
}

fn served_by_tc(bench: &Bench) {
    let plugged = "TC on both of its ends: it is a veth device, plugged into a bridge";
    for (options, words) in [
        ([].as_slice(), plugged),
        (&["--attach", "auto"], plugged),
        (&["--attach", "tc"], "TC: as asked for"),
    ] {
        let mut run = bench.run_with(options).unwrap();
        let log = run.stderr();
        let device = bench.device();
        assert!(log.contains(&format!("{device} is served by {words}")), "{log}");
        let (_, peer) = peer(&bench.net);
        let proof = format!("a probe came to its peer {peer} with right checksums");
        assert!(log.contains(&proof), "{log}");
        assert_eq!(xdp_mode(&bench.net), None);
        assert_eq!(bench.status()["xdp"], false);
        assert_eq!(bench.sequence(2), "m1 m2");
        assert_eq!(bench.counter("xdp_forwarded"), 0);
        end(&mut run);
        assert_none(&bench.net);
    }
}

#[test]
fn what_xdp_lacks_is_named_and_nothing_is_changed() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        what_xdp_lacks_is_named(&Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]));
    }
}

fn what_xdp_lacks_is_named(bench: &Bench) {
    let (namespace, device) = peer(&bench.net);
    ethtool::set(namespace, device, &[("gro", false)]).unwrap();
    let line = |what: &str| format!("ethtool -K {device} {what}");
    let needs = [setting(&bench.net), line("gro on"), line("tx off"), line("txvlan off")];
    let all: Vec<&str> = needs.iter().map(String::as_str).collect();
    refused(bench, &XDP, &all);

    let mend: [&dyn Fn(); 4] = [
        &|| forward(&bench.net, "1"),
        &|| ethtool::set(namespace, device, &FEATURES[..1]).unwrap(),
        &|| ethtool::set(namespace, device, &FEATURES[1..2]).unwrap(),
        &|| ethtool::set(namespace, device, &FEATURES[2..]).unwrap(),
    ];
    for (index, mend) in mend.iter().enumerate().take(3) {
        mend();
        let text = refused(bench, &XDP, &all[index + 1..]);
        for need in &all[..=index] {
            assert!(!text.contains(need), "{need} in {text}");
        }
    }
    let file = bench.write("pool.yaml", std::slice::from_ref(&bench.pool));
    let args = ["run", "-f", file.to_str().unwrap(), "--attach", "xdp"];
    assert_eq!(bench.run_to_end(&args).code, Some(4));
    mend[3]();
    end(&mut bench.run_with(&XDP).unwrap());
    assert_none(&bench.net);
}

#[test]
fn the_self_test_finds_a_peer_that_gets_nothing() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    prepare(&bench.net);
    let (namespace, device) = peer(&bench.net);
    let set = |state| {
        namespace.command("ip").args(["link", "set", device, state]).stdout().unwrap();
    };
    set("down");
    refused(&bench, &XDP, &["self-test failed", &format!("does not come to its peer {device}")]);
    let mut run = bench.run();
    assert!(run.stderr().contains("is the link up?"), "{}", run.stderr());
    end(&mut run);
    set("up");
    end(&mut bench.run_with(&XDP).unwrap());
    assert_none(&bench.net);
}

#[test]
fn the_program_outlives_its_controller_and_the_next_one_takes_it_over() {
    prepared(&[1, 1]).for_each(|bench| outlives_its_controller(&bench));
}

fn outlives_its_controller(bench: &Bench) {
    let mut run = bench.run_with(&XDP).unwrap();
    assert!(run.stdout().contains("/xdp+tcx"), "{}", run.stdout());
    let mut held = bench.hold(6);
    let mut goes_on = |early: bool| {
        let before = bench.counter("xdp_forwarded");
        for connection in &mut held {
            connection.exchange(&pattern(50_000)).unwrap();
        }
        let now = bench.counter("xdp_forwarded");
        assert_eq!(now > before, early, "{now}, before {before}");
    };
    goes_on(true);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    assert_eq!(xdp_mode(&bench.net), NATIVE);
    goes_on(true);

    let mut run = bench.run_with(&XDP).unwrap();
    assert_eq!((xdp_mode(&bench.net), attachments(&bench.net).len()), (NATIVE, 1));
    assert_eq!(bench.status()["xdp"], true);
    goes_on(true);
    run.stop(Signal::SIGKILL, SOON).unwrap();

    // The next one may choose TC, and the one after that XDP again.
    let mut run = bench.run_with(&["--attach", "tc"]).unwrap();
    assert_eq!((xdp_mode(&bench.net), attachments(&bench.net).len()), (None, 1));
    goes_on(false);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    let mut run = bench.run_with(&["--attach", "xdp", "--keep"]).unwrap();
    goes_on(true);
    end(&mut run);
    assert_eq!(xdp_mode(&bench.net), NATIVE);
    goes_on(true);
    drop(held);
    bench.qlb.command(["stop", bench.pool.id.as_str()]).unwrap();
    assert_none(&bench.net);
}

#[test]
fn a_peer_that_stops_reading_is_left_to_tc() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    prepare(&bench.net);
    let mut run = bench.run_with(&XDP).unwrap();
    let mut connection = bench.connect();
    connection.exchange(&pattern(10_000)).unwrap();
    let (namespace, device) = peer(&bench.net);
    ethtool::set(namespace, device, &[("gro", false)]).unwrap();
    let detached = || if xdp_mode(&bench.net).is_none() { Ok(()) } else { Err("attached") };
    wait_for(detached, SOON, "the XDP program is taken away").unwrap();
    connection.exchange(&pattern(10_000)).unwrap();
    wait_until(|| bench.status()["xdp"] == false, SOON, "it is written down").unwrap();
    assert!(run.stderr().contains(&format!("{device} does not read")), "{}", run.stderr());
    end(&mut run);
    assert_none(&bench.net);
}

/// A tap has no receiver that the self-test could ask.
#[test]
fn a_tap_is_served_by_tc_and_by_xdp_only_if_asked() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut pool = bench.second_pool("tap");
    pool.vip.set_ip([10, 0, 99, 1].into());
    for line in [
        "ip tuntap add dev tap9 mode tap",
        "ip address add 10.0.99.1/24 dev tap9",
        "ip link set tap9 up",
    ] {
        bench.in_vip(line);
    }
    let setting = forwarding("tap9", pool.vip.ip());
    sysctl::set(&bench.net.vip.namespace, &setting, "1").unwrap();
    let file = bench.write("tap.yaml", &[pool]);
    let run = |attach| bench.qlb.run(["-f", file.to_str().unwrap(), "--attach", attach]).unwrap();
    for (attach, words, xdp) in [
        ("auto", "tap9 is served by TC: it is a tun device", false),
        ("xdp", "whether tap9 sends it is not proved", true),
    ] {
        let mut run = run(attach);
        assert!(run.stderr().contains(words), "{}", run.stderr());
        assert_eq!(run.stdout().contains("/xdp+tcx"), xdp, "{}", run.stdout());
        end(&mut run);
    }
    bench.in_vip("ip link delete tap9");
    assert_none(&bench.net);
}

/// A driver runs one XDP program, which pools at a device share.
#[test]
fn a_second_pool_on_the_device_joins_the_first() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    prepare(&bench.net);
    let other = bench.second_pool("other");
    let vip = other.vip;
    let mut first = bench.run_with(&XDP).unwrap();
    let file = bench.write("other.yaml", &[other]);
    let mut second = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    assert_eq!((xdp_mode(&bench.net), attachments(&bench.net).len()), (NATIVE, 1));
    assert_eq!(bench.sequence(2), "m1 m2");
    let before = bench.counter("xdp_forwarded");
    let mut connection = connect(&bench.net.client().namespace, vip).unwrap();
    connection.exchange(&pattern(10_000)).unwrap();
    assert!(bench.counter("xdp_forwarded") > before);
    end(&mut first);
    connection.exchange(&pattern(10_000)).unwrap();
    assert_eq!((xdp_mode(&bench.net), attachments(&bench.net).len()), (NATIVE, 1));
    drop(connection);
    end(&mut second);
    assert_none(&bench.net);
}

#[test]
fn the_kernel_goes_on_confirming_neighbours() {
    prepared(&[1]).for_each(|bench| neighbours_are_confirmed(&bench));
}

fn neighbours_are_confirmed(bench: &Bench) {
    let mut run = bench.run_with(&XDP).unwrap();
    let mut connection = bench.connect();
    connection.exchange(&pattern(10_000)).unwrap();
    let member = bench.net.members[0].address();
    let neighbour = format!("ip neigh show {member} dev {}", bench.device());
    let stale = bench.in_vip(&neighbour);
    let mac = stale.split("lladdr ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let device = bench.device();
    bench.in_vip(&format!("ip neigh replace {member} lladdr {mac} dev {device} nud stale"));
    let before = bench.counter("xdp_forwarded");
    let confirmed = || {
        connection.exchange(&pattern(10_000)).map_err(|error| error.to_string())?;
        let now = bench.in_vip(&neighbour);
        if now.contains("STALE") { Err(now) } else { Ok(()) }
    };
    wait_for(confirmed, SOON, "a neighbour that is looked at again").unwrap();
    assert!(bench.counter("xdp_forwarded") > before);
    assert!(bench.counter("xdp_pass_confirm") > 0);
    end(&mut run);
    assert_none(&bench.net);
}
