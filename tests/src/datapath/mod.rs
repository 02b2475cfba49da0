//! The compiled datapath and the pure decision function side by side.
//!
//! [`Kernel`] runs the BPF object by BPF_PROG_TEST_RUN, [`Model`] runs `lb_common` on the host's
//! tables. Both take the same [`Action`]s and show all their state as a [`Snapshot`], so that a
//! test can compare everything and overlook nothing.

mod action;
mod age;
mod asked;
mod checksums;
mod complete;
mod cut;
mod delta;
mod early;
mod error;
mod family;
mod front;
mod heard;
mod icmp;
mod inlet;
mod kernel;
mod model;
mod outside;
mod pins;
mod ports;
mod raw;
mod report;
mod setup;
mod snapshot;
mod tcp;
mod udp;
mod world;

pub use action::{Act, Action, Datapath, Ran};
pub use age::{Age, Ages, Stamping};
pub use asked::{asks, disagreement};
pub use checksums::{left_to_device, wrong_checksum};
pub use cut::cut;
pub use delta::delta;
pub use error::Error;
pub use family::Family;
pub use heard::Heard;
pub use icmp::{icmp_error, unreachable};
pub use kernel::{Hook, Kernel, Tested};
pub use model::{Ahead, Model};
pub use ports::Port;
pub use raw::falsify;
pub use report::{hexdump, write_pcap};
pub use snapshot::{Direction, Entry, Fragments, Member, Snapshot, Stuck, Way};
pub use tcp::{Tcp, frame_ends, patched};
pub use udp::Udp;
pub use world::{
    CLIENT_SEQ, Conn, LISTENER, MEMBER_SEQ, METHODS, POOL, Pair, UdpPair, World, member,
};
