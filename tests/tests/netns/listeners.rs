//! Several pools at one VIP, each on a port of its own, as LBaaS v2 has listeners.

use std::collections::HashSet;
use std::net::SocketAddr;

use lb_tests::tcp::{Connection, connect, connect_many, pattern};
use lb_tests::{Process, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bench::{Bench, SOON, end, numbers};
use crate::pool_file::{LEAST_CONNECTIONS, PoolFile, ROUND_ROBIN};
use crate::traces::assert_none;

/// A second listener of the VIP before the same members.
const OTHER: &str = "other";
const PORT: u16 = 2222;

fn other(bench: &Bench) -> PoolFile {
    PoolFile { method: LEAST_CONNECTIONS, ..bench.pool.clone().at(OTHER, PORT) }
}

fn ends(bench: &Bench) -> [SocketAddr; 2] {
    [bench.vip(), SocketAddr::new(bench.vip().ip(), PORT)]
}

/// Connections to a listener of the VIP that are held.
fn hold(bench: &Bench, to: SocketAddr, count: usize) -> Vec<Connection> {
    connect_many(&bench.net.client().namespace, to, count).unwrap()
}

fn status(bench: &Bench, pool: &str) -> Value {
    let status = bench.qlb.json(["status", pool, "-o", "json"]).unwrap()["pools"][0].take();
    assert!(status["drift"] == 0 || status["drift"].is_null(), "{status}");
    status
}

/// Waits until so many connections of the pool are active.
fn wait_active(bench: &Bench, pool: &str, wanted: u64) {
    let active = || match status(bench, pool)["connections"]["active"].as_u64() {
        Some(active) if active == wanted => Ok(()),
        active => Err(format!("{active:?}")),
    };
    wait_for(active, SOON, "the connections that were held").unwrap();
}

fn exchange(held: &mut [Connection]) {
    for (index, connection) in held.iter_mut().enumerate() {
        connection.exchange(&pattern(1_000 + index)).unwrap();
    }
}

fn serve(bench: &Bench, name: &str, pools: &[PoolFile]) -> Process {
    let file = bench.write(name, pools);
    bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap()
}

/// What both pools count is their own, and no port is given out twice towards a member.
#[test]
fn pools_at_one_vip_have_their_own_connections_and_share_its_ports() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = serve(&bench, "both.yaml", &[bench.pool.clone(), other(&bench)]);
    let [first, second] = ends(&bench);
    let mut held = hold(&bench, first, 30);
    held.extend(hold(&bench, second, 10));
    exchange(&mut held);
    let seen: HashSet<(SocketAddr, String)> =
        held.iter().map(|held| (held.seen, held.member.clone())).collect();
    assert_eq!(seen.len(), 40);
    assert!(seen.iter().all(|(seen, _)| seen.ip() == first.ip()), "{seen:?}");
    for (id, each) in [(bench.pool.id.as_str(), 15), (OTHER, 5)] {
        let status = status(&bench, id);
        assert_eq!(numbers(&status, "active_connections"), [each, each], "{id}");
        assert_eq!(status["connections"]["total"], 2 * each);
        assert_eq!(status["conntrack"]["entries"], 4 * each);
        let conns = bench.qlb.json(["conns", id, "-o", "json"]).unwrap();
        let conns = conns["connections"].as_array().unwrap().clone();
        assert_eq!(conns.len() as u64, 2 * each);
        assert!(conns.iter().all(|conn| conn["pool"] == id), "{conns:?}");
    }
    let src = format!("{}:41000", bench.net.client().address());
    let route =
        |to: SocketAddr| bench.qlb.command(["route", "--src", &src, "--dst", &to.to_string()]);
    assert!(route(second).unwrap().contains(OTHER));
    assert!(route(first).unwrap().contains(&bench.pool.id));
    drop(held);
    end(&mut run);
    assert_none(&bench.net);
}

/// A pool that ends takes its own connections along, and nothing of the other's.
#[test]
fn one_of_them_comes_and_goes_beside_the_other() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let [first, second] = ends(&bench);
    let mut run = bench.run();
    let mut held = hold(&bench, first, 6);
    let total = || status(&bench, &bench.pool.id)["connections"]["total"].as_u64();
    for times in 1..=2 {
        let mut late = serve(&bench, "late.yaml", &[other(&bench)]);
        let mut others = hold(&bench, second, 4);
        exchange(&mut others);
        exchange(&mut held);
        wait_active(&bench, OTHER, 4);
        wait_active(&bench, &bench.pool.id, 6);
        assert_eq!(status(&bench, OTHER)["connections"]["total"], 4);
        end(&mut late);
        for connection in &mut others {
            assert!(connection.exchange(b"gone").is_err(), "its pool has ended");
        }
        assert!(connect(&bench.net.client().namespace, second).is_err());
        exchange(&mut held);
        assert_eq!(total(), Some(6), "{times}");
    }
    assert_eq!(bench.sequence(2), "m1 m2");
    exchange(&mut held);
    drop(held);
    end(&mut run);
    assert_none(&bench.net);
}

/// The first to come need not be the last to go, and who was killed is taken over.
#[test]
fn each_has_a_controller_of_its_own_that_may_die() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let [first, second] = ends(&bench);
    let mut one = bench.run();
    let mut two = serve(&bench, "two.yaml", &[other(&bench)]);
    let mut held = hold(&bench, first, 4);
    held.extend(hold(&bench, second, 4));
    one.stop(Signal::SIGKILL, SOON).unwrap();
    exchange(&mut held);
    let mut one = bench.run();
    exchange(&mut held);
    for id in [bench.pool.id.as_str(), OTHER] {
        wait_active(&bench, id, 4);
    }
    let mine: Vec<Connection> = held.drain(..4).collect();
    drop(mine);
    wait_active(&bench, &bench.pool.id, 0);
    end(&mut one);
    exchange(&mut held);
    assert_eq!(hold(&bench, second, 2).len(), 2);
    drop(held);
    end(&mut two);
    assert_none(&bench.net);
}
