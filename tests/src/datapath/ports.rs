//! NAT ports of a datapath, one by one.

use std::collections::BTreeMap;

use lb_common::addr::Tuple;
use lb_common::atomic::Word64;
use lb_common::be::Be16;
use lb_common::state::{PortBlock, PortKey, Rest};

use super::snapshot::{Way, direction};

/// What becomes of a NAT port that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// It is in use.
    Busy,
    /// Its connection is closed.
    Resting(Rest),
    /// Things that exclude each other.
    Confused,
}

/// The taken ports of blocks.
pub(super) fn ports<'a>(
    blocks: impl IntoIterator<Item = (PortKey, &'a PortBlock)>,
) -> BTreeMap<Way, Port> {
    let mut ports = BTreeMap::new();
    for (key, block) in blocks {
        for offset in 0..PortBlock::PORTS {
            let is_set =
                |words: &[Word64]| words[offset as usize / 64].get() >> (offset % 64) & 1 == 1;
            let bits = [&block.taken, &block.quiet, &block.waiting].map(|words| is_set(words));
            let port = match bits {
                [false, false, false] => continue,
                [true, false, false] => Port::Busy,
                [true, true, false] => Port::Resting(Rest::Quiet),
                [true, false, true] => Port::Resting(Rest::Waiting),
                _ => Port::Confused,
            };
            let number = u32::from(key.block) * PortBlock::PORTS + offset;
            let tuple = Tuple {
                src: key.member,
                dst: key.source,
                sport: key.port,
                dport: Be16::new(number as u16),
            };
            ports.insert((direction(&tuple), key.protocol), port);
        }
    }
    ports
}
