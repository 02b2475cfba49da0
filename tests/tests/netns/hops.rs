//! Real programs in both families, with a capture at every hop.

use lb_tests::capture::{Capture, Sums, assert_no_bad_checksums, assert_sums_right_or_left};
use lb_tests::tcp::{FNV_START, fnv1a, pattern};
use lb_tests::topology::{Host, Layout, LbaasNode, PoolNet, SSH_POOL, SSH_POOL_V6, SeedPool};
use lb_tests::topology::{WEB_POOL, WEB_POOL_V6};
use lb_tests::{Nginx, Port, SshKeys, SshSession, Sshd, curl, ethtool, iperf3_server};
use serde_json::Value;

use crate::bench::SOON;
use crate::pool_file::ROUND_ROBIN;
use crate::seen::{Start, run};
use crate::xdp::peer;
use crate::{host_served, xdp_served};

const FILE: usize = 4_000_000;
/// A story moves at least [`FILE`], in packets of at most 64 KiB where segments are put together, or says a hundred words.
const FEWEST: usize = FILE >> 16;

fn hosts(net: &PoolNet) -> impl Iterator<Item = &Host> {
    [&net.vip].into_iter().chain(&net.members).chain(&net.clients).chain(&net.router)
}

/// By what the VIP's device is served.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// TC alone.
    Tc,
    /// Native XDP, too.
    Xdp,
    /// TC at its outer end, too.
    Outer,
}

impl By {
    /// What counts packets that nobody sees at the VIP's device.
    const fn counter(self) -> Option<&'static str> {
        match self {
            Self::Tc => None,
            Self::Xdp => Some("xdp_forwarded"),
            Self::Outer => Some("outer_forwarded"),
        }
    }
}

/// A capture at every device of a network.
pub(crate) struct Hops {
    captures: Vec<(String, Capture)>,
    offloads: bool,
    by: By,
    /// What nobody sees at the VIP's device comes in here.
    peer: Option<Capture>,
}

impl Hops {
    pub(crate) fn start(net: &PoolNet, offloads: bool, by: By) -> Self {
        net.set_offloads(offloads).unwrap();
        let captures = hosts(net).flat_map(|host| {
            host.ports.iter().map(|port| {
                let device = &port.plug.device;
                let capture = Capture::start(&host.namespace, device, "tcp or udp").unwrap();
                (format!("{} of {}", device, host.name()), capture)
            })
        });
        let (bridge, device) = peer(net);
        let peer = by.counter().map(|_| Capture::of_frames(bridge, device, "tcp or udp").unwrap());
        if by == By::Xdp && !offloads {
            // The VIP's peer puts segments together (GRO): the other ports of the bridges take them apart again.
            let ports = hosts(net).flat_map(|host| &host.ports).map(Port::host_name);
            let plain = [("tx", false), ("tso", false), ("gso", false)];
            let others = ports.filter(|port| *port != device);
            others.for_each(|port| ethtool::set(bridge, port, &plain).unwrap());
        }
        Self { captures: captures.collect(), offloads, by, peer }
    }

    /// All checksums must be right. With offloads on they may be left to the device, and most are.
    pub(crate) fn judge(self) {
        self.judge_some(&[""]);
    }

    /// The same for hops by which much goes both ways, whose names begin like this; elsewhere none may be wrong.
    pub(crate) fn judge_some(self, busy: &[&str]) {
        for (index, (at, mut capture)) in self.captures.into_iter().enumerate() {
            // Of the longest packets a thousand find room, and each is judged by itself.
            let dropped = capture.end().unwrap();
            assert!(dropped == 0 || self.offloads, "{at}: {dropped} dropped");
            let path = capture.path();
            if !busy.iter().any(|name| at.starts_with(name)) {
                // Nobody may have come by.
                if !capture.lines(&[]).unwrap().is_empty() {
                    assert_sums_right_or_left(&path).unwrap();
                }
                continue;
            }
            // The VIP's device comes first.
            let few = self.peer.is_some() && index == 0;
            let enough = if few { 0 } else { FEWEST };
            if !self.offloads {
                assert!(assert_no_bad_checksums(&path).unwrap() > enough, "{at}");
            }
            let Sums { right, left } = assert_sums_right_or_left(&path).unwrap();
            let as_meant = match (self.offloads, self.by) {
                (true, By::Tc) => left > right && right + left > enough,
                (true, By::Outer) if !few => left > right && right + left > enough,
                (true, By::Xdp | By::Outer) => right + left > enough,
                (false, _) => left == 0 && right > enough,
            };
            assert!(as_meant, "{at}: {right} right, {left} left");
        }
        if let Some(mut peer) = self.peer {
            peer.stop().unwrap();
            let Sums { right, left } = assert_sums_right_or_left(&peer.path()).unwrap();
            // XDP leaves those to TC that are left to the device.
            let left = if self.by == By::Xdp { 0 } else { left };
            assert!(right + left > FEWEST, "{right} right, {left} left");
        }
    }
}

