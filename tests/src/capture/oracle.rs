//! The checksum oracle: what tcpdump says of each packet in a file.

use std::path::Path;

use super::print;
use crate::Error;

/// Fails if a packet in the capture has a wrong IPv4, TCP, UDP or ICMP checksum, as tcpdump
/// computes them, and if the capture holds no packet with a checksum at all.
///
/// Capture at the receiver with offloads off ([`crate::topology::PoolNet::set_offloads`]): a veth
/// hands over a sender's unfinished checksums as they are, and GRO makes new unfinished ones.
/// Returns the number of TCP, UDP and ICMP checksums that were right.
///
/// # Errors
/// [`Error::BadChecksums`] with the packets, [`Error::Unexpected`] for an empty capture.
pub fn assert_no_bad_checksums(pcap: &Path) -> Result<usize, Error> {
    let text = print(pcap, &["-vv"])?;
    let bad: Vec<&str> = text.lines().filter(|line| is_bad(line)).collect();
    if !bad.is_empty() {
        return Err(Error::BadChecksums {
            file: pcap.display().to_string(),
            lines: bad.join("\n"),
        });
    }
    // A packet takes two lines: the IPv4 header, then the transport.
    let good = text.lines().filter(|line| {
        line.contains("(correct)") || line.contains("[udp sum ok]") || line.contains(": ICMP ")
    });
    match good.count() {
        0 => Err(Error::Unexpected {
            what: format!("packets with checksums in {}", pcap.display()),
            found: text,
        }),
        count => Ok(count),
    }
}

/// tcpdump's wording for TCP, then UDP, then ICMP and IPv4 ("bad cksum", "wrong icmp cksum").
fn is_bad(line: &str) -> bool {
    ["(incorrect", "bad udp cksum", "bad cksum", "wrong icmp cksum"]
        .iter()
        .any(|marker| line.contains(marker))
}
