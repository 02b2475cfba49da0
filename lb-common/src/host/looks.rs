//! What it takes to decide, in numbers that no clock makes ambiguous.

use core::{cell::Cell, fmt};

/// How often something was looked at. No state of the tables, so it is not shown with them.
#[derive(Default)]
pub struct Looks(Cell<u64>);

impl Looks {
    /// The number.
    #[must_use]
    pub const fn get(&self) -> u64 {
        self.0.get()
    }

    pub(super) fn count(&self) {
        self.0.set(self.0.get() + 1);
    }
}

impl fmt::Debug for Looks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("_")
    }
}
