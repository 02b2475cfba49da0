//! The datapath's counters, summed over the CPUs.

use lb_common::counter;

use super::{DatapathError, Maps};

/// Name and value of every counter, in the order of their numbers.
///
/// # Errors
/// When the map cannot be read.
pub fn counters(maps: &Maps) -> Result<Vec<(&'static str, u64)>, DatapathError> {
    counter::all().map(|(number, name, _)| Ok((name, maps.counter(number)?))).collect()
}
