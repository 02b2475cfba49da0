//! The datapath's counters, summed over the CPUs.

use lb_common::counter;

use super::{DatapathError, Maps};

/// Name and value of every counter of a zone, in the order of their numbers.
///
/// # Errors
/// When the map cannot be read.
pub fn counters(maps: &Maps, zone: u16) -> Result<Vec<(&'static str, u64)>, DatapathError> {
    counter::all().map(|(number, name, _)| Ok((name, maps.counter(zone, number)?))).collect()
}
