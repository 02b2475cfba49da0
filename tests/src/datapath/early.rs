//! Test runs of the XDP program.

use std::time::Duration;

use aya::TestRunOptions;
use aya::programs::{TestRun as _, Xdp};

use super::front::Front;
use super::kernel::ROOM;
use super::{Act, Error, Ran};

/// Bytes of `struct xdp_md`, and where its `data_end` and `ingress_ifindex` lie (linux/bpf.h).
const XDP_MD: usize = 24;
const DATA_END: usize = 4;
const INGRESS: usize = 12;

/// Return values of an XDP program (linux/bpf.h).
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
const XDP_REDIRECT: u32 = 4;

impl Front {
    /// What the program makes of a frame that comes in by this device, none if it passes it on; and the time that it took.
    /// What it passes on must be as it came, and what it sends addressed to the next hop.
    pub(super) fn run(
        &self,
        program: &Xdp,
        redirects: bool,
        frame: &[u8],
    ) -> Result<(Option<Ran>, Duration), Error> {
        let came = self.addressed(frame);
        let mut out = vec![0; ROOM];
        let mut context = [0; XDP_MD];
        context[DATA_END..DATA_END + 4].copy_from_slice(&(came.len() as u32).to_ne_bytes());
        context[INGRESS..INGRESS + 4].copy_from_slice(&self.ifindex.to_ne_bytes());
        let options = TestRunOptions {
            data_in: Some(&came),
            data_out: Some(&mut out),
            ctx_in: Some(&context),
            ..TestRunOptions::new()
        };
        let result = program.test_run(options)?;
        out.truncate(result.data_size_out as usize);
        let sends = if redirects { XDP_REDIRECT } else { XDP_TX };
        let wrong = |what| Err(Error::Early { what, frame: out.clone() });
        let ran = match result.return_value {
            XDP_PASS if out == came => None,
            XDP_PASS => return wrong("passes on what it has changed"),
            XDP_DROP => Some(Ran { act: Act::Drop, frame: out }),
            value if value == sends => match self.readdressed(&out, frame) {
                Some(frame) => Some(Ran { act: Act::Send, frame }),
                None => return wrong("does not address a frame to its next hop"),
            },
            _ => return wrong("returns something else"),
        };
        Ok((ran, result.duration))
    }
}
