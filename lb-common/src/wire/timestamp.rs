//! The timestamps option of TCP (RFC 7323 section 3.2).

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::{
    be::Be32,
    packet::Packet,
    tables::{Step, Tables},
    wire::tcp::Tcp,
};

const END: u8 = 0;
const NOP: u8 = 1;
const TIMESTAMPS: u8 = 8;

/// Most options in a header: 40 times NOP.
const MOST: u32 = 40;

/// The option as it stands in a header.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
struct Timestamps {
    kind: u8,
    len: u8,
    value: Be32,
    echo: Be32,
}

/// The sender's timestamp (TSval) of the TCP header at `l4`, in host order; zero, which no clock shows for
/// long, without the option.
#[inline(never)]
pub(crate) fn timestamp<P: Packet, T: Tables>(packet: &P, tables: &T, l4: usize) -> u32 {
    let Some(tcp) = packet.read::<Tcp>(l4) else { return 0 };
    let (at, end) = (l4 + Tcp::MIN_LEN, l4 + tcp.header_len());
    let mut walk = Walk { packet, at, end, value: 0 };
    if at < end {
        tables.repeat(MOST, &mut walk);
    }
    walk.value
}

struct Walk<'a, P> {
    packet: &'a P,
    /// Where the next option starts, in bytes from the start of the frame.
    at: usize,
    /// Where the options end.
    end: usize,
    value: u32,
}

impl<P: Packet, T: Tables> Step<T> for Walk<'_, P> {
    #[inline(always)]
    fn step(&mut self, _tables: &T, _index: u32) -> bool {
        if self.at >= self.end {
            return false;
        }
        match self.packet.read::<u8>(self.at) {
            None | Some(END) => return false,
            Some(NOP) => {
                self.at += 1;
                return true;
            }
            Some(_) => {}
        }
        // Kind and length; an option cannot be shorter than these.
        let Some([kind, len]) = self.packet.read::<[u8; 2]>(self.at) else { return false };
        if len < 2 || self.at + len as usize > self.end {
            return false;
        }
        if kind == TIMESTAMPS && len as usize == size_of::<Timestamps>() {
            let Some(option) = self.packet.read::<Timestamps>(self.at) else { return false };
            self.value = option.value.get();
            return false;
        }
        self.at += len as usize;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Frame, HostTables};

    /// What is read from a TCP header with these options, padded, at the start of a frame.
    fn read(options: &[u8]) -> u32 {
        let mut header = vec![0; 12];
        header.push(((20 + options.len().next_multiple_of(4)) << 2) as u8);
        header.extend([0x10; 7]);
        header.extend(options);
        header.resize(20 + options.len().next_multiple_of(4), 0);
        // What follows is no option.
        header.extend([8, 10, 9, 9, 9, 9, 0, 0, 0, 0]);
        timestamp(&Frame(header), &HostTables::default(), 0)
    }

    #[test]
    fn the_option_is_found_wherever_it_stands() {
        const STAMP: [u8; 10] = [8, 10, 1, 2, 3, 4, 0, 0, 0, 0];
        let with = |before: &[u8]| read(&[before, &STAMP].concat());
        // As Linux and BSD write it into SYNs, and both into everything else.
        assert_eq!(with(&[2, 4, 5, 180, 4, 2]), 0x0102_0304);
        assert_eq!(with(&[2, 4, 5, 180, 1, 3, 3, 6, 1, 1]), 0x0102_0304);
        assert_eq!(with(&[1, 1]), 0x0102_0304);
        assert_eq!(with(&[1; 30]), 0x0102_0304);
    }

    #[test]
    fn what_is_no_option_is_not_read() {
        assert_eq!(read(&[]), 0);
        assert_eq!(read(&[2, 4, 5, 180]), 0);
        assert_eq!(read(&[0, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0]), 0, "behind the end");
        assert_eq!(read(&[8, 9, 1, 2, 3, 4, 0, 0, 0]), 0, "of another length");
        assert_eq!(read(&[8, 10, 1, 2]), 0, "cut short");
        assert_eq!(read(&[5, 0, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0]), 0, "behind one that is broken");
    }
}
