//! Members and clients behind routers, and neighbours nobody knows yet. With IPv6 the router is known by
//! its link-local address.

use lb_tests::counters::Counters;
use lb_tests::tcp::pattern;
use lb_tests::topology::{Host, Layout, Place, SSH_POOL, SSH_POOL_V6};
use lb_tests::wait_until;

use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;

fn hosts(bench: &Bench) -> impl Iterator<Item = &Host> {
    let net = &bench.net;
    [&net.vip].into_iter().chain(&net.members).chain(&net.clients).chain(&net.router)
}

/// Connects to each member with all neighbour caches empty.
fn first_contact(layout: &Layout) {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        first_contact_in(&Bench::of(pool, layout, ROUND_ROBIN, &[1, 1]));
    }
}

fn first_contact_in(bench: &Bench) {
    let _run = bench.run();
    let client = bench.net.client();
    let resent = || Counters::read(&client.namespace).unwrap().get("TcpRetransSegs");
    for expected in ["m1", "m2"] {
        let forgotten = || {
            let neighbours = |host: &Host, what: &[&str]| {
                host.namespace.command("ip").arg("neigh").args(what).stdout().unwrap()
            };
            hosts(bench).for_each(|host| _ = neighbours(host, &["flush", "all"]));
            hosts(bench).all(|host| !neighbours(host, &["show"]).contains("lladdr"))
        };
        // What is still on its way brings a neighbour back.
        wait_until(forgotten, SOON, "nobody knows anybody").unwrap();
        let before = resent();
        let mut connection = bench.connect();
        assert_eq!(connection.member, expected);
        assert_eq!(resent(), before, "segments sent again");
        assert_eq!(connection.seen.ip(), bench.vip().ip());
        connection.exchange(&pattern(1_000_000)).unwrap();
    }
}

#[test]
fn first_contact_in_one_arm() {
    first_contact(&Layout::ONE_ARM);
}

#[test]
fn first_contact_with_everybody_behind_the_router() {
    first_contact(&Layout::ROUTED);
}

#[test]
fn first_contact_with_only_members_or_only_clients_behind_the_router() {
    for (members_at, clients_at) in
        [(Place::BehindRouter, Place::VipSubnet), (Place::VipSubnet, Place::BehindRouter)]
    {
        let layout = Layout { members_at, clients_at, ..Layout::ONE_ARM };
        first_contact(&layout);
    }
}