const WAYS: [(Start, By); 3] =
    [(run, By::Tc), (xdp_served::run, By::Xdp), (host_served::run, By::Outer)];

/// One member and one client, both behind the router, which is a hop of its own.
pub(crate) fn routed(pool: &SeedPool) -> PoolNet {
    let layout = Layout { members: 1, ..Layout::ROUTED };
    LbaasNode::new().unwrap().deploy(pool, &layout).unwrap()
}

/// Every family, by TC alone and with what may stand in front, with offloads on and off.
fn everywhere(pools: [&SeedPool; 2], story: impl Fn(&PoolNet)) {
    for pool in pools {
        for (offloads, (start, by)) in
            [true, false].into_iter().flat_map(|offloads| WAYS.map(|way| (offloads, way)))
        {
            let net = routed(pool);
            let (_run, qlb) = start(&net, ROUND_ROBIN, &[1]);
            let hops = Hops::start(&net, offloads, by);
            story(&net);
            hops.judge();
            let status = qlb.json(["status", net.pool.id, "-o", "json"]).unwrap();
            for counter in ["xdp_forwarded", "outer_forwarded"] {
                let forwarded = status["pools"][0]["counters"][counter].as_u64().unwrap();
                let should = by.counter() == Some(counter);
                assert_eq!(forwarded > FEWEST as u64, should, "{status}");
            }
        }
    }
}

#[test]
fn no_bad_checksum_at_any_hop_of_a_download_and_an_upload() {
    everywhere([&WEB_POOL, &WEB_POOL_V6], |net| {
        let (member, client, vip) = (&net.members[0], &net.client().namespace, net.pool.vip);
        let nginx = Nginx::start(&member.namespace, "m1", net.member_socket(0), FILE).unwrap();
        let big = curl(client, &format!("http://{vip}/big"), &["--globoff"]).unwrap();
        assert_eq!(big.header("X-Seen-From"), Some(vip.ip().to_string().as_str()));
        let expected = fnv1a(FNV_START, &pattern(FILE));
        assert_eq!((big.body.len(), fnv1a(FNV_START, &big.body)), (FILE, expected));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &big.body).unwrap();
        let put = ["--globoff", "-T", file.path().to_str().unwrap()];
        assert_eq!(curl(client, &format!("http://{vip}/upload/x"), &put).unwrap().status, 201);
        let stored = std::fs::read(nginx.uploads().join("x")).unwrap();
        assert_eq!(fnv1a(FNV_START, &stored), expected);
    });
}

#[test]
fn no_bad_checksum_at_any_hop_of_an_ssh_session() {
    let keys = SshKeys::generate().unwrap();
    everywhere([&SSH_POOL, &SSH_POOL_V6], |net| {
        let member = &net.members[0];
        let _sshd = Sshd::start(&member.namespace, "m1", net.member_socket(0), &keys).unwrap();
        let (client, vip) = (&net.client().namespace, net.pool.vip.ip());
        let mut session = SshSession::open(client, vip, &keys, &[]).unwrap();
        assert_eq!((session.seen.ip(), session.at), (vip, net.member_socket(0)));
        for word in 0..100 {
            assert!(session.repeats(&format!("word {word} of the session")), "{word}");
        }
        assert!(session.close().unwrap());
    });
}

#[test]
fn no_bad_checksum_at_any_hop_of_iperf3() {
    everywhere([&SSH_POOL, &SSH_POOL_V6], |net| {
        let (member, vip) = (&net.members[0], net.pool.vip);
        let port = vip.port().to_string();
        let mut server = iperf3_server(&member.namespace, &["-1", "-p", &port]).unwrap();
        let to = vip.ip().to_string();
        // What is on its way when all has been sent is not waited for.
        let sent = 3 * FILE;
        let bytes = sent.to_string();
        let send = ["-c", &to, "-p", &port, "-J", "-n", &bytes];
        let told = net.client().namespace.command("iperf3").args(send).stdout().unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        let bytes = |sum: &str| told["end"][sum]["bytes"].as_u64().unwrap();
        assert!(bytes("sum_sent") >= sent as u64, "{told}");
        assert!(bytes("sum_received") >= FILE as u64, "{told}");
        assert!(server.wait(SOON).unwrap().success());
    });
}
