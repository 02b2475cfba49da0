//! The programs on a machine of our own, which counts what they do.

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
