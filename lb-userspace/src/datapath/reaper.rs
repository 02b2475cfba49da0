//! Expiry: the controller runs the reaper program, the decision and the removal happen in
//! the kernel, beside the packets.

use aya::{
    TestRunOptions,
    programs::{SchedClassifier, TestRun as _},
};

use lb_common::state::{DUE_WORDS, Walk, ZONES_PER_WORD};

use super::maps::failed;
use super::{DatapathError, Maps};

/// Bytes of the kernel's `struct __sk_buff`, and where its `mark`, `ifindex` and `cb` lie (linux/bpf.h).
pub(super) const SK_BUFF: usize = 192;
const MARK: usize = 8;
pub(super) const IFINDEX: usize = 40;
pub(super) const CONTROL: usize = 48;

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

/// What a walk through all zones has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Conntrack entries that there were.
    pub entries: u32,
    /// Zones in which connections wait for an end that has to be told ([`Reaper::sweep`]).
    pub zones: Vec<u16>,
}

impl<'a> Reaper<'a> {
    pub(super) fn new(program: &'a SchedClassifier) -> Self {
        Self { program }
    }

    /// Walks conntrack, ending what has expired at the device of this zone and removing what is over there; zone 0 is that
    /// of a device with a conntrack of its own. RSTs come in at `inlet`. Returns how many entries there were.
    ///
    /// # Errors
    /// When the kernel cannot run the program.
    pub fn sweep(&self, zone: u16, inlet: Inlet) -> Result<u32, DatapathError> {
        let mut left = u32::MAX;
        loop {
            let (still, entries) = self.walk(inlet, (zone, Walk::Zone))?;
            // A walk that gets nowhere is for another time: the device takes no frames now.
            if still == 0 || still >= left {
                return Ok(entries);
            }
            left = still;
        }
    }

    /// Walks a conntrack that devices share, removing what is over and ending what has expired and need not be told.
    ///
    /// # Errors
    /// When the kernel cannot run the program, or a map cannot be read or written.
    pub fn sweep_all(&self, maps: &mut Maps) -> Result<Due, DatapathError> {
        maps.clear_due()?;
        // Nothing comes in anywhere.
        let nowhere = Inlet { ifindex: 0, mac: [0; 6] };
        let (left, entries) = self.walk(nowhere, (0, Walk::Everything))?;
        let zones = if left == 0 { Vec::new() } else { maps.zones_due()? };
        Ok(Due { entries, zones })
    }

    /// One walk; answers how many connections it left for another, and how many entries it met.
    fn walk(&self, inlet: Inlet, (zone, walk): (u16, Walk)) -> Result<(u32, u32), DatapathError> {
        let mut frame = [0; 64];
        frame[..6].copy_from_slice(&inlet.mac);
        frame[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
        let (mut context, mut after) = ([0; SK_BUFF], [0; SK_BUFF]);
        context[IFINDEX..IFINDEX + 4].copy_from_slice(&inlet.ifindex.to_ne_bytes());
        context[CONTROL..CONTROL + 4].copy_from_slice(&u32::from(zone).to_ne_bytes());
        context[CONTROL + 4..CONTROL + 8].copy_from_slice(&(walk as u32).to_ne_bytes());
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

impl Maps {
    /// The zones that the reaper has something to send in.
    fn zones_due(&self) -> Result<Vec<u16>, DatapathError> {
        let mut zones = Vec::new();
        for word in 0..DUE_WORDS {
            let due = self.zones_due.get(&word, 0).map_err(failed("ZONES_DUE"))?;
            let of = |bit| word * ZONES_PER_WORD + bit;
            let is_due = |bit: &u32| due >> bit & 1 != 0;
            zones.extend((0..ZONES_PER_WORD).filter(is_due).map(|bit| of(bit) as u16));
        }
        Ok(zones)
    }

    fn clear_due(&mut self) -> Result<(), DatapathError> {
        let mut clear = |word| self.zones_due.set(word, 0, 0);
        (0..DUE_WORDS).try_for_each(&mut clear).map_err(failed("ZONES_DUE"))
    }
}
