//! The programs that let packets go by without coming to the VIP's device, where that is a veth.

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC},
    macros::classifier,
    programs::TcContext,
};
use aya_log_ebpf::warn;
use lb_common::{
    counter::Outer,
    forward::{Near, learn, outer, outer_connect},
    state::Continuation,
    tables::Tables as _,
    verdict::{DropReason, Verdict},
};

use crate::{
    maps::{self, KernelTables},
    packet::Skb,
};

/// Balances frames of connections on their way to the VIP's device (TC egress of its outer end); all others go on there.
#[classifier]
pub fn qlb_outer(ctx: TcContext) -> i32 {
    let tables = KernelTables::for_frame(&ctx);
    let mut skb = Skb::<true, true>::new(ctx);
    let outcome = outer(&mut skb, &tables);
    if outcome == Ok(Near::Open) {
        maps::continue_with(skb.context(), Continuation::OuterConnect);
    }
    conclude(&skb, &tables, outcome)
}

/// Goes on where [`qlb_outer`] leaves off (a tail call): SYNs.
#[classifier]
pub fn qlb_outer_connect(ctx: TcContext) -> i32 {
    let tables = KernelTables::for_frame(&ctx);
    let mut skb = Skb::<false, true>::new(ctx);
    let outcome = outer_connect(&mut skb, &tables);
    conclude(&skb, &tables, outcome)
}

/// From what was decided to what the kernel wants to hear.
#[inline(always)]
fn conclude<const PEEKS: bool>(
    skb: &Skb<PEEKS, true>,
    tables: &KernelTables,
    outcome: Result<Near, DropReason>,
) -> i32 {
    match outcome {
        Ok(Near::Decided(verdict)) => {
            tables.count(Ok(verdict).into());
            tables.count(Outer::Forwarded.into());
            match verdict {
                Verdict::Forward(_) => skb.turn_round(),
                Verdict::Pass(_) | Verdict::Refuse(_) => TC_ACT_UNSPEC,
            }
        }
        Ok(Near::PassOn(why)) => {
            tables.count(why.into());
            TC_ACT_UNSPEC
        }
        // There is no such program: the loader did not finish.
        Ok(Near::Open) => {
            tables.count(Outer::Opening.into());
            TC_ACT_UNSPEC
        }
        Err(reason) => {
            tables.count(Err(reason).into());
            warn!(skb.context(), "dropped a packet: reason {}", reason.number());
            TC_ACT_SHOT
        }
    }
}

/// Learns next hops from frames that leave by the VIP's device (TC egress).
#[classifier]
pub fn qlb_learn(ctx: TcContext) -> i32 {
    let tables = KernelTables::for_frame(&ctx);
    learn(&Skb::<true, true>::new(ctx), &tables);
    TC_ACT_UNSPEC
}
