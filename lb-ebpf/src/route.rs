//! The decision about a connection without its effects, for whoever asks.

use aya_ebpf::programs::TcContext;
use lb_common::forward::route;

use crate::{maps::KernelTables, packet::Skb};

/// Writes what would become of the frame over its last bytes; returns whether they are too few: zero or
/// one.
pub(crate) fn ask(ctx: TcContext) -> i32 {
    let tables = KernelTables::for_frame(&ctx);
    route(&mut Skb::<false>::new(ctx), &tables).is_err() as i32
}
