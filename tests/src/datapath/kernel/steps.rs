//! What the programs and maps take that is no time: instructions, on a machine of our own, and memory.

use std::os::fd::AsFd as _;

use aya::maps::{MapData, MapError};
use lb_common::state::Continuation;
use lb_userspace::datapath::OBJECT;

use super::{Error, Kernel};
use crate::memory;
use crate::steps::{Stepper, Steps};

/// The programs of TC that frames meet first: at the device, and at its outer end.
const INGRESS: &str = "qlb_ingress";
const OUTER: &str = "qlb_outer";
/// Those that it goes on with.
const NEXT: [(u32, &str); 3] = [
    (Continuation::Connect as u32, "qlb_connect"),
    (Continuation::Report as u32, "qlb_report"),
    (Continuation::OuterConnect as u32, "qlb_outer_connect"),
];

impl Kernel {
    /// Bytes that the kernel holds for a map.
    ///
    /// # Errors
    /// When there is no such map.
    pub fn memory(&self, map: &str) -> Result<u64, Error> {
        let map = MapData::from_pin(self.pins.path().join(map))?;
        Ok(memory::of_map(map.fd().as_fd()).map_err(MapError::IoError)?)
    }

    /// A machine for the programs as they are loaded.
    ///
    /// # Errors
    /// When the object cannot be read.
    pub fn stepper(&self) -> Result<Stepper, Error> {
        let mask = self.options.half_open - 1;
        Ok(Stepper::new(OBJECT, &[("HALF_OPEN_MASK", mask)], &NEXT)?)
    }

    /// What a frame takes in the program of TC that it meets first and those that this goes on with, of a datapath that no other device shares. Nothing
    /// is changed.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn steps(&self, stepper: &Stepper, frame: &[u8]) -> Result<Steps, Error> {
        let first = if self.outside { OUTER } else { INGRESS };
        Ok(stepper.run(first, self.pins.path(), frame)?)
    }
}
