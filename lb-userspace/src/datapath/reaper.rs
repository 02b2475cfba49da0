//! Expiry: the controller runs the reaper program, the decision and the removal happen in
//! the kernel, beside the packets.

use aya::{
    TestRunOptions,
    programs::{SchedClassifier, TestRun as _},
};

use super::DatapathError;

/// Bytes of the kernel's `struct __sk_buff`, and where its `mark` and `ifindex` lie (linux/bpf.h).
pub(super) const SK_BUFF: usize = 192;
const MARK: usize = 8;
pub(super) const IFINDEX: usize = 40;

/// Runs the reaper program.
pub struct Reaper<'a> {
    program: &'a SchedClassifier,
}

/// The device of the current namespace where the datapath's own frames come in.
#[derive(Clone, Copy, Debug)]
pub struct Inlet {
    /// Its index.
    pub ifindex: u32,
    /// Its MAC address.
    pub mac: [u8; 6],
}

impl<'a> Reaper<'a> {
    pub(super) fn new(program: &'a SchedClassifier) -> Self {
        Self { program }
    }

    /// Walks conntrack, ending what has expired and removing what is over. RSTs come in at `inlet`.
    /// Returns how many entries there were.
    ///
    /// # Errors
    /// When the kernel cannot run the program.
    pub fn sweep(&self, inlet: Inlet) -> Result<u32, DatapathError> {
        let mut left = u32::MAX;
        loop {
            let (still, entries) = self.walk(inlet)?;
            // A walk that gets nowhere is for another time: the device takes no frames now.
            if still == 0 || still >= left {
                return Ok(entries);
            }
            left = still;
        }
    }

    /// One walk; answers how many connections it left for another, and how many entries it met.
    fn walk(&self, inlet: Inlet) -> Result<(u32, u32), DatapathError> {
        let mut frame = [0; 64];
        frame[..6].copy_from_slice(&inlet.mac);
        frame[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
        let (mut context, mut after) = ([0; SK_BUFF], [0; SK_BUFF]);
        context[IFINDEX..IFINDEX + 4].copy_from_slice(&inlet.ifindex.to_ne_bytes());
        let options = TestRunOptions {
            data_in: Some(&frame),
            ctx_in: Some(&context),
            ctx_out: Some(&mut after),
            ..TestRunOptions::new()
        };
        let run = self.program.test_run(options).map_err(|source| DatapathError::Program {
            program: "qlb_reap",
            source: Box::new(source),
        })?;
        let entries =
            u32::from_ne_bytes([after[MARK], after[MARK + 1], after[MARK + 2], after[MARK + 3]]);
        Ok((run.return_value, entries))
    }
}
