//! What the programs and maps take that is no time: instructions, on a machine of our own, and memory.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::{MapData, MapError};
use lb_common::state::Continuation;
use lb_userspace::datapath::OBJECT;

use super::{Error, Kernel};
use crate::steps::{Stepper, Steps};

/// The program of TC ingress.
const INGRESS: &str = "qlb_ingress";
/// Those that it goes on with.
const NEXT: [(u32, &str); 2] =
    [(Continuation::Connect as u32, "qlb_connect"), (Continuation::Report as u32, "qlb_report")];

impl Kernel {
    /// Bytes that the kernel holds for a map (`memlock` of its descriptor), which of one that grows with use follow every entry.
    ///
    /// # Errors
    /// When there is no such map.
    pub fn memory(&self, map: &str) -> Result<u64, Error> {
        let map = MapData::from_pin(self.pins.path().join(map))?;
        let file = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
        let failed = |io_error| MapError::IoError(io_error);
        let told = fs::read_to_string(file).map_err(failed)?;
        let line = told.lines().find_map(|line| line.strip_prefix("memlock:"));
        Ok(line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0))
    }

    /// What a frame takes in the program of TC ingress and those behind it, of a datapath that no other device shares. Nothing
    /// is changed.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn steps(&self, frame: &[u8]) -> Result<Steps, Error> {
        let mask = self.options.half_open - 1;
        let stepper = Stepper::new(OBJECT, &[("HALF_OPEN_MASK", mask)], &NEXT)?;
        Ok(stepper.run(INGRESS, self.pins.path(), frame)?)
    }
}
