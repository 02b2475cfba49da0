//! Frames with the sum that a network card has computed over them (CHECKSUM_COMPLETE), as the kernel
//! since 6.16 lets test runs have them. It also judges whether the sum is right afterwards: a program that
//! writes must keep it so.

use std::os::fd::BorrowedFd;

use nix::libc;

use super::Error;
use crate::bpf::{self, Shown};

/// `BPF_F_TEST_SKB_CHECKSUM_COMPLETE` of linux/bpf.h.
const COMPLETE: u32 = 1 << 2;

/// What a program has made of a frame, or not: the sum is wrong afterwards.
pub(super) enum Summed {
    /// Its verdict; this many bytes of the frame are in `out`.
    Right(u32, usize),
    /// The frame no longer is what its sum says.
    Wrong,
    /// This kernel knows no such frames.
    Unknown,
}

/// Runs `program` once on `frame`.
///
/// # Errors
/// When the kernel cannot run it.
pub(super) fn run(program: BorrowedFd<'_>, frame: &[u8], out: &mut [u8]) -> Result<Summed, Error> {
    let shown = Shown { frame, context: &[], repeat: 1, flags: COMPLETE };
    match bpf::run(program, &shown, out) {
        Ok(ran) => Ok(Summed::Right(ran.verdict, ran.len)),
        Err(source) => match source.raw_os_error() {
            Some(libc::EBADMSG) => Ok(Summed::Wrong),
            Some(libc::EINVAL) => Ok(Summed::Unknown),
            _ => Err(Error::Summed { source }),
        },
    }
}
