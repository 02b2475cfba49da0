//! bpf(2), where aya does not do: it loads objects, not instructions, and runs programs without flags.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use nix::libc;

/// Commands of linux/bpf.h.
const MAP_CREATE: libc::c_long = 0;
const MAP_LOOK_UP: libc::c_long = 1;
const MAP_UPDATE: libc::c_long = 2;
const PROG_LOAD: libc::c_long = 5;
const TEST_RUN: libc::c_long = 10;
const MAP_UPDATE_BATCH: libc::c_long = 26;

/// Types of maps of linux/bpf.h.
pub(crate) const ARRAY: u32 = 2;
pub(crate) const PROG_ARRAY: u32 = 3;

#[repr(C)]
#[derive(Default)]
struct Create {
    kind: u32,
    key: u32,
    value: u32,
    entries: u32,
    flags: u32,
}

/// What looking up takes as well, but for the flags.
#[repr(C)]
#[derive(Default)]
struct Update {
    map: u32,
    unused: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct Batch {
    begin: u64,
    end: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    flags: [u64; 2],
}

/// What a program is loaded as.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kind {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) attach: u32,
}

#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    len: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_len: u32,
    log: u64,
    version: u32,
    flags: u32,
    name: [u8; 16],
    device: u32,
    attach: u32,
}

#[repr(C)]
#[derive(Default)]
struct Run {
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

/// What came of test runs in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What the last one returned.
    pub verdict: u32,
    /// Nanoseconds that each took in the mean.
    pub each: u32,
    /// Bytes of the frame after the last one.
    pub len: usize,
}

#[expect(unsafe_code, reason = "the only way to bpf(2)")]
fn call<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    let size = size_of::<T>();
    // SAFETY: the attributes are as large as said; what they point to outlives the call, which each caller below
    // sees to, and is not looked at meanwhile.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[expect(unsafe_code, reason = "the kernel answers a number")]
fn owned(fd: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just opened it for the caller, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// A map of this kind whose keys are indexes.
pub(crate) fn map(kind: u32, value: usize, entries: usize) -> io::Result<OwnedFd> {
    let (value, entries) = (value as u32, entries as u32);
    let mut create = Create { kind, key: 4, value, entries, flags: 0 };
    call(MAP_CREATE, &mut create).map(owned)
}

/// Reads the value that a key has into `value`; returns whether it has one. Both have to be as large as the map says.
pub(crate) fn look_up(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
    let (key, value) = (key.as_ptr() as u64, value.as_mut_ptr() as u64);
    let mut wanted = Update { map: number(map), key, value, ..Update::default() };
    match call(MAP_LOOK_UP, &mut wanted) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the value at `index`.
pub(crate) fn set(map: BorrowedFd<'_>, index: u32, value: &[u8]) -> io::Result<()> {
    let (key, value) = (&raw const index as u64, value.as_ptr() as u64);
    let mut update = Update { map: number(map), key, value, ..Update::default() };
    call(MAP_UPDATE, &mut update).map(drop)
}

/// Writes the values from index 0 on, which follow each other in `values`.
pub(crate) fn fill(map: BorrowedFd<'_>, values: &[u8], count: usize) -> io::Result<()> {
    let keys: Vec<u32> = (0..count as u32).collect();
    let (keys, values) = (keys.as_slice(), values.as_ptr() as u64);
    let (map, count) = (number(map), count as u32);
    let mut batch = Batch { keys: keys.as_ptr() as u64, values, count, map, ..Batch::default() };
    call(MAP_UPDATE_BATCH, &mut batch).map(drop)
}

/// Loads a program; an error has what the verifier said.
pub(crate) fn load(kind: Kind, code: &[u64]) -> io::Result<OwnedFd> {
    let mut log = vec![0_u8; 1 << 16];
    let mut load = Load {
        kind: kind.kind,
        len: code.len() as u32,
        code: code.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        log_level: 1,
        log_len: log.len() as u32,
        log: log.as_mut_ptr() as u64,
        flags: kind.flags,
        attach: kind.attach,
        ..Load::default()
    };
    call(PROG_LOAD, &mut load).map(owned).map_err(|error| {
        let said = log.split(|byte| *byte == 0).next().unwrap_or_default();
        io::Error::new(error.kind(), format!("{error}: {}", String::from_utf8_lossy(said)))
    })
}

/// A frame that a program is run on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) frame: &'a [u8],
    /// What the program gets as its context; nothing if that is empty.
    pub(crate) context: &'a [u8],
    /// How often in a row.
    pub(crate) repeat: u32,
    /// `BPF_F_TEST_*` of linux/bpf.h.
    pub(crate) flags: u32,
}

/// Runs a program on a frame; what comes out is in `out`.
pub(crate) fn run(program: BorrowedFd<'_>, shown: &Shown<'_>, out: &mut [u8]) -> io::Result<Ran> {
    let Shown { frame, context, repeat, flags } = *shown;
    let has_context = !context.is_empty();
    let mut run = Run {
        program: number(program),
        len_in: frame.len() as u32,
        len_out: out.len() as u32,
        data_in: frame.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        repeat,
        context_len_in: context.len() as u32,
        context_in: if has_context { context.as_ptr() as u64 } else { 0 },
        flags,
        ..Run::default()
    };
    call(TEST_RUN, &mut run)?;
    Ok(Ran { verdict: run.verdict, each: run.duration, len: run.len_out as usize })
}
