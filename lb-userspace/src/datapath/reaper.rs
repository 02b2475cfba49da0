//! Expiry: the controller runs the reaper program, the decision and the removal happen in
//! the kernel, beside the packets.

use aya::{
    TestRunOptions,
    programs::{SchedClassifier, TestRun as _},
};

use super::DatapathError;

/// Runs the reaper program.
pub struct Reaper<'a> {
    program: &'a SchedClassifier,
}

impl<'a> Reaper<'a> {
    pub(super) fn new(program: &'a SchedClassifier) -> Self {
        Self { program }
    }

    /// Walks conntrack once, removing what has expired.
    ///
    /// # Errors
    /// When the kernel cannot run the program.
    pub fn sweep(&self) -> Result<(), DatapathError> {
        // The kernel wants a frame; the program does not look at it.
        let frame = [0; 64];
        let options = TestRunOptions { data_in: Some(&frame), ..TestRunOptions::new() };
        let run = self.program.test_run(options);
        run.map(drop).map_err(|source| DatapathError::Program {
            program: "qlb_reap",
            source: Box::new(source),
        })
    }
}
