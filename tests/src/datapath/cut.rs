//! Cutting IPv4 datagrams into fragments.

const ETH: usize = 14;
const LENGTH: usize = ETH + 2;
const FRAGMENT: usize = ETH + 6;
const CHECKSUM: usize = ETH + 10;
const MORE: u16 = 0x2000;

/// The frames of the datagram in `frame` cut before each of these bytes of what its IP header is in front of
/// (RFC 791 section 3.2). Every one has all of the options.
///
/// # Panics
/// If it is not a whole datagram of IPv4, or a place is not one to cut at.
#[must_use]
pub fn cut(frame: &[u8], places: &[usize]) -> Vec<Vec<u8>> {
    let header = ETH + 4 * usize::from(frame[ETH] & 15);
    let end = ETH + usize::from(u16::from_be_bytes([frame[LENGTH], frame[LENGTH + 1]]));
    let (head, body) = (&frame[..header], &frame[header..end]);
    let all = [body.len()];
    let starts = [0].iter().chain(places);
    let ends = places.iter().chain(&all);
    starts
        .zip(ends)
        .map(|(start, end)| part(head, *start, &body[*start..*end], body.len()))
        .collect()
}

/// One fragment with these bytes, which begin at `start` of so many.
fn part(head: &[u8], start: usize, bytes: &[u8], all: usize) -> Vec<u8> {
    assert!(start.is_multiple_of(8), "offsets are in units of eight bytes");
    let more = if start + bytes.len() < all { MORE } else { 0 };
    let mut frame = [head, bytes].concat();
    let len = (frame.len() - ETH) as u16;
    frame[LENGTH..LENGTH + 2].copy_from_slice(&len.to_be_bytes());
    frame[FRAGMENT..FRAGMENT + 2].copy_from_slice(&(more | (start / 8) as u16).to_be_bytes());
    summed(frame)
}

/// The frame of IPv4 with a right checksum in its IP header.
#[must_use]
pub(super) fn summed(mut frame: Vec<u8>) -> Vec<u8> {
    let header = ETH + 4 * usize::from(frame[ETH] & 15);
    frame[CHECKSUM..CHECKSUM + 2].fill(0);
    let words =
        frame[ETH..header].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[CHECKSUM..CHECKSUM + 2].copy_from_slice(&(!sum as u16).to_be_bytes());
    frame
}
