//! Small exact TCP peers: threads inside a namespace, no external programs.
//!
//! A server greets first, `<member> <client address as it sees it>\n`, so every [`Connection`]
//! knows who serves it and what source the member saw. What follows is up to the server's
//! [`Mode`].

mod client;
mod server;

pub use client::{Connection, connect, connect_from, connect_many};
pub use server::{EchoServer, Mode};

/// `len` bytes that repeat at no power of two, so lost, doubled and swapped segments show.
#[must_use]
pub fn pattern(len: usize) -> Vec<u8> {
    let mut state: u32 = 1;
    let next = || {
        // Numerical Recipes' linear congruential generator; the upper bits are the good ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// FNV-1a, 64 bit (draft-eastlake-fnv): the same for any split of the stream. Start with
/// [`FNV_START`].
#[must_use]
pub fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The offset basis of [`fnv1a`].
pub const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
