//! What the datapath sends of its own accord.

use crate::{
    host::Frame,
    packet::{EditError, Outlet},
};

/// Frames that the datapath has sent of its own accord.
#[derive(Debug, Default)]
pub struct Sent {
    draft: Frame,
    /// The frames, in order.
    pub frames: Vec<Vec<u8>>,
}

impl Default for Frame {
    /// A frame to write over: an Ethernet header of IPv4, addressed to this host.
    fn default() -> Self {
        let mut frame = vec![0; 64];
        frame[12] = 0x08;
        Self(frame)
    }
}

impl Outlet for Sent {
    type Packet = Frame;

    fn packet(&mut self) -> &mut Frame {
        &mut self.draft
    }

    fn deliver(&mut self) -> Result<(), EditError> {
        self.frames.push(self.draft.0.clone());
        Ok(())
    }
}
