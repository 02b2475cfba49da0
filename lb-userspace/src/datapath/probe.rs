//! The probe: a segment that goes through the programs' rewrite and out of the device, for a receiver to look at.

use std::net::Ipv4Addr;

use aya::TestRunOptions;
use aya::programs::{ProgramError, SchedClassifier, TestRun as _, TestRunAttrs, Xdp};
use lb_common::be::Be16;
use lb_common::checksum::{Sum, sum_bytes};
use lb_common::probe::{GROUP, RECEIVED, SENT};
use lb_common::wire::Seq;
use lb_common::wire::eth::{self, Ethernet};
use lb_common::wire::ipv4::{self, Ipv4};
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
const L4: usize = L3 + Ipv4::MIN_LEN;
const LEN: usize = L4 + Tcp::MIN_LEN + PAYLOAD.len();

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

type Ends = [(Ipv4Addr, u16); 2];

/// The probe with these ends, from and to these MAC addresses.
fn frame(mac: [u8; 6], dst: [u8; 6], [(src, sport), (to, dport)]: Ends) -> Vec<u8> {
    let eth = Ethernet { dst, src: mac, ethertype: Be16::new(eth::IPV4) };
    let ip = Ipv4::of_tcp(src.into(), to.into(), (LEN - L3) as u16);
    let ports = (Be16::new(sport), Be16::new(dport));
    // Whoever should take it for more than a probe is asked for nothing.
    let tcp = Tcp::new(ports, (Seq::new(1), Seq::new(2)), Flags::RESET, Be16::new(0), 0);
    let mut frame = [eth.as_bytes(), ip.as_bytes(), tcp.as_bytes(), PAYLOAD].concat();
    let sum = !covered(&frame).fold();
    frame[L4 + Tcp::CHECKSUM..][..2].copy_from_slice(&sum.to_ne_bytes());
    frame
}

/// The sum of all that the checksum of the segment in `frame` covers (RFC 9293 section 3.1).
fn covered(frame: &[u8]) -> Sum {
    let addresses = &frame[L3 + Ipv4::ADDRESSES..L4];
    let numbers = [u16::from(ipv4::TCP).to_be(), ((frame.len() - L4) as u16).to_be()];
    let pseudo = sum_bytes(addresses).add16(numbers[0]).add16(numbers[1]);
    pseudo.add16(sum_bytes(&frame[L4..]).fold())
}

/// Looks at a frame that came from a device with this MAC address.
#[must_use]
pub fn examine(received: &[u8], mac: [u8; 6]) -> Seen {
    let Some(received) = received.get(..LEN) else { return Seen::Other };
    if received[..6] != GROUP || received[6..12] != mac || !received.ends_with(PAYLOAD) {
        return Seen::Other;
    }
    let sums = [sum_bytes(&received[L3..L4]), covered(received)];
    let right = sums.iter().all(|sum| sum.fold() == u16::MAX);
    if right && received == frame(mac, GROUP, RECEIVED) { Seen::Right } else { Seen::Wrong }
}

/// Has the TC program rewrite a probe and send it out of `device`; returns whether that took it.
pub(super) fn send(program: &SchedClassifier, device: Inlet) -> Result<bool, DatapathError> {
    let mut context = [0; SK_BUFF];
    context[IFINDEX..IFINDEX + 4].copy_from_slice(&device.ifindex.to_ne_bytes());
    let options = TestRunOptions {
        data_in: Some(&frame(device.mac, device.mac, SENT)),
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
    device: Inlet,
    send: bool,
) -> Result<Option<Vec<u8>>, DatapathError> {
    let sent = frame(device.mac, device.mac, SENT);
    let mut context = [0; XDP_MD];
    context[DATA_END..DATA_END + 4].copy_from_slice(&(sent.len() as u32).to_ne_bytes());
    context[INGRESS..INGRESS + 4].copy_from_slice(&device.ifindex.to_ne_bytes());
    let mut back = [0; 2 * LEN];
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
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

    #[test]
    fn only_the_probe_with_every_byte_right_is_right() {
        let right = frame(MAC, GROUP, RECEIVED);
        assert_eq!(examine(&right, MAC), Seen::Right);
        let padded = [right.as_slice(), &[0; 9]].concat();
        assert_eq!(examine(&padded, MAC), Seen::Right);
        assert_eq!(examine(&right[..LEN - 1], MAC), Seen::Other);
        assert_eq!(examine(&right, [2; 6]), Seen::Other);
        for at in Ethernet::LEN..L4 + Tcp::MIN_LEN {
            let mut wrong = right.clone();
            wrong[at] ^= 0x10;
            assert_eq!(examine(&wrong, MAC), Seen::Wrong, "byte {at}");
        }
        // As it was sent, with both checksums right.
        assert_eq!(examine(&frame(MAC, GROUP, SENT), MAC), Seen::Wrong);
    }
}
