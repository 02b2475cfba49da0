//! Resets as real peers get them.

use std::net::SocketAddr;

use lb_tests::capture::Capture;
use lb_tests::topology::Host;

/// Captures what a host gets and sends, by a pcap-filter(7) expression.
pub(crate) fn capture(host: &Host, filter: &str) -> Capture {
    Capture::start(&host.namespace, &host.plugged().device, filter).unwrap()
}

/// What tcpdump says of a segment, numbers as they are on the wire.
struct Line(String);

impl Line {
    fn all(capture: &Capture) -> Vec<Self> {
        capture.lines(&["-S"]).unwrap().into_iter().map(Self).collect()
    }

    /// A number by its name, the first of a range.
    fn number(&self, name: &str) -> Option<u32> {
        let rest = self.0.split(&format!(", {name} ")).nth(1)?;
        rest.split([',', ':']).next()?.parse().ok()
    }

    fn is_reset(&self) -> bool {
        self.0.contains("Flags [R")
    }

    fn goes(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let dotted = |socket: SocketAddr| format!("{}.{}", socket.ip(), socket.port());
        let version = if from.is_ipv4() { "IP" } else { "IP6" };
        self.0.contains(&format!(" {version} {} > {}:", dotted(from), dotted(to)))
    }
}

/// The capture at `end` must hold one RST, from `peer`, with the sequence number that `end` has
/// acknowledged last.
pub(crate) fn assert_one_exact_reset(capture: &mut Capture, end: SocketAddr, peer: SocketAddr) {
    capture.stop().unwrap();
    let lines = Line::all(capture);
    let told: Vec<&str> = lines.iter().map(|line| line.0.as_str()).collect();
    let resets: Vec<&Line> = lines.iter().filter(|line| line.is_reset()).collect();
    assert_eq!(resets.len(), 1, "{told:#?}");
    assert!(resets[0].goes(peer, end), "{told:#?}");
    let acknowledged = lines.iter().filter(|line| line.goes(end, peer));
    let expected = acknowledged.filter_map(|line| line.number("ack")).next_back();
    assert!(expected.is_some(), "{told:#?}");
    assert_eq!(resets[0].number("seq"), expected, "{told:#?}");
}
