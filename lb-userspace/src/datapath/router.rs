//! Who would get a connection: the loaded program is asked, whoever loaded it.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use aya::TestRunOptions;
use aya::programs::{ProgramError, SchedClassifier, TestRun as _};
use lb_common::addr::Addr;
use lb_common::be::Be16;
use lb_common::counter::Counter;
use lb_common::route::{Answer, Choice};
use lb_common::state::Mode;
use lb_common::verdict::{Direction, RefuseReason, Verdict};
use lb_common::wire::eth::{self, Ethernet};
use lb_common::wire::ipv4::{self, Ipv4};
use lb_common::wire::ipv6::Ipv6;
use lb_common::wire::tcp::{Flags, Tcp};
use lb_common::wire::udp::Udp;
use lb_common::wire::{HOPS, Seq};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::object::ROUTE;
use super::reaper::{CONTROL, SK_BUFF};
use super::{DatapathError, Maps};

/// Name of the program's pin, and of the one that is about to take its place.
const PIN: &str = "route";
const NEW: &str = "route-new";

/// Asks the program of a datapath that is running. Asking changes nothing there.
pub struct Router {
    program: SchedClassifier,
    zone: u16,
}

/// Pins the program below `pins` for [`Router::open`], in place of an earlier one.
pub(super) fn pin(program: &mut SchedClassifier, pins: &Path) -> Result<(), DatapathError> {
    let (new, path) = (pins.join(NEW), pins.join(PIN));
    let unpin = |path: &Path| match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(DatapathError::Unpin { path: path.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    };
    // One that died in the midst of this has left it.
    unpin(&new)?;
    program.pin(&new).map_err(|source| DatapathError::Pin { path: new.clone(), source })?;
    fs::rename(&new, &path).map_err(|source| DatapathError::Repin { path, source })
}

impl Router {
    /// The program that is pinned below `pins`, to be asked about a zone; none if the datapath was loaded by a qlb that had no such
    /// program.
    ///
    /// # Errors
    /// When there is one and it cannot be opened.
    pub fn open(pins: &Path, zone: u16) -> Result<Option<Self>, DatapathError> {
        match SchedClassifier::from_pin(pins.join(PIN)) {
            Ok(program) => Ok(Some(Self { program, zone })),
            Err(ProgramError::SyscallError(error))
                if error.io_error.kind() == ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(source) => Err(failed(source)),
        }
    }

    /// What would become of a connection from `src` to `dst` if it opened now; of a UDP flow, if that is the
    /// protocol with this number. The `maps` are those of the same datapath: whether conntrack has room is all
    /// that the program cannot know.
    ///
    /// # Errors
    /// When the program cannot be run or a map cannot be read.
    pub fn ask(
        &self,
        src: SocketAddr,
        dst: SocketAddr,
        protocol: u8,
        maps: &Maps,
    ) -> Result<Answer, DatapathError> {
        let mut frame = opening(src, dst, protocol);
        let at = frame.len();
        frame.resize(at + size_of::<Answer>(), 0);
        let mut out = vec![0; frame.len()];
        let mut context = [0; SK_BUFF];
        context[CONTROL..CONTROL + 4].copy_from_slice(&u32::from(self.zone).to_ne_bytes());
        let options = TestRunOptions {
            data_in: Some(&frame),
            ctx_in: Some(&context),
            data_out: Some(&mut out),
            ..TestRunOptions::new()
        };
        let run = self.program.test_run(options).map_err(failed)?;
        let answer = out.get(at..).and_then(|bytes| Answer::read_from_bytes(bytes).ok());
        match answer {
            Some(answer) if run.return_value == 0 => within(answer, maps),
            Some(_) | None => Err(DatapathError::NoAnswer(ROUTE)),
        }
    }
}

/// The answer, if conntrack has room for it. What makes way leaves its own.
fn within(answer: Answer, maps: &Maps) -> Result<Answer, DatapathError> {
    let opens = answer.outcome == number(Verdict::Forward(Direction::ToMember))
        && answer.choice != Choice::Known.number();
    let wanted = match answer.replaces {
        // What moves leaves its old entry when it has the new one.
        Answer::MOVES => 1,
        Answer::MAKES_WAY | Answer::RETRIES => 0,
        _ => entries(answer.pool, maps)?,
    };
    if opens && wanted != 0 && maps.flow_count()? + wanted > maps.flow_capacity().into() {
        let outcome = number(Verdict::Refuse(RefuseReason::TableFull));
        return Ok(Answer { outcome, ..answer });
    }
    Ok(answer)
}

/// Entries that a connection of the pool takes.
fn entries(pool: u32, maps: &Maps) -> Result<u64, DatapathError> {
    let is_direct = maps.pool(pool)?.is_some_and(|pool| pool.mode() == Mode::Dsr);
    Ok(if is_direct { 1 } else { 2 })
}

fn number(verdict: Verdict) -> u32 {
    Counter::from(Ok(verdict)).number()
}

fn failed(source: ProgramError) -> DatapathError {
    DatapathError::Program { program: ROUTE, source: Box::new(source) }
}

/// A client's SYN or empty datagram as it comes in; nobody looks at its checksums. The MAC address is that of the
/// loopback device, by which a test run's frames come in.
fn opening(src: SocketAddr, dst: SocketAddr, protocol: u8) -> Vec<u8> {
    let ports = (Be16::new(src.port()), Be16::new(dst.port()));
    let l4 = if protocol == ipv4::UDP {
        Udp::empty(ports).as_bytes().to_vec()
    } else {
        let numbers = (Seq::new(0), Seq::new(0));
        Tcp::new(ports, numbers, Flags::OPEN, Be16::new(u16::MAX), 0).as_bytes().to_vec()
    };
    let (from, to) = (Addr::from(src.ip()), Addr::from(dst.ip()));
    let (ethertype, ip) = if from.is_v4() {
        let length = (Ipv4::MIN_LEN + l4.len()) as u16;
        (eth::IPV4, Ipv4::of(protocol, from, to, length, HOPS).as_bytes().to_vec())
    } else {
        (eth::IPV6, Ipv6::new(from, to, protocol, l4.len() as u16, HOPS).as_bytes().to_vec())
    };
    let eth = Ethernet { dst: [0; 6], src: [0; 6], ethertype: Be16::new(ethertype) };
    [eth.as_bytes(), &ip, &l4].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syn_is_what_it_should_be() {
        let ends = ["10.0.0.9:40000", "10.0.0.250:22"].map(|end| end.parse().unwrap());
        let frame = opening(ends[0], ends[1], ipv4::TCP);
        let text: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(text.starts_with(&format!("{}080045000028", "00".repeat(12))), "{text}");
        assert!(text.contains("0a0000090a0000fa9c400016"), "{text}");
        assert_eq!((frame.len(), frame[14 + 20 + 13]), (54, 0x02));
    }
}
