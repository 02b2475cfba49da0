//! What a connection costs, printed.

use std::collections::BTreeSet;

use lb_common::state::{MAX_MEMBERS, Method};
use lb_tests::datapath::{Action, Age, Datapath as _, Kernel};

use super::{active, pool, send};
use crate::tell;

#[test]
fn what_a_connection_costs() {
    for method in [Method::LeastConn, Method::RoundRobin, Method::SourceIpPort] {
        for members in [2, 64, 1024, MAX_MEMBERS] {
            let mut kernel = Kernel::load(16_384).unwrap();
            kernel.act(&pool(method, &vec![1; members]).install()).unwrap();
            // The first fills the tournament.
            send(&mut kernel, 9_999, "S");
            let before = kernel.spent();
            (0..4_000).for_each(|number| _ = send(&mut kernel, number, "S"));
            let each = (kernel.spent() - before) / 4_000;
            tell(format_args!("{method:?}, {members} members: {} ns a SYN", each.as_nanos()));
        }
    }
}

/// Ejected members have no connections after a while, and would have the next ones. That this is no question of
/// how many there are, `lb-common/tests/schedule/cost.rs` holds.
#[test]
fn what_a_connection_costs_where_members_are_ejected() {
    for members in [2, 64, 1024, MAX_MEMBERS as u32] {
        for out in BTreeSet::from([1, members / 2]) {
            let mut kernel = Kernel::load(16_384).unwrap();
            let world = pool(Method::LeastConn, &vec![1; members as usize]);
            kernel.act(&world.install()).unwrap();
            for member in 0..out {
                kernel.act(&Action::Eject(member, Age::Future)).unwrap();
            }
            (9_000..9_000 + members - out).for_each(|number| _ = send(&mut kernel, number, "S"));
            assert!(active(&kernel, out as usize).iter().all(|active| *active == 0));
            let before = kernel.spent();
            (0..1_000).for_each(|number| _ = send(&mut kernel, number, "S"));
            let each = (kernel.spent() - before) / 1_000;
            tell(format_args!(
                "LeastConn, {members} members, {out} ejected: {} ns a SYN",
                each.as_nanos()
            ));
        }
    }
}
