//! Headers as they stand on the wire, and the parser that finds them.
//!
//! Header types are plain big-endian structs; what a field means is in the RFC
//! each file names.

mod datagram;
pub mod eth;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
mod options;
mod outgoing;
mod segment;
mod seq;
pub mod tcp;
mod timestamp;
pub mod udp;

pub use datagram::Datagram;
pub use icmp::IcmpError;
pub use options::Options;
pub use outgoing::Outgoing;
pub use segment::{Segment, parse};
pub use seq::Seq;
pub(crate) use timestamp::timestamp;
