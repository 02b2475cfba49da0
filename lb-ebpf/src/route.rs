//! The decision about a connection without its effects, for whoever asks.

use aya_ebpf::programs::TcContext;
use lb_common::{forward::route, packet::Packet as _, route::Answer};

use crate::{maps::KernelTables, packet::Skb};

/// Writes what would become of the frame over its last bytes; returns whether they are too few: zero or
/// one.
pub(crate) fn ask(ctx: TcContext) -> i32 {
    let mut skb = Skb::new(ctx);
    let answer = route(&skb, &KernelTables);
    let at = skb.len().saturating_sub(size_of::<Answer>());
    skb.write(at, &answer).is_err() as i32
}
