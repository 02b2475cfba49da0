//! Frames that tell a link which MAC address an address has now. Nothing here sends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_common::be::Be16;
use lb_common::checksum::sum_bytes;
use lb_common::wire::eth::{self, Ethernet};
use lb_common::wire::ipv6::Ipv6;
use zerocopy::IntoBytes as _;

/// EtherType of ARP, its hardware type of Ethernet, and its operations (RFC 826).
const ARP: u16 = 0x0806;
const ETHERNET: u16 = 1;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

const BROADCAST: [u8; 6] = [0xff; 6];

/// All nodes on the link (RFC 4291 section 2.7.1), and the MAC address that stands for them (RFC 2464 section 7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

const ICMPV6: u8 = 58;
/// A receiver drops what a router has forwarded (RFC 4861 section 7.1.2).
const HOP_LIMIT: u8 = 255;
/// Type of a neighbor advertisement, and its flags "router" and "override" (RFC 4861 section 4.4).
const ADVERTISEMENT: u8 = 136;
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// Type of the option with the target's MAC address, and its length in eight bytes (RFC 4861 section 4.6.1).
const TARGET_MAC: u8 = 2;
const EIGHT_BYTES: u8 = 1;
/// Where the checksum lies in ICMPv6.
const CHECKSUM: usize = 2;

/// The frames of one round: gratuitous ARP of both kinds for IPv4, because some neighbours heed one of them only; an unsolicited
/// neighbor advertisement for IPv6. `router` is whether the device forwards: hosts take one that says "no router" off the list of
/// their routers (RFC 4861 section 7.2.5).
pub(super) fn frames(mac: [u8; 6], address: IpAddr, router: bool) -> Vec<Vec<u8>> {
    match address {
        // What is asked for is not known in a request: RFC 5227 section 1.1 wants zeroes there. In a reply it is the sender's
        // own (RFC 5944 section 4.6).
        IpAddr::V4(address) => {
            vec![arp(REQUEST, mac, address, [0; 6]), arp(REPLY, mac, address, mac)]
        }
        IpAddr::V6(address) => vec![advertisement(mac, address, router)],
    }
}

fn arp(operation: u16, mac: [u8; 6], address: Ipv4Addr, target: [u8; 6]) -> Vec<u8> {
    let eth = Ethernet { dst: BROADCAST, src: mac, ethertype: Be16::new(ARP) };
    let [hardware, protocol, operation] = [ETHERNET, eth::IPV4, operation].map(u16::to_be_bytes);
    let lengths = [mac.len() as u8, address.octets().len() as u8];
    let (own, kinds) = (address.octets(), [hardware, protocol, lengths, operation]);
    [eth.as_bytes(), kinds.as_flattened(), &mac, &own, &target, &own].concat()
}

/// RFC 4861 sections 4.4 and 7.2.6.
fn advertisement(mac: [u8; 6], address: Ipv6Addr, router: bool) -> Vec<u8> {
    let eth = Ethernet { dst: ALL_NODES_MAC, src: mac, ethertype: Be16::new(eth::IPV6) };
    let flags = if router { ROUTER | OVERRIDE } else { OVERRIDE };
    let head = [ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    let mut message =
        [head.as_slice(), &address.octets(), &[TARGET_MAC, EIGHT_BYTES], &mac].concat();
    let len = message.len() as u16;
    let ip = Ipv6::new(address.into(), ALL_NODES.into(), ICMPV6, len, HOP_LIMIT);
    // The pseudo-header of RFC 8200 section 8.1.
    let pseudo = sum_bytes(&ip.as_bytes()[Ipv6::ADDRESSES..]);
    let pseudo = pseudo.add16(len.to_be()).add16(u16::from(ICMPV6).to_be());
    let sum = !pseudo.add16(sum_bytes(&message).fold()).fold();
    message[CHECKSUM..][..2].copy_from_slice(&sum.to_ne_bytes());
    [eth.as_bytes(), ip.as_bytes(), &message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0x68, 0x77, 0x37];

    #[test]
    fn gratuitous_arp_is_a_request_and_a_reply_about_the_sender() {
        let start = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa, 0x16, 0x3e, 0x68, 0x77, 0x37];
        let kinds = [0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4, 0x00];
        let sender = [0xfa, 0x16, 0x3e, 0x68, 0x77, 0x37, 10, 0, 0, 250];
        let frame = |operation: u8, target: [u8; 6]| {
            let target = [target.as_slice(), &[10, 0, 0, 250]].concat();
            [start.as_slice(), &kinds, &[operation], &sender, &target].concat()
        };
        let made = frames(MAC, [10, 0, 0, 250].into(), true);
        assert_eq!(made, [frame(1, [0; 6]), frame(2, MAC)]);
        assert!(made.iter().all(|frame| frame.len() == 42));
    }

    #[test]
    fn an_unsolicited_advertisement_overrides_what_neighbours_know() {
        let address = "2001:db8:a::250".parse().unwrap();
        let [frame] = frames(MAC, address, false).try_into().unwrap();
        let octets = [0x20, 0x01, 0x0d, 0xb8, 0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x50];
        let expected = [
            [0x33, 0x33, 0, 0, 0, 1, 0xfa, 0x16, 0x3e, 0x68, 0x77, 0x37, 0x86, 0xdd].as_slice(),
            &[0x60, 0, 0, 0, 0, 32, 58, 255],
            &octets,
            &[0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            &[136, 0, 0x46, 0xc3, 0x20, 0, 0, 0],
            &octets,
            &[2, 1, 0xfa, 0x16, 0x3e, 0x68, 0x77, 0x37],
        ];
        assert_eq!(frame, expected.concat());
        assert_eq!(frame.len(), 86);
    }

    /// With a right checksum in it, all that it covers adds up to all ones (RFC 1071 section 1).
    #[test]
    fn the_checksum_is_right_for_whoever_adds_it_up() {
        for (address, router) in [("fe80::1", true), ("2001:db8::ffff:1", false), ("fd00::", true)]
        {
            let [frame] = frames(MAC, address.parse().unwrap(), router).try_into().unwrap();
            let (addresses, message) = (&frame[14 + 8..14 + 40], &frame[14 + 40..]);
            let length = [0, 0, 0, message.len() as u8, 0, 0, 0, 58];
            let covered = [addresses, &length, message].concat();
            let words = covered.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
            let mut sum: u32 = words.sum();
            while sum > 0xffff {
                sum = (sum >> 16) + (sum & 0xffff);
            }
            assert_eq!(sum, 0xffff, "{address}");
            assert_eq!(message[4], if router { 0xa0 } else { 0x20 }, "{address}");
        }
    }
}
