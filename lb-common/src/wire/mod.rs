//! Headers as they stand on the wire, and the parser that finds them.
//!
//! Header types are plain big-endian structs; what a field means is in the RFC
//! each file names.

pub mod eth;
pub mod ipv4;
mod segment;
pub mod tcp;

pub use segment::{Segment, parse};
