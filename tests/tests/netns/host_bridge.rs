//! What stands between the outer end of a VIP's device and everybody else goes on having its say about packets that go by: the
//! bridge's filter, as for security groups, and its VLANs.

use std::io::{self, Write as _};
use std::time::Duration;

use lb_tests::Namespace;
use lb_tests::tcp::{Connection, pattern};

use crate::bench::end;
use crate::host::{HOST, benches, exchange, ways};
use crate::traces::assert_none;
use crate::xdp::peer;

/// What would come comes in a thousandth of this.
const SILENCE: Duration = Duration::from_millis(300);

fn run(namespace: &Namespace, program: &str, line: &str) -> String {
    namespace.command(program).args(line.split(' ')).stdout().unwrap()
}

/// Fails unless the connection is cut now, and goes on where it was once `mend` was called.
fn is_cut(connection: &mut Connection, mend: impl FnOnce()) {
    let word = pattern(1_000);
    connection.send(&word).unwrap();
    let stream = connection.stream();
    let patience = stream.read_timeout().unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let answer = stream.peek(&mut [0]);
    assert!(answer.is_err(), "{answer:?}");
    stream.set_read_timeout(patience).unwrap();
    mend();
    connection.expect(&word).unwrap();
}

/// Security groups are such rules: of packets to the port of the VIP, and of packets from it.
#[test]
fn the_filter_of_the_bridge_sees_all_that_goes_by() {
    for bench in benches(&[1]) {
        let mut controller = bench.run_with(&HOST).unwrap();
        let (bridge, port) = peer(&bench.net);
        let nft = |line: &str| bridge.command("nft").arg(line).stdout().unwrap();
        nft("add table bridge guard");
        nft("add chain bridge guard seen { type filter hook forward priority 0; }");
        for side in ["iifname", "oifname"] {
            nft(&format!("add rule bridge guard seen {side} {port} meta l4proto tcp counter"));
        }
        let mut held = bench.connect();
        held.exchange(&pattern(10_000)).unwrap();
        let counted = || {
            let list = bridge.command("nft").args(["-j", "list", "table", "bridge", "guard"]);
            let all: serde_json::Value = serde_json::from_str(&list.stdout().unwrap()).unwrap();
            let rules = all["nftables"].as_array().unwrap().iter();
            let exprs = rules.filter_map(|one| one["rule"]["expr"].as_array());
            let counters = exprs.flatten().filter_map(|expr| expr["counter"]["packets"].as_u64());
            counters.collect::<Vec<u64>>()
        };
        let before = (counted(), ways(&bench).1);
        exchange(&bench, &mut held, true);
        let went = ways(&bench).1 - before.1;
        let now = counted();
        let grown: Vec<u64> = now.iter().zip(&before.0).map(|(now, old)| now - old).collect();
        // Each of them comes to the port, and goes on from it.
        assert_eq!(grown.len(), 2);
        assert!(grown.iter().all(|grown| *grown >= went), "{grown:?}, {went} went by");

        for rule in [
            format!("oifname {port} meta l4proto tcp drop"),
            format!("iifname {port} meta l4proto tcp drop"),
        ] {
            nft(&format!("insert rule bridge guard seen {rule}"));
            is_cut(&mut held, || drop(nft("flush chain bridge guard seen")));
        }
        exchange(&bench, &mut held, true);
        nft("delete table bridge guard");
        drop(held);
        end(&mut controller);
        assert_none(&bench.net);
    }
}

/// Whether this kernel's bridges can tell VLANs apart (CONFIG_BRIDGE_VLAN_FILTERING); says so if not.
fn filters_vlans(bridge: &Namespace, name: &str) -> bool {
    let on = ["link", "set", name, "type", "bridge", "vlan_filtering", "1"];
    match bridge.command("ip").args(on).stdout() {
        Err(error) if error.to_string().contains("not supported") => {
            // In one piece, and also when the test passes.
            let _ = io::stderr().write_all(b"not tried: this kernel's bridges filter no VLANs\n");
            false
        }
        made => made.map(|_| true).unwrap(),
    }
}

#[test]
fn the_vlans_of_the_bridge_stay_apart() {
    for bench in benches(&[1]) {
        let (bridge, vip) = peer(&bench.net);
        if !filters_vlans(bridge, bench.net.node.bridge().name()) {
            return;
        }
        let client = bench.net.client().ports[0].host_name();
        let member = bench.net.members[0].ports[0].host_name();
        let put = |port: &str, from: u16, to: u16| {
            run(bridge, "bridge", &format!("vlan del dev {port} vid {from}"));
            run(bridge, "bridge", &format!("vlan add dev {port} vid {to} pvid untagged"));
        };
        for port in [vip, client, member] {
            put(port, 1, 100);
        }
        let mut controller = bench.run_with(&HOST).unwrap();
        let mut held = bench.connect();
        exchange(&bench, &mut held, true);
        put(client, 100, 200);
        is_cut(&mut held, || put(client, 200, 100));
        put(member, 100, 200);
        is_cut(&mut held, || put(member, 200, 100));
        exchange(&bench, &mut held, true);
        drop(held);
        end(&mut controller);
        assert_none(&bench.net);
    }
}
