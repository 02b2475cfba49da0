//! What the compiled datapath and the source are both set up with.

use lb_common::state::{Drain, DrainCause};
use lb_userspace::datapath::Options;

use super::Age;

/// Places for half-open connections beside this many conntrack entries, of which a connection takes
/// two. Where there is little room, an even number of entries has so few places that they run out first,
/// an odd one so many that the table does.
pub(super) const fn options(max_flows: u32) -> Options {
    let half_open = match max_flows / 2 {
        _ if max_flows % 2 == 1 => max_flows.next_power_of_two(),
        0 | 1 => 1,
        few @ ..1024 => 1 << few.ilog2(),
        many => many.next_power_of_two(),
    };
    Options { max_flows, half_open, ..Options::for_connections(0) }
}

/// A drain that ends at this age, where the clock shows `now`.
pub(super) const fn drain_word(drain: Option<(Age, DrainCause)>, now: u64) -> Drain {
    match drain {
        Some((end, cause)) => Drain::new(end.stamp(now), cause),
        None => Drain::new(0, DrainCause::Timeout),
    }
}
