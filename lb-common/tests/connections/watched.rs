//! A frame whose next hop is seen.

use lb_common::addr::Addr;
use lb_common::host::Frame;
use lb_common::packet::{EditError, Packet};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A frame, and the next hop that it was given.
pub(crate) struct Watched {
    pub(crate) frame: Frame,
    pub(crate) hop: Option<Addr>,
}

impl Packet for Watched {
    fn len(&self) -> usize {
        self.frame.len()
    }

    fn is_for_host(&self) -> bool {
        self.frame.is_for_host()
    }

    fn has_vlan_tag(&self) -> bool {
        self.frame.has_vlan_tag()
    }

    fn read<T: FromBytes>(&self, offset: usize) -> Option<T> {
        self.frame.read(offset)
    }

    fn write<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), EditError> {
        self.frame.write(offset, value)
    }

    fn set_next_hop(&mut self, hop: &Addr) -> Result<(), EditError> {
        self.hop = Some(*hop);
        Ok(())
    }

    fn resize(&mut self, len: usize) -> Result<(), EditError> {
        self.frame.resize(len)
    }

    fn leaves_checksum(&mut self, offset: usize) -> bool {
        self.frame.leaves_checksum(offset)
    }

    fn correct_l3(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.frame.correct_l3(offset, delta)
    }

    fn correct_l4_pseudo(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.frame.correct_l4_pseudo(offset, delta)
    }

    fn correct_l4(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.frame.correct_l4(offset, delta)
    }
}
