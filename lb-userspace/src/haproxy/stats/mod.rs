//! `show stat`: what the counters of pools say, in HAProxy's words and columns (HAProxy manual, 9.1).
//!
//! Pure but for [`gather`]. What qlb does not know is empty.

mod column;
mod gather;
mod info;
mod peak;
mod row;
mod select;
mod snapshot;

use row::Kind;

pub use gather::{Watch, gather};
pub use info::{Info, info};
pub use peak::Peaks;
pub use select::Selection;
pub use snapshot::{Load, Member, Payload, Snapshot, Tally};

/// The number of the first proxy: HAProxy's own, the stats socket, has the one before.
const FIRST_PROXY: usize = 2;

/// The answer to `show stat` about pools that share a socket; none if the selection names no proxy.
pub fn show(pools: &[Snapshot], selection: &Selection) -> Option<String> {
    let backends = FIRST_PROXY + pools.len();
    let numbered = || pools.iter().enumerate();
    let frontends = numbered().map(|(index, pool)| (pool.frontend.as_str(), FIRST_PROXY + index));
    let names = numbered().map(|(index, pool)| (pool.backend.as_str(), backends + index));
    let wanted = selection.resolve(frontends.chain(names))?;
    let mut text = column::header();
    for (index, pool) in numbered().filter(|(_, pool)| pool.vip_enabled) {
        let iid = FIRST_PROXY + index;
        if wanted.takes(iid, Kind::Frontend, 0) {
            text.push_str(&row::frontend(pool, iid).line());
        }
    }
    for (index, pool) in numbered().filter(|(_, pool)| pool.pool_enabled) {
        let iid = backends + index;
        let present = pool.members.iter().filter(|member| !member.removed);
        for (sid, member) in present.enumerate().map(|(index, member)| (index + 1, member)) {
            if wanted.takes(iid, Kind::Server, sid) {
                text.push_str(&row::server(pool, member, iid, sid).line());
            }
        }
        if wanted.takes(iid, Kind::Backend, 0) {
            text.push_str(&row::backend(pool, iid).line());
        }
    }
    text.push('\n');
    Some(text)
}

#[cfg(test)]
mod tests;
