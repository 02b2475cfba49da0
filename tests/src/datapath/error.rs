//! What can go wrong with a datapath under test.

use std::io;

use aya::maps::MapError;
use aya::programs::ProgramError;
use lb_userspace::datapath::DatapathError;

/// Why the datapath under test could not be driven.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Loading, filling, reading or sweeping failed.
    #[error("{0}: {source:?}", source = std::error::Error::source(.0))]
    Datapath(#[from] DatapathError),

    /// The kernel refused a test run or would not show the program.
    #[error("cannot run the program under test")]
    Program(#[from] ProgramError),

    /// The kernel refused a test run of a frame with a sum over it.
    #[error("cannot run the program under test: {source}")]
    Summed {
        /// The kernel's answer.
        source: io::Error,
    },

    /// The program changed a frame and not the sum that came with it.
    #[error("the frame is no longer what its sum says (CHECKSUM_COMPLETE)")]
    StaleSum,

    /// A map could not be opened behind the datapath's back.
    #[error("cannot reach a map of the program under test")]
    Map(#[from] MapError),

    /// What the programs do could not be counted.
    #[error(transparent)]
    Steps(#[from] crate::steps::Error),

    /// The device that was just made has no MAC address.
    #[error("a new device has no MAC address")]
    NoMac,

    /// The XDP program did what it never may.
    #[error("the XDP program {what}: {frame:02x?}")]
    Early {
        /// What it did.
        what: &'static str,
        /// The frame that came out.
        frame: Vec<u8>,
    },

    /// The program at the outer end did what it never may.
    #[error("the program at the outer end {what}: {frame:02x?}")]
    Outer {
        /// What it did.
        what: &'static str,
        /// The frame that came out.
        frame: Vec<u8>,
    },

    /// A map cannot be pinned.
    #[error(transparent)]
    Pin(#[from] aya::pin::PinError),

    /// The programs have no map of next hops.
    #[error("the programs know no next hops")]
    NoHops,

    /// Nothing can be heard at a device.
    #[error("cannot listen at a device: {0}")]
    Ear(nix::errno::Errno),

    /// The harness failed.
    #[error(transparent)]
    Harness(#[from] crate::Error),
    /// There is no place for pins.
    #[error("cannot make {path}; it has to be in a bpffs, as the sandbox has: {source}")]
    Pins {
        /// Where.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },

    /// A capture could not be written.
    #[error("cannot write the capture {path}: {source}")]
    Capture {
        /// Where.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
}
