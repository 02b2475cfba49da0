//! The reaper: `lb-common`'s expiry, applied to every conntrack entry.

use aya_ebpf::programs::TcContext;
use lb_common::{
    expire::expire,
    packet::{EditError, Outlet},
    state::{Flow, FlowKey, Walk as Extent},
    tables::Tables as _,
};

use crate::{
    maps::{KernelTables, Visit, control, for_each_flow, is_zoned, note_due},
    packet::Skb,
};

/// Frames that one walk sends at most: they wait in the CPU's backlog until it is over, which has
/// room for a thousand (`net.core.netdev_max_backlog`).
const BUDGET: u32 = 512;

/// What a walk carries along.
struct Walk {
    skb: Skb,
    sent: u32,
    put_off: u32,
    /// The one zone that it is for, or every one.
    zone: Option<u16>,
}

/// Ends and removes what has expired; returns how many connections were left for another
/// walk, and marks the frame with the number of entries.
pub(crate) fn sweep(ctx: &TcContext) -> u32 {
    let [zone, extent] = control(ctx);
    let zone = (!is_zoned() || extent == Extent::Zone as u32).then_some(zone as u16);
    let mut walk =
        Walk { skb: Skb::<false>::new(TcContext::new(ctx.skb.skb)), sent: 0, put_off: 0, zone };
    let entries = for_each_flow(&mut walk);
    walk.skb.set_mark(entries);
    walk.put_off
}

impl Outlet for Walk {
    type Packet = Skb;

    #[inline(always)]
    fn packet(&mut self) -> &mut Skb {
        &mut self.skb
    }

    #[inline(always)]
    fn deliver(&mut self) -> Result<(), EditError> {
        if self.sent >= BUDGET || self.zone.is_none() {
            return Err(EditError);
        }
        self.sent += 1;
        self.skb.receive_copy()
    }
}

impl Visit for Walk {
    #[inline(always)]
    fn visit(&mut self, key: &FlowKey, flow: &Flow) {
        if self.zone.is_some_and(|zone| zone != key.zone) {
            return;
        }
        let tables = KernelTables::of(key.zone);
        if expire(&tables, self, key, flow, tables.now()).is_err() {
            self.put_off += 1;
            if self.zone.is_none() {
                note_due(key.zone);
            }
        }
    }
}
