//! The instructions of the harness program.
//!
//! Each run takes the next frame of an array, writes it over the packet, numbers the frame on for its next turn, and goes on
//! with the program under test by a tail call. So a test run that repeats it shows that program a fresh packet each time.

use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Classes, sizes and operations of instructions (linux/bpf_common.h, linux/bpf.h).
const LDX: u8 = 0x61;
const LDX_HALF: u8 = 0x69;
const LDX_DOUBLE: u8 = 0x79;
const STX: u8 = 0x63;
const STX_HALF: u8 = 0x6b;
const STX_DOUBLE: u8 = 0x7b;
const LD_DOUBLE: u8 = 0x18;
const MOV: u8 = 0xbf;
const SET: u8 = 0xb7;
const ADD: u8 = 0x0f;
const ADD_NUMBER: u8 = 0x07;
const ADD32_NUMBER: u8 = 0x04;
const AND_NUMBER: u8 = 0x57;
const XOR32_NUMBER: u8 = 0xa4;
const SHIFT_RIGHT: u8 = 0x77;
const TO_BIG_ENDIAN: u8 = 0xdc;
const JUMP_LESS: u8 = 0xa5;
const JUMP_UNEQUAL: u8 = 0x55;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// What the immediate value of [`LD_DOUBLE`] means (linux/bpf.h).
const MAP: u8 = 1;
const MAP_VALUE: u8 = 2;

/// Helpers of linux/bpf.h.
const LOOKUP: i32 = 1;
const STORE: i32 = 9;
const TAIL_CALL: i32 = 12;
const XDP_STORE: i32 = 189 + 1;

/// What the harness returns when it could not go on; no verdict has this number.
pub(super) const LOST: u32 = 77;

/// How a frame changes from one use to the next, so that its connection moves on: a number in it grows, and another word
/// shrinks so that no checksum changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Where the number of 32 bits is in the frame.
    pub at: i16,
    /// By how much it grows.
    pub by: i32,
    /// Where the word of 16 bits is that makes up for it.
    pub balance: i16,
}

/// What the program works on.
pub(super) struct Parts<'a> {
    pub(super) xdp: bool,
    /// Frames of `len` bytes each.
    pub(super) frames: BorrowedFd<'a>,
    pub(super) len: usize,
    pub(super) count: usize,
    /// The index of the frame that is next.
    pub(super) next: BorrowedFd<'a>,
    /// The programs to go on with, the one under test at the place zero.
    pub(super) programs: BorrowedFd<'a>,
    pub(super) advance: Option<Advance>,
}

const fn op(code: u8, dst: u8, src: u8, offset: i16, number: i32) -> u64 {
    code as u64
        | (dst as u64) << 8
        | (src as u64) << 12
        | (offset.cast_unsigned() as u64) << 16
        | (number.cast_unsigned() as u64) << 32
}

/// A map, or with [`MAP_VALUE`] the address of its only value.
fn of_map(dst: u8, map: BorrowedFd<'_>, what: u8) -> [u64; 2] {
    [op(LD_DOUBLE, dst, what, 0, map.as_raw_fd()), 0]
}

/// A program that returns this, and nothing else.
pub(super) fn returning(verdict: u32) -> [u64; 2] {
    [op(SET, 0, 0, 0, verdict.cast_signed()), op(EXIT, 0, 0, 0, 0)]
}

/// The harness.
pub(super) fn harness(parts: &Parts<'_>) -> Vec<u64> {
    // Register 6 holds the context, 7 the frame.
    let mut code = vec![op(MOV, 6, 1, 0, 0)];
    code.extend(of_map(7, parts.next, MAP_VALUE));
    code.extend([
        op(LDX_DOUBLE, 2, 7, 0, 0),
        op(JUMP_LESS, 2, 0, 1, parts.count as i32),
        op(SET, 2, 0, 0, 0),
        op(STX, 10, 2, -4, 0),
        op(ADD_NUMBER, 2, 0, 0, 1),
        op(STX_DOUBLE, 7, 2, 0, 0),
    ]);
    code.extend(of_map(1, parts.frames, MAP));
    code.extend([
        op(MOV, 2, 10, 0, 0),
        op(ADD_NUMBER, 2, 0, 0, -4),
        op(CALL, 0, 0, 0, LOOKUP),
        op(JUMP_UNEQUAL, 0, 0, 2, 0),
    ]);
    code.extend(returning(LOST));
    code.push(op(MOV, 7, 0, 0, 0));
    let store = if parts.xdp { XDP_STORE } else { STORE };
    code.extend([
        op(MOV, 1, 6, 0, 0),
        op(SET, 2, 0, 0, 0),
        op(MOV, 3, 7, 0, 0),
        op(SET, 4, 0, 0, parts.len as i32),
        op(SET, 5, 0, 0, 0),
        op(CALL, 0, 0, 0, store),
    ]);
    code.extend(parts.advance.iter().flat_map(advance));
    code.push(op(MOV, 1, 6, 0, 0));
    code.extend(of_map(2, parts.programs, MAP));
    code.extend([op(SET, 3, 0, 0, 0), op(CALL, 0, 0, 0, TAIL_CALL)]);
    code.extend(returning(LOST));
    code
}

/// In one's complement, what the number has gained the balancing word has to lose: the old number is added to it, and
/// the new one's complement.
fn advance(advance: &Advance) -> Vec<u64> {
    let Advance { at, by, balance } = *advance;
    let mut code = vec![
        op(LDX, 1, 7, at, 0),
        op(MOV, 2, 1, 0, 0),
        op(TO_BIG_ENDIAN, 2, 0, 0, 32),
        op(ADD32_NUMBER, 2, 0, 0, by),
        op(TO_BIG_ENDIAN, 2, 0, 0, 32),
        op(STX, 7, 2, at, 0),
        op(XOR32_NUMBER, 2, 0, 0, -1),
        op(LDX_HALF, 3, 7, balance, 0),
        op(ADD, 3, 1, 0, 0),
        op(ADD, 3, 2, 0, 0),
    ];
    // Three times, as a carry may carry.
    for _ in 0..3 {
        code.extend([
            op(MOV, 1, 3, 0, 0),
            op(SHIFT_RIGHT, 1, 0, 0, 16),
            op(AND_NUMBER, 3, 0, 0, 0xffff),
            op(ADD, 3, 1, 0, 0),
        ]);
    }
    code.push(op(STX_HALF, 7, 3, balance, 0));
    code
}
