//! The probe: a segment that goes through the programs' rewrite and out of the device, for a receiver to look at.

use aya::TestRunOptions;
use aya::programs::{ProgramError, SchedClassifier, TestRun as _, TestRunAttrs, Xdp};
use lb_common::be::Be16;
use lb_common::checksum::{Sum, sum_bytes};
use lb_common::probe::{Ends, GROUP, Probe};
use lb_common::wire::Seq;
use lb_common::wire::eth::{self, Ethernet};
use lb_common::wire::ipv4::{self, Ipv4};
use lb_common::wire::ipv6::Ipv6;
use lb_common::wire::tcp::{Flags, Tcp};
use zerocopy::IntoBytes as _;

use super::reaper::{IFINDEX, SK_BUFF};
use super::{DatapathError, Inlet};

/// Bytes of `struct xdp_md`, and where its `data_end` and `ingress_ifindex` lie (linux/bpf.h).
const XDP_MD: usize = 24;
const DATA_END: usize = 4;
const INGRESS: usize = 12;

/// An odd number of bytes, none of which leaves the checksum as it is.
const PAYLOAD: &[u8] = b"qlb's probe of a datapath";
const L3: usize = Ethernet::LEN;
/// Bytes behind the header of IP.
const SEGMENT: usize = Tcp::MIN_LEN + PAYLOAD.len();

/// What a received frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not the probe.
    Other,
    /// The probe, with right checksums.
    Right,
    /// The probe, with wrong checksums or changed bytes.
    Wrong,
}

/// The probe with these ends, from and to these MAC addresses.
fn frame(mac: [u8; 6], dst: [u8; 6], [(src, sport), (to, dport)]: Ends) -> Vec<u8> {
    let (from, at) = (src.into(), to.into());
    let (ethertype, ip) = if src.is_ipv4() {
        let ip = Ipv4::of_tcp(from, at, (Ipv4::MIN_LEN + SEGMENT) as u16);
        (eth::IPV4, ip.as_bytes().to_vec())
    } else {
        (eth::IPV6, Ipv6::new(from, at, ipv4::TCP, SEGMENT as u16).as_bytes().to_vec())
    };
    let eth = Ethernet { dst, src: mac, ethertype: Be16::new(ethertype) };
    let ports = (Be16::new(sport), Be16::new(dport));
    // Whoever should take it for more than a probe is asked for nothing.
    let tcp = Tcp::new(ports, (Seq::new(1), Seq::new(2)), Flags::RESET, Be16::new(0), 0);
    let mut frame = [eth.as_bytes(), &ip, tcp.as_bytes(), PAYLOAD].concat();
    let (sum, field) = (!covered(&frame).fold(), frame.len() - SEGMENT + Tcp::CHECKSUM);
    frame[field..][..2].copy_from_slice(&sum.to_ne_bytes());
    frame
}

/// The sum of all that the checksum of the segment in `frame` covers (RFC 9293 section 3.1, RFC 8200 section 8.1).
fn covered(frame: &[u8]) -> Sum {
    let (ip, segment) = frame[L3..].split_at(frame.len() - L3 - SEGMENT);
    let addresses = if ip.len() == Ipv6::LEN { Ipv6::ADDRESSES } else { Ipv4::ADDRESSES };
    let numbers = [u16::from(ipv4::TCP).to_be(), (SEGMENT as u16).to_be()];
    let pseudo = sum_bytes(&ip[addresses..]).add16(numbers[0]).add16(numbers[1]);
    pseudo.add16(sum_bytes(segment).fold())
}

/// Looks at a frame that came from a device with this MAC address.
#[must_use]
pub fn examine(received: &[u8], probe: &Probe, mac: [u8; 6]) -> Seen {
    let wanted = frame(mac, GROUP, probe.received);
    // Short frames are padded.
    let Some(received) = received.get(..wanted.len()) else { return Seen::Other };
    if received[..L3] != wanted[..L3] || !received.ends_with(PAYLOAD) {
        return Seen::Other;
    }
    if received == wanted { Seen::Right } else { Seen::Wrong }
}

/// Has the TC program rewrite a probe and send it out of `device`; returns whether that took it.
pub(super) fn send(
    program: &SchedClassifier,
    probe: &Probe,
    device: Inlet,
) -> Result<bool, DatapathError> {
    let mut context = [0; SK_BUFF];
    context[IFINDEX..IFINDEX + 4].copy_from_slice(&device.ifindex.to_ne_bytes());
    let options = TestRunOptions {
        data_in: Some(&frame(device.mac, device.mac, probe.sent)),
        ctx_in: Some(&context),
        ..TestRunOptions::new()
    };
    let run = program.test_run(options).map_err(failed("qlb_probe"))?;
    match run.return_value {
        0 => Ok(true),
        1 => Ok(false),
        _ => Err(DatapathError::Probe),
    }
}

/// Has the XDP program rewrite a probe. With `send` it goes out of `device`, else it comes back here.
pub(super) fn send_early(
    program: &Xdp,
    probe: &Probe,
    device: Inlet,
    send: bool,
) -> Result<Option<Vec<u8>>, DatapathError> {
    let sent = frame(device.mac, device.mac, probe.sent);
    let mut context = [0; XDP_MD];
    context[DATA_END..DATA_END + 4].copy_from_slice(&(sent.len() as u32).to_ne_bytes());
    context[INGRESS..INGRESS + 4].copy_from_slice(&device.ifindex.to_ne_bytes());
    let mut back = vec![0; 2 * sent.len()];
    let mut options =
        TestRunOptions { data_in: Some(&sent), ctx_in: Some(&context), ..TestRunOptions::new() };
    match send {
        true => options.attrs = TestRunAttrs::new().xdp_live_frames(1),
        false => options.data_out = Some(&mut back),
    }
    let run = program.test_run(options).map_err(failed("qlb_early_probe"))?;
    let len = run.data_size_out as usize;
    Ok((!send).then(|| back[..len.min(back.len())].to_vec()))
}

fn failed(program: &'static str) -> impl Fn(ProgramError) -> DatapathError {
    move |source| DatapathError::Program { program, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

    #[test]
    fn only_the_probe_with_every_byte_right_is_right() {
        for vip in [IpAddr::from([10, 0, 0, 1]), IpAddr::from([0; 16])] {
            let probe = Probe::of(vip);
            let right = frame(MAC, GROUP, probe.received);
            let seen = |frame: &[u8], mac| examine(frame, probe, mac);
            assert_eq!(seen(&right, MAC), Seen::Right);
            assert_eq!(wrong_sum(&right), None);
            let padded = [right.as_slice(), &[0; 9]].concat();
            assert_eq!(seen(&padded, MAC), Seen::Right);
            assert_eq!(seen(&right[..right.len() - 1], MAC), Seen::Other);
            assert_eq!(seen(&right, [2; 6]), Seen::Other);
            for at in L3..right.len() - PAYLOAD.len() {
                let mut wrong = right.clone();
                wrong[at] ^= 0x10;
                assert_eq!(seen(&wrong, MAC), Seen::Wrong, "byte {at}");
            }
            // As it was sent, with all checksums right.
            assert_eq!(seen(&frame(MAC, GROUP, probe.sent), MAC), Seen::Wrong);
        }
    }

    /// A sum of `frame` that is not that of right checksums.
    fn wrong_sum(frame: &[u8]) -> Option<u16> {
        let ip = &frame[L3..frame.len() - SEGMENT];
        let header = (ip.len() == Ipv4::MIN_LEN).then(|| sum_bytes(ip).fold());
        header.into_iter().chain([covered(frame).fold()]).find(|sum| *sum != u16::MAX)
    }
}
