//! Frames with the sum that a network card has computed over them (CHECKSUM_COMPLETE), as the kernel
//! since 6.16 lets test runs have them. It also judges whether the sum is right afterwards: a program that
//! writes must keep it so.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

use super::Error;

/// `BPF_PROG_TEST_RUN` and `BPF_F_TEST_SKB_CHECKSUM_COMPLETE` of linux/bpf.h.
const TEST_RUN: libc::c_long = 10;
const COMPLETE: u32 = 1 << 2;

/// The part of `union bpf_attr` that the command reads (linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    program: u32,
    verdict: u32,
    len_in: u32,
    len_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_len_in: u32,
    context_len_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    unused: u32,
}

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
#[expect(unsafe_code, reason = "aya does not offer the flag")]
pub(super) fn run(program: BorrowedFd<'_>, frame: &[u8], out: &mut [u8]) -> Result<Summed, Error> {
    let mut attributes = Attributes {
        program: program.as_raw_fd().cast_unsigned(),
        len_in: frame.len() as u32,
        len_out: out.len() as u32,
        data_in: frame.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        repeat: 1,
        flags: COMPLETE,
        ..Attributes::default()
    };
    let size = size_of::<Attributes>();
    // SAFETY: the attributes are as large as said, and so are the buffers they point to, which outlive
    // the call and are not looked at meanwhile.
    let result = unsafe { libc::syscall(libc::SYS_bpf, TEST_RUN, &raw mut attributes, size) };
    if result == 0 {
        return Ok(Summed::Right(attributes.verdict, attributes.len_out as usize));
    }
    let source = io::Error::last_os_error();
    match source.raw_os_error() {
        Some(libc::EBADMSG) => Ok(Summed::Wrong),
        Some(libc::EINVAL) => Ok(Summed::Unknown),
        _ => Err(Error::Summed { source }),
    }
}
