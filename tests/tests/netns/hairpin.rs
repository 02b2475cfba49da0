//! Members that are clients of their own pool.

use lb_tests::tcp::{connect, pattern};
use lb_tests::topology::{Layout, Place, SSH_POOL, SSH_POOL_V6};

use crate::bench::Bench;
use crate::pool_file::ROUND_ROBIN;

#[test]
fn a_member_is_served_by_the_others_and_by_itself() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        for members_at in [Place::VipSubnet, Place::BehindRouter] {
            let layout = Layout { members_at, ..Layout::ONE_ARM };
            let bench = Bench::of(pool, &layout, ROUND_ROBIN, &[1, 1]);
            let _run = bench.run();
            let client = &bench.net.members[0];
            let mut held: Vec<_> =
                (0..4).map(|_| connect(&client.namespace, bench.vip()).unwrap()).collect();
            for (connection, member) in held.iter_mut().zip(["m1", "m2", "m1", "m2"]) {
                assert_eq!(connection.member, member);
                assert_eq!(connection.local.ip(), client.address());
                assert_eq!(connection.seen.ip(), bench.vip().ip(), "a member sees the VIP");
                connection.exchange(&pattern(300_000)).unwrap();
            }
            assert_eq!(bench.members("active_connections"), [2, 2]);
            drop(held);
            bench.wait_idle();
        }
    }
}
