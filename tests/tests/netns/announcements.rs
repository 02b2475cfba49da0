//! What a neighbour hears and remembers of a VIP's MAC address.

use std::net::IpAddr;
use std::time::Duration;

use lb_tests::capture::{Capture, Frame};
use lb_tests::{sysctl, wait_for};

use crate::bench::{Bench, SOON};

/// Nobody's.
pub(crate) const WRONG: &str = "02:00:00:00:00:99";

/// Gratuitous ARP, and neighbor advertisements that nobody has asked for.
const GRATUITOUS: &str = "arp and arp[14:4] = arp[24:4]";
const UNSOLICITED: &str = "icmp6 and ip6[40] = 136 and dst host ff02::1";

/// A neighbour that writes down every announcement.
#[derive(Debug)]
pub(crate) struct Ear {
    capture: Capture,
}

impl Ear {
    /// At the bench's client.
    pub(crate) fn of(bench: &Bench) -> Self {
        let client = bench.net.client();
        let (device, mac) = (&client.plugged().device, written(bench.net.pool.mac));
        let kind = if bench.vip().is_ipv4() { GRATUITOUS } else { UNSOLICITED };
        let filter = format!("ether src {mac} and {kind}");
        Self { capture: Capture::start(&client.namespace, device, &filter).unwrap() }
    }

    pub(crate) fn heard(&self) -> Vec<Frame> {
        self.capture.frames().unwrap()
    }

    /// Waits for so many frames.
    pub(crate) fn wait(&self, count: usize) -> Vec<Frame> {
        let heard = || match self.heard() {
            frames if frames.len() >= count => Ok(frames),
            frames => Err(frames.len()),
        };
        wait_for(heard, SOON, &format!("{count} frames")).unwrap()
    }

    /// Every frame that has come, of which there must be so many.
    pub(crate) fn end(mut self, count: usize) -> Vec<Frame> {
        self.wait(count);
        self.capture.stop().unwrap();
        let heard = self.heard();
        assert_eq!(heard.len(), count, "{heard:02x?}");
        heard
    }
}

/// Frames that a round has for an address.
pub(crate) const fn frames_for(address: IpAddr) -> usize {
    if address.is_ipv4() { 2 } else { 1 }
}

/// Those frames, as the standards have them.
fn frames(mac: [u8; 6], address: IpAddr) -> Vec<Vec<u8>> {
    match address {
        IpAddr::V4(address) => {
            let arp = |operation: u8, target: [u8; 6]| {
                let head = [8, 6, 0, 1, 8, 0, 6, 4, 0, operation];
                let address = address.octets();
                [[0xff; 6].as_slice(), &mac, &head, &mac, &address, &target, &address].concat()
            };
            vec![arp(1, [0; 6]), arp(2, mac)]
        }
        IpAddr::V6(address) => {
            let head = [0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255];
            let all_nodes = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
            let mut message =
                [[136, 0, 0, 0, 0x20, 0, 0, 0].as_slice(), &address.octets(), &[2, 1], &mac]
                    .concat();
            let pseudo = [0, 0, 0, 32, 0, 0, 0, 58];
            let covered = [address.octets().as_slice(), &all_nodes, &pseudo, &message].concat();
            let word = |pair: &[u8]| u64::from(u16::from_be_bytes([pair[0], pair[1]]));
            // In one's complement arithmetic a sum is what is left modulo 65535 (RFC 1071 section 2).
            let sum = covered.chunks(2).map(word).sum::<u64>() % 0xffff;
            message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
            let to = [0x33, 0x33, 0, 0, 0, 1];
            vec![[to.as_slice(), &mac, &head, &address.octets(), &all_nodes, &message].concat()]
        }
    }
}

/// Fails unless these are rounds about `addresses`, more than a second apart.
pub(crate) fn assert_rounds(heard: &[Frame], mac: [u8; 6], addresses: &[IpAddr]) {
    let wanted: Vec<Vec<u8>> = addresses.iter().flat_map(|at| frames(mac, *at)).collect();
    let mut before: Option<Duration> = None;
    for frames in heard.chunks(wanted.len()) {
        let bytes: Vec<&Vec<u8>> = frames.iter().map(|frame| &frame.bytes).collect();
        assert_eq!(bytes, wanted.iter().collect::<Vec<_>>(), "{bytes:02x?}");
        let gap = before.map(|before| frames[0].at - before);
        assert!(gap.is_none_or(|gap| gap > Duration::from_secs(1)), "{gap:?}");
        before = frames.last().map(|frame| frame.at);
    }
}

/// Has the client remember a wrong MAC address of the VIP, and believe in it for an hour.
pub(crate) fn mislead(bench: &Bench) {
    let (client, vip) = (bench.net.client(), bench.vip().ip());
    let device = client.plugged().device.as_str();
    let family = if vip.is_ipv4() { "ipv4" } else { "ipv6" };
    let key = format!("net.{family}.neigh.{device}.base_reachable_time_ms");
    sysctl::set(&client.namespace, &key, "3600000").unwrap();
    let line = format!("neigh replace {vip} lladdr {WRONG} dev {device} nud reachable");
    client.namespace.command("ip").args(line.split(' ')).stdout().unwrap();
    // When the VIP's stack looks whether the client is still there, that tells as well.
    let (mac, address) = (written(client.plugged().mac), client.address());
    bench.in_vip(&format!(
        "ip neigh replace {address} lladdr {mac} dev {} nud permanent",
        bench.device()
    ));
    let line = format!("neigh replace {vip} lladdr {WRONG} dev {device} nud reachable");
    client.namespace.command("ip").args(line.split(' ')).stdout().unwrap();
    assert_eq!(remembered(bench), WRONG);
}

/// The MAC address of the VIP that the client remembers.
pub(crate) fn remembered(bench: &Bench) -> String {
    let (client, vip) = (bench.net.client(), bench.vip().ip().to_string());
    let args = ["neigh", "show", "to", &vip, "dev", &client.plugged().device];
    let line = client.namespace.command("ip").args(args).stdout().unwrap();
    let mut words = line.split_whitespace().skip_while(|word| *word != "lladdr");
    words.nth(1).unwrap_or_default().to_owned()
}

pub(crate) fn written(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
