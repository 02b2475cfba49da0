//! Netlink messages that the crates for routes and links have no words for: namespaces' numbers and what
//! ethtool(8) asks. Everything here is about the current namespace.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

/// Bytes of `struct nlmsghdr`, and the type of an answer that is an error (linux/netlink.h).
const HEADER: usize = 16;
const ERROR: u16 = 2;
const REQUEST: u16 = 1;

/// Bytes of `struct nlattr`, and the bits of its type that tell the kind (linux/netlink.h).
const ATTRIBUTE: usize = 4;
const KIND: u16 = 0x3fff;

/// Longer than any answer to the questions asked here.
const ROOM: usize = 1 << 16;

/// A socket to ask the kernel by, one question after the other.
pub(super) struct Asker {
    socket: OwnedFd,
    room: Vec<u8>,
}

impl Asker {
    /// Of the current namespace, for questions of this protocol.
    pub(super) fn open(protocol: SockProtocol) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        Ok(Self { socket, room: vec![0; ROOM] })
    }

    /// Sends a message of type `kind` and returns what its one answer holds behind the header.
    pub(super) fn ask(&mut self, kind: u16, body: &[u8]) -> io::Result<&[u8]> {
        let len = (HEADER + body.len()) as u32;
        let mut message = len.to_ne_bytes().to_vec();
        message.extend([kind, REQUEST].map(u16::to_ne_bytes).as_flattened());
        // Nobody else uses the socket, so sequence number and sender tell nothing.
        message.extend([0; 8]);
        message.extend(body);
        send(self.socket.as_raw_fd(), &message, MsgFlags::empty())?;
        let received = recv(self.socket.as_raw_fd(), &mut self.room, MsgFlags::empty())?;
        let answer = self.room.get(..received).unwrap_or_default();
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        if word(answer, 4).ok_or_else(short)? == ERROR {
            let number = answer.get(HEADER..HEADER + 4).ok_or_else(short)?;
            let number = i32::from_ne_bytes([number[0], number[1], number[2], number[3]]);
            return Err(Errno::from_raw(-number).into());
        }
        answer.get(HEADER..).ok_or_else(short)
    }
}

/// Asks one question of the current namespace's kernel ([`Asker::ask`]).
pub(super) fn ask(protocol: SockProtocol, kind: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    Ok(Asker::open(protocol)?.ask(kind, body)?.to_vec())
}

/// An attribute with its padding.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = (ATTRIBUTE + value.len()) as u16;
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [len.to_ne_bytes().as_slice(), &kind.to_ne_bytes(), value, &padding].concat()
}

/// The attributes in `bytes`, each with its kind.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (len, kind) = (usize::from(word(bytes, 0)?), word(bytes, 2)? & KIND);
        let value = bytes.get(ATTRIBUTE..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first attribute of a kind.
pub(super) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// The 16-bit word at an offset.
pub(super) fn word(bytes: &[u8], offset: usize) -> Option<u16> {
    let bytes = bytes.get(offset..offset + 2)?;
    Some(u16::from_ne_bytes([bytes[0], bytes[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let bytes = [attribute(2, b"veth0\0"), attribute(0x8003, &[]), attribute(1, &[7; 4])];
        let bytes = bytes.concat();
        assert_eq!(bytes.len() % 4, 0);
        let read: Vec<_> = attributes(&bytes).collect();
        assert_eq!(read, [(2, b"veth0\0".as_slice()), (3, &[]), (1, &[7; 4])]);
        assert_eq!(find(&bytes, 1), Some([7; 4].as_slice()));
        assert_eq!(find(&bytes, 4), None);
    }

    #[test]
    fn what_is_cut_short_ends_the_list() {
        let whole = attribute(1, &[7; 4]);
        for len in 0..whole.len() {
            assert_eq!(attributes(&whole[..len]).count(), 0, "{len}");
        }
        assert_eq!(attributes(&[0; 8]).count(), 0);
    }
}
