//! The order of members, measured side by side with HAProxy: same weights, same topology.

use std::net::{Ipv4Addr, SocketAddr};

use lb_tests::Namespace;
use lb_tests::tcp::{connect, connect_from, connect_many};
use lb_tests::topology::Layout;

use crate::bench::{Bench, order};
use crate::haproxy::Haproxy;
use crate::pool_file::{LEAST_CONNECTIONS, PoolFile, ROUND_ROBIN, SOURCE_IP};

const WEIGHTS: [&[u32]; 5] = [&[3, 1], &[5, 3], &[4, 3, 2, 1], &[7, 3, 2], &[1, 1, 1]];

/// At least two rounds of every set.
const CONNECTIONS: usize = 25;

/// Fails with all orders that differ.
fn compare(method: &'static str, measure: impl Fn(&Namespace, SocketAddr) -> String) {
    let layout = Layout { members: 4, ..Layout::ONE_ARM };
    let mut bench = Bench::with_layout(&layout, method, &[1]);
    let pool = |weights| PoolFile::of(&bench.net, method, weights);
    let theirs: Vec<PoolFile> = (3001..)
        .zip(WEIGHTS)
        .map(|(port, weights)| pool(weights).at(&format!("pool-{port}"), port))
        .collect();
    let _haproxy = Haproxy::start(&bench.net.vip.namespace, &theirs);
    let mut wrong = String::new();
    for (weights, theirs) in WEIGHTS.iter().zip(&theirs) {
        bench.pool = PoolFile::of(&bench.net, method, weights);
        let _run = bench.run();
        let client = &bench.net.client().namespace;
        let (got, expected) = (measure(client, bench.vip()), measure(client, theirs.vip));
        if got != expected {
            wrong.push_str(&format!("{weights:?}\n  qlb:     {got}\n  haproxy: {expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "{method}, order differs from HAProxy's:\n{wrong}");
}

#[test]
fn round_robin_has_the_order_of_haproxy() {
    compare(ROUND_ROBIN, |client, vip| {
        let served: Vec<String> =
            (0..CONNECTIONS).map(|_| connect(client, vip).unwrap().member).collect();
        served.join(" ")
    });
}

#[test]
fn least_connections_has_the_order_of_haproxy() {
    compare(LEAST_CONNECTIONS, |client, vip| {
        order(&connect_many(client, vip, CONNECTIONS).unwrap())
    });
}

#[test]
fn a_client_has_the_member_that_haproxy_gave_it() {
    compare(SOURCE_IP, |client, vip| {
        let served = (200..=224).map(|host| {
            let address = Ipv4Addr::new(10, 0, 0, host);
            let add = format!("address replace {address}/24 dev {}", device(client));
            client.command("ip").args(add.split(' ')).stdout().unwrap();
            let connection = connect_from(client, Some(SocketAddr::new(address.into(), 0)), vip);
            connection.unwrap_or_else(|error| panic!("{address} to {vip}: {error}")).member
        });
        served.collect::<Vec<String>>().join(" ")
    });
}

/// The device of a host that has one.
fn device(host: &Namespace) -> String {
    let route = host.command("ip").args(["-o", "route", "get", "10.0.0.250"]).stdout().unwrap();
    route.split(" dev ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}
