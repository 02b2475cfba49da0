//! Segments in fragments.

use lb_tests::datapath::{cut, patched};

use crate::random::Random;

const ETHERNET: usize = 14;
/// Where an IPv4 frame has its identification.
const ID: usize = ETHERNET + 4;

/// The segment of this frame in fragments, most of the time all of them and in order.
pub(crate) fn fragments(random: &mut Random, frame: &[u8]) -> Vec<Vec<u8>> {
    // Few identifications, so that they come again.
    let frame = patched(frame.to_vec(), ID, &[0, random.below(4) as u8]);
    let header = ETHERNET + 4 * usize::from(frame[ETHERNET] & 15);
    let whole = cut(&frame, &[]).remove(0);
    let end = whole.len() - header;
    let units = end.div_ceil(8);
    let most = random.among(&[6, units, units]);
    let count = random.among(&[1, 1, 2, 3]);
    // Behind the header most of the time.
    let least = random.among(&[1, 3, 3, 3, 8]);
    let mut places: Vec<usize> = (0..count).map(|_| 8 * (least + random.below(most))).collect();
    places.sort_unstable();
    places.dedup();
    places.retain(|place| *place < end);
    let mut parts = cut(&frame, &places);
    if random.once_in(6) {
        // Over what was in the first.
        parts.push(cut(&frame, &[8]).remove(1));
    }
    if random.once_in(8) {
        parts.remove(0);
    }
    if random.once_in(4) && !parts.is_empty() {
        let other = random.below(parts.len());
        parts.swap(0, other);
    }
    if random.once_in(6) && !parts.is_empty() {
        let again = parts[random.below(parts.len())].clone();
        parts.push(again);
    }
    parts
}
