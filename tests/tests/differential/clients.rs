//! What a listener asks of its clients, at random.

use lb_common::addr::Addr;
use lb_common::state::{Overflow, Persistence};
use lb_tests::datapath::World;

use crate::generate::FOREVER;
use crate::random::Random;

/// Whom the listener serves, how many of them, and what keeps them on a member.
pub(crate) fn clients(random: &mut Random, world: &mut World) {
    world.limit = random.among(&[None, None, None, Some(0), Some(3), Some(10)]);
    world.overflow = random.among(&[Overflow::Drop, Overflow::Reset]);
    if random.once_in(3) {
        let bits = random.among(&[0, 24, 29, 30, 31, 32]);
        let last = random.below(20) as u32 & u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        let network = if bits == 0 { [0; 4] } else { [10, 0, 0, last as u8] };
        let mut networks = vec![([192, 0, 2, 0], 24), (network, bits)];
        networks.truncate(random.among(&[0, 1, 2, 2, 2]));
        world.allowed = Some(networks);
    }
    if !random.once_in(3) {
        world.persistence = Persistence {
            // Only what has a given age is older or younger than a minute by every clock.
            timeout: random.among(&[0, 60_000_000_000, FOREVER]),
            mask: Addr::mask(Addr::V4_BITS + random.among(&[32, 32, 30, 24, 0])),
            enabled: 1,
        };
    }
    world.incarnation = random.among(&[1, 1, 1, 2]);
}
