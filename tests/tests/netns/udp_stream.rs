//! A stream of datagrams, beside the TCP connection that controls it: two pools on one VIP.

use lb_tests::Process;
use lb_tests::counters::Counters;
use serde_json::Value;

use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;

/// The port of iperf3.
const PORT: u16 = 5201;

/// How an iperf3 client ran through the VIP, with these options.
fn stream(bench: &Bench, options: &str) -> Value {
    let vip = bench.vip().ip().to_string();
    let client = &bench.net.client().namespace;
    let command = client.command("iperf3").args(["-J", "-u", "-c", &vip]);
    let text = command.args(options.split(' ')).stdout().unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn nothing_of_a_stream_is_lost_in_either_direction() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let udp = bench.pool.clone().udp(PORT);
    let mut tcp = udp.clone().at("control", PORT);
    tcp.protocol = "TCP";
    let file = bench.write("both.yaml", &[udp, tcp]);
    let _run = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    let member = &bench.net.members[0].namespace;
    let mut server = Process::spawn(member.command("iperf3").args(["-s", "--forceflush"])).unwrap();
    let listens = |process: &Process| process.stdout().contains("listening").then_some(());
    server.wait_ready(listens, SOON, "iperf3 listening").unwrap();

    for (options, sent) in [("-b 20M -n 8M", "packets_in"), ("-b 20M -n 8M -R", "packets_out")] {
        let before = bench.members(sent)[0];
        let report = stream(&bench, options);
        let sum = &report["end"]["sum"];
        let packets = sum["packets"].as_u64().unwrap();
        assert!(packets > 5_000, "{report}");
        assert_eq!(sum["lost_packets"], 0, "{options}: {sum}");
        let passed = bench.members(sent)[0] - before;
        assert!(passed >= packets, "{passed} of {packets} through the VIP");
    }
    for host in [&bench.net.members[0], bench.net.client()] {
        let counters = Counters::read(&host.namespace).unwrap();
        assert_eq!(counters.get("UdpInCsumErrors"), 0, "{}", host.name());
    }
}
