//! Frames before anybody has compared their MAC address.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{
    addr::Addr,
    host::Frame,
    packet::{EditError, Packet},
};

/// A frame that nobody has looked at: whether it is for this host is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(pub Frame);

impl Packet for Raw {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_for_host(&self) -> bool {
        true
    }

    fn has_vlan_tag(&self) -> bool {
        false
    }

    fn read<T: FromBytes>(&self, offset: usize) -> Option<T> {
        self.0.read(offset)
    }

    fn write<T: IntoBytes + Immutable>(&mut self, at: usize, value: &T) -> Result<(), EditError> {
        self.0.write(at, value)
    }

    fn set_next_hop(&mut self, _hop: &Addr) -> Result<(), EditError> {
        Err(EditError)
    }

    fn resize(&mut self, _len: usize) -> Result<(), EditError> {
        Err(EditError)
    }

    fn leaves_checksum(&mut self, _offset: usize) -> bool {
        false
    }

    fn correct_l3(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.0.correct_l3(offset, delta)
    }

    fn correct_l4_pseudo(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.0.correct_l4_pseudo(offset, delta)
    }

    fn correct_l4(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.0.correct_l4(offset, delta)
    }
}
