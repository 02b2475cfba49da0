//! The checksum oracle on captures made by hand, one wrong bit at a time.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::fs;

use etherparse::PacketBuilder;
use lb_tests::Error;
use lb_tests::capture::assert_no_bad_checksums;

const FROM: [u8; 4] = [10, 0, 0, 1];
const TO: [u8; 4] = [10, 0, 0, 2];
const IP_CHECKSUM: usize = 10;

/// Packets of each kind with the offset of the transport's checksum.
fn packets() -> [(&'static str, Vec<u8>, usize); 3] {
    let start = || PacketBuilder::ipv4(FROM, TO, 64);
    let mut built = [Vec::new(), Vec::new(), Vec::new()];
    let [tcp, udp, icmp] = &mut built;
    start().tcp(40_000, 22, 1, 1024).syn().write(tcp, &[]).unwrap();
    start().udp(40_000, 5_000).write(udp, b"data").unwrap();
    start().icmpv4_echo_request(1, 1).write(icmp, b"data").unwrap();
    let [tcp, udp, icmp] = built;
    [("tcp", tcp, 20 + 16), ("udp", udp, 20 + 6), ("icmp", icmp, 20 + 2)]
}

/// The classic pcap format (draft-ietf-opsawg-pcap), link type 101: raw IP.
fn verdict(packets: &[&[u8]]) -> Result<usize, Error> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    for packet in packets {
        let len = u32::try_from(packet.len()).unwrap();
        for word in [0, 0, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(*packet);
    }
    let pcap = tempfile::NamedTempFile::new().unwrap();
    fs::write(pcap.path(), file).unwrap();
    assert_no_bad_checksums(pcap.path())
}

#[test]
fn right_checksums_are_counted() {
    let [tcp, udp, icmp] = packets();
    assert_eq!(verdict(&[&tcp.1, &udp.1, &icmp.1]).unwrap(), 3);
    assert!(matches!(verdict(&[]), Err(Error::Unexpected { .. })));
}

#[test]
fn each_wrong_bit_is_found_among_good_packets() {
    for (kind, good, transport) in packets() {
        for offset in [IP_CHECKSUM, IP_CHECKSUM + 1, transport, transport + 1] {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[offset] ^= 1 << bit;
                let error = verdict(&[&good, &bad, &good]).unwrap_err();
                assert!(
                    matches!(&error, Error::BadChecksums { lines, .. } if lines.lines().count() == 1),
                    "{kind}, byte {offset}, bit {bit}: {error}"
                );
            }
        }
    }
}
