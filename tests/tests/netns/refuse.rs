//! Nobody to serve, nobody listening, nobody there.

use std::io::ErrorKind;
use std::net::SocketAddr;

use lb_tests::counters::Counters;
use lb_tests::tcp::connect;
use lb_tests::{Error, Namespace, wait_until};

use crate::bench::{Bench, SOON};
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN};

/// Who connects to the VIP is [`refused`].
pub(crate) fn assert_refused(bench: &Bench) {
    refused(&bench.net.client().namespace, bench.vip());
}

/// The client's first SYN is answered: it hears `ECONNREFUSED`, and has sent none again.
pub(crate) fn refused(client: &Namespace, to: SocketAddr) {
    let resent = || Counters::read(client).unwrap().get("TcpExtTCPSynRetrans");
    let before = resent();
    match connect(client, to) {
        Err(Error::Io { source, .. }) => assert_eq!(source.kind(), ErrorKind::ConnectionRefused),
        other => panic!("{other:?}"),
    }
    assert_eq!(resent(), before, "SYNs sent again");
}

#[test]
fn a_pool_whose_members_take_nobody_refuses() {
    for method in [ROUND_ROBIN, LEAST_CONNECTIONS] {
        let mut bench = Bench::new(method, &[0, 1]);
        bench.pool.members[1].admin_state_up = false;
        let _run = bench.run();
        let before = bench.counter("refuse_no_member");
        assert_refused(&bench);
        assert_refused(&bench);
        assert_eq!(bench.counter("refuse_no_member"), before + 2, "{method}");
        assert_eq!(bench.status()["connections"]["total"], 0);
        assert_eq!(bench.status()["conntrack"]["entries"], 0);
        // The first member that may serve does so at once.
        bench.member("set", &["m1", "--weight", "1"]);
        assert_eq!(bench.sequence(2), "m1 m1");
    }
}

#[test]
fn a_pool_without_members_refuses() {
    let mut bench = Bench::new(ROUND_ROBIN, &[]);
    bench.pool.members = Vec::new();
    let file = "pools:\n- id: none\n  namespace: NS\n  protocol: TCP\n  lb_method: ROUND_ROBIN\n  \
                vip: {id: v, address: 10.0.0.250, port: 22}\n  members: []\n";
    let file = bench.write_text("none.yaml", &file.replace("NS", &bench.pool.namespace));
    bench.pool.id = "none".to_owned();
    let _run = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    assert_refused(&bench);
    assert_eq!(bench.counter("refuse_no_member"), 1);
}

#[test]
fn a_member_that_refuses_is_heard() {
    let mut bench = Bench::new(LEAST_CONNECTIONS, &[1]);
    bench.servers.clear();
    let _run = bench.run();
    assert_refused(&bench);
    assert_eq!(bench.counter("refuse_no_member"), 0);
    bench.wait_idle();
    assert_eq!(bench.members("total_connections"), [1]);
}

#[test]
fn a_full_table_refuses_until_connections_end() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.pool = bench.pool.timeouts(&[("time_wait", 1_000)]);
    let _run = bench.run_with(&["--max-connections", "10"]).unwrap();
    let held = bench.hold(10);
    assert_refused(&bench);
    assert_eq!(bench.counter("refuse_table_full"), 1);
    assert_eq!(bench.members("active_connections"), [5, 5]);
    drop(held);
    wait_until(|| bench.status()["conntrack"]["entries"] == 0, SOON, "table empties").unwrap();
    assert_eq!(bench.hold(10).len(), 10);
}
