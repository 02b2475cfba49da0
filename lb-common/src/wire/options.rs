//! What else a SYN carries: window and options, which nobody here interprets (RFC 9293 section 3.1).

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::{
    atomic::Word32,
    be::Be16,
    checksum::Sum,
    packet::{EditError, Packet},
    wire::tcp::Tcp,
};

/// Most words of options that a header has room for.
const WORDS: usize = 10;

/// Window and options of a segment, kept in shared memory.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Options {
    words: [Word32; WORDS],
    /// How many words are in use.
    used: Word32,
    /// The window, unscaled, as it lies in memory.
    window: Word32,
}

impl Options {
    /// Takes those of the TCP header at `l4` of a frame; no options if it ends before they do.
    #[inline(always)]
    pub fn take<P: Packet>(&self, packet: &P, l4: usize) {
        self.used.set(0);
        let Some(tcp) = packet.read::<Tcp>(l4) else { return };
        self.window.set(tcp.window.raw().into());
        let used = tcp.header_len().saturating_sub(Tcp::MIN_LEN) / 4;
        for (index, word) in self.words.iter().enumerate() {
            if index >= used {
                break;
            }
            let Some(read) = packet.read(l4 + Tcp::MIN_LEN + 4 * index) else { return };
            word.set(read);
        }
        self.used.set(used as u32);
    }

    /// Takes over those of another segment.
    #[inline(always)]
    pub fn copy(&self, other: &Self) {
        self.used.set(other.used.get());
        self.window.set(other.window.get());
        for (word, other) in self.words.iter().zip(&other.words) {
            word.set(other.get());
        }
    }

    /// The words in use, one after the other, as they lie in memory.
    #[inline(always)]
    fn words(&self) -> impl Iterator<Item = (usize, u32)> {
        let used = self.used.get() as usize;
        let words = self.words.iter().enumerate();
        words.take_while(move |(index, _)| *index < used).map(|(index, word)| (index, word.get()))
    }

    /// The window, unscaled.
    #[inline(always)]
    pub(super) fn window(&self) -> Be16 {
        Be16::from_raw(self.window.get() as u16)
    }

    /// Bytes the options take, at most 40.
    #[inline(always)]
    pub(super) fn size(&self) -> usize {
        4 * (self.used.get() as usize).min(WORDS)
    }

    /// Writes the options to `offset` of a frame.
    #[inline(always)]
    pub(super) fn put<P: Packet>(&self, packet: &mut P, offset: usize) -> Result<(), EditError> {
        for (index, word) in self.words() {
            packet.write_summed(offset + 4 * index, &word)?;
        }
        Ok(())
    }

    /// Adds the options to a checksum.
    #[inline(always)]
    pub(super) fn add_to(&self, sum: Sum) -> Sum {
        self.words().fold(sum, |sum, (_, word)| sum.add32(word))
    }
}
