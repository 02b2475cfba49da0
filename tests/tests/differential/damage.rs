//! Frames that something is wrong with.

use crate::random::Random;

/// Bytes of the shortest IPv4 frame that a test run takes.
const SHORTEST: usize = 34;

/// Cut short, or with a byte of the headers changed, or a checksum in a corner.
pub(crate) fn damaged(random: &mut Random, mut frame: Vec<u8>) -> Vec<u8> {
    match random.below(6) {
        5 => {
            let other = random.among(&[0x0806_u16, 0x86dd, 0x8100, 0x88a8]);
            frame[12..14].copy_from_slice(&other.to_be_bytes());
        }
        0 => frame.truncate(SHORTEST + random.below(frame.len() - SHORTEST)),
        1 => {
            let at = random.below(frame.len().min(80));
            frame[at] = random.next() as u8;
        }
        2 => {
            let at = random.among(&[14, 15, 16, 17, 20, 21, 23, 46, 47]);
            frame[at] ^= 1 << random.below(8);
        }
        3 => {
            let at = random.among(&[24, 25, 50, 51]);
            frame[at] = random.next() as u8;
        }
        _ => {
            let at = random.among(&[24, 50]);
            frame[at..at + 2].copy_from_slice(&random.among(&[[0; 2], [0xff; 2]]));
        }
    }
    frame
}
