//! ICMP errors about segments of known connections.

use std::net::Ipv4Addr;

use etherparse::icmpv4::{
    DestUnreachableHeader as Unreachable, ParameterProblemHeader, RedirectCode, RedirectHeader,
    TimeExceededCode,
};
use etherparse::{Icmpv4Type, PacketBuilder};
use lb_tests::datapath::{
    Action, Age, CLIENT_SEQ, Conn, LISTENER, MEMBER_SEQ, Pair, Tcp, frame_ends, icmp_error, member,
    patched,
};

use super::case::{Case, Said, case, check};
use super::checksum::shifted;
use super::{A, B};

/// Somebody on the way, on whichever side.
pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

pub(super) const TOO_BIG: Icmpv4Type =
    Icmpv4Type::DestinationUnreachable(Unreachable::FragmentationNeeded { next_hop_mtu: 1280 });

pub(super) const TO_CLIENT: &str = "forward_to_client +1; icmp_to_client +1; budget Now";
pub(super) const TO_MEMBER: &str = "forward_to_member +1; icmp_to_member +1; budget Now";

/// An error from `host` about the segment, as it comes in and as it should go out.
fn about(host: Ipv4Addr, kind: &Icmpv4Type, segment: &Pair, bytes: usize) -> [Vec<u8>; 2] {
    framed(host, kind, [segment.input.frame(), segment.output.frame()], bytes)
}

/// The same about a segment given as its two frames.
pub(super) fn framed(
    host: Ipv4Addr,
    kind: &Icmpv4Type,
    segment: [Vec<u8>; 2],
    bytes: usize,
) -> [Vec<u8>; 2] {
    let source = |frame: &[u8]| *frame_ends(frame).unwrap().0.ip();
    let [sent, lost] = &segment;
    let vip = *LISTENER.ip();
    [
        icmp_error(host, source(lost), kind, lost, bytes),
        icmp_error(vip, source(sent), kind, sent, bytes),
    ]
}

pub(super) fn told(case: Case, [input, output]: [Vec<u8>; 2], delta: &str) -> Said {
    case.rewrites(input, output, delta)
}

fn established(name: impl Into<String>) -> Case {
    case(name).conns(&[A]).given(A.established())
}

/// A segment of either end, and what changes when the other side does not take it.
fn both_ways(payload: &'static [u8]) -> [(&'static str, Pair, &'static str); 2] {
    let with = |pair: Pair| pair.with(|tcp| tcp.payload(payload));
    [
        ("of the client's", with(A.client("PA")), TO_CLIENT),
        ("of the member's", with(A.member("PA")), TO_MEMBER),
    ]
}

#[test]
fn every_kind_of_error_goes_to_who_sent_the_segment() {
    let unreachable = [
        Unreachable::Network,
        Unreachable::Host,
        Unreachable::Protocol,
        Unreachable::Port,
        Unreachable::FragmentationNeeded { next_hop_mtu: 1280 },
        Unreachable::FragmentationNeeded { next_hop_mtu: 0 },
        Unreachable::FilterProhibited,
        Unreachable::PrecedenceCutoff,
    ];
    let exceeded =
        [TimeExceededCode::TtlExceededInTransit, TimeExceededCode::FragmentReassemblyTimeExceeded];
    let problem = ParameterProblemHeader::PointerIndicatesError(13);
    let kinds = unreachable
        .map(Icmpv4Type::DestinationUnreachable)
        .into_iter()
        .chain(exceeded.map(Icmpv4Type::TimeExceeded))
        .chain([Icmpv4Type::ParameterProblem(problem)]);
    check(kinds.flat_map(|kind| {
        both_ways(b"much").map(|(whose, segment, delta)| {
            let name = format!("{kind:?} about a segment {whose}");
            told(established(name), about(ROUTER, &kind, &segment, 28), delta)
        })
    }));
}

#[test]
fn the_ends_themselves_report_too_and_nobody_sees_them() {
    let port = Icmpv4Type::DestinationUnreachable(Unreachable::Port);
    check([
        told(
            established("the member"),
            about(*member(0).ip(), &port, &A.client("A"), 28),
            TO_CLIENT,
        ),
        told(
            established("the client"),
            about(*A.client.ip(), &port, &A.member("A"), 28),
            TO_MEMBER,
        ),
        told(
            established("the client about its own segment on the members' side"),
            about(*A.client.ip(), &port, &A.client("A"), 28),
            TO_CLIENT,
        ),
    ]);
}

/// Of a segment with 60 bytes of headers and text.
#[test]
fn quotes_of_every_length() {
    check((28..=60).flat_map(|bytes| {
        both_ways(b"twenty bytes of text").map(|(whose, segment, delta)| {
            let name = format!("{bytes} bytes of a segment {whose}");
            let mut frames = about(ROUTER, &TOO_BIG, &segment, bytes);
            if bytes == HALF_A_CHECKSUM {
                frames[1] = ending_like(&frames);
            }
            told(established(name), frames, delta)
        })
    }));
}

/// Bytes of a quote that ends within the segment's checksum, which nobody can make use of then.
const HALF_A_CHECKSUM: usize = 20 + 17;

/// The second error with the last byte of the first, which its checksum takes for the half of a word.
fn ending_like([input, output]: &[Vec<u8>; 2]) -> Vec<u8> {
    let word = |frame: &[u8]| u16::from(frame[frame.len() - 1]) << 8;
    let (before, after) = (word(output), word(input));
    let frame = patched(output.clone(), output.len() - 1, &input[input.len() - 1..]);
    shifted(shifted(frame, CHECKSUM, before), CHECKSUM, !after)
}

#[test]
fn whatever_the_quoted_segment_carries() {
    check(both_ways(b"text").into_iter().flat_map(|(whose, segment, delta)| {
        let named = |what: &str| established(format!("{what} in a segment {whose}"));
        let options = segment.clone().with(|tcp| tcp.ip_options(&[1; 12]));
        let most = segment.clone().with(|tcp| tcp.ip_options(&[1; 40]));
        let timestamps = segment.clone().with(|tcp| tcp.tcp_options(&[1; 12]));
        let wrong = [&segment.input, &segment.output]
            .map(|tcp| shifted(shifted(tcp.frame(), Tcp::CHECKSUM, 77), Tcp::IP_CHECKSUM, 7));
        let behind = [&segment.input, &segment.output].map(|tcp| {
            let extension = [0x20, 0, 0, 0, 0, 8, 1, 1, 0, 1, 2, 3];
            [tcp.frame(), vec![0; 128 - 44], extension.to_vec()].concat()
        });
        [
            told(named("IP options"), about(ROUTER, &TOO_BIG, &options, 40), delta),
            told(named("IP options, all of it"), about(ROUTER, &TOO_BIG, &options, 56), delta),
            told(named("most IP options"), about(ROUTER, &TOO_BIG, &most, 68), delta),
            told(named("TCP options"), about(ROUTER, &TOO_BIG, &timestamps, 56), delta),
            told(named("wrong checksums"), framed(ROUTER, &TOO_BIG, wrong, 44), delta),
            told(named("an extension behind"), framed(ROUTER, &TOO_BIG, behind, 140), delta),
        ]
    }));
}

/// RFC 5927 section 4.1: who only guesses does not know which bytes are on their way.
#[test]
fn only_what_is_outstanding_is_reported() {
    let sent = [0; 1000];
    let says = |pair: Pair| pair.with(|tcp| tcp.payload(&sent)).action();
    let waiting =
        |name: String| established(name).given([says(A.client("PA")), says(A.member("PA"))]);
    let ways = [
        ("client", A.client("A"), CLIENT_SEQ, TO_CLIENT),
        ("member", A.member("A"), MEMBER_SEQ, TO_MEMBER),
    ];
    check(ways.into_iter().flat_map(|(whose, segment, first, delta)| {
        let about = |by: i32| {
            let seq = first.wrapping_add_signed(by);
            about(ROUTER, &TOO_BIG, &segment.clone().with(|tcp| tcp.seq(seq)), 28)
        };
        let named = |by: i32| waiting(format!("the {whose}'s byte {by}"));
        let known = [-1, 0, 1, 500, 999, 1000].map(|by| told(named(by), about(by), delta));
        let stale = [-2, -1000, 1001, 70_000, i32::MAX, i32::MIN].map(|by| {
            let [input, _] = about(by);
            named(by).passes(input, "pass_icmp_stale +1")
        });
        known.into_iter().chain(stale)
    }));
}

#[test]
fn while_the_connection_opens() {
    let asked = |name| case(name).conns(&[A]).given(A.opening());
    let accepted = |name| asked(name).given([A.member("SA").action()]);
    let [synack, _] = about(ROUTER, &TOO_BIG, &A.member("SA"), 28);
    let [other, _] = about(ROUTER, &TOO_BIG, &A.client("S").with(|tcp| tcp.seq(5)), 28);
    check([
        told(asked("the SYN"), about(ROUTER, &TOO_BIG, &A.client("S"), 28), TO_CLIENT),
        asked("another SYN").passes(other, "pass_icmp_stale +1"),
        asked("a SYN-ACK that was not sent").passes(synack, "pass_icmp_stale +1"),
        told(
            accepted("the SYN, which the member has got"),
            about(ROUTER, &TOO_BIG, &A.client("S"), 28),
            TO_CLIENT,
        ),
        told(accepted("the SYN-ACK"), about(ROUTER, &TOO_BIG, &A.member("SA"), 28), TO_MEMBER),
    ]);
}

#[test]
fn connections_that_are_not_there() {
    let [input, _] = about(ROUTER, &TOO_BIG, &A.client("A"), 28);
    let [back, _] = about(ROUTER, &TOO_BIG, &A.member("A"), 28);
    let quote = |segment: &Pair| segment.input.frame();
    let before_the_vip = icmp_error(ROUTER, *A.client.ip(), &TOO_BIG, &quote(&A.client("A")), 28);
    let not_the_source =
        icmp_error(ROUTER, *LISTENER.ip(), &TOO_BIG, &A.client("A").input.frame(), 28);
    let elsewhere = icmp_error(
        ROUTER,
        Ipv4Addr::new(10, 0, 0, 251),
        &TOO_BIG,
        &A.client("A").output.frame(),
        28,
    );
    let unknown = |case: Case, frame| case.passes(frame, "pass_icmp_unknown +1");
    let gone = established("over and forgotten").given([A.client("R").action()]);
    let zero = Action::Stamp(lb_tests::datapath::Stamping::Each {
        client: Age::Ancient,
        member: Age::Ancient,
        opened: Age::Ancient,
    });
    let forgotten = gone.given([zero.clone(), Action::Sweep, zero, Action::Sweep]);
    check([
        unknown(case("none to the member"), input.clone()),
        unknown(case("none to the client"), back),
        unknown(established("before the VIP"), before_the_vip),
        unknown(established("to another than the source"), not_the_source),
        unknown(established("to another address of ours"), elsewhere),
        unknown(forgotten, input),
    ]);
}

#[test]
fn connections_do_not_mix() {
    let both = |name: &str| {
        let given = A.established().into_iter().chain(B.established());
        case(name).conns(&[A, B]).given(given)
    };
    let [a, b] = [&A, &B].map(|conn: &Conn| about(ROUTER, &TOO_BIG, &conn.client("A"), 40));
    let [c, d] = [&A, &B].map(|conn: &Conn| about(ROUTER, &TOO_BIG, &conn.member("A"), 40));
    check([
        told(both("the first client"), a, TO_CLIENT),
        told(both("the second client"), b, TO_CLIENT),
        told(both("the first member"), c, TO_MEMBER),
        told(both("the second member"), d, TO_MEMBER),
    ]);
}

#[test]
fn what_is_over_still_hears_of_its_last_segments() {
    let closed = case("after both FINs").conns(&[A]).given(A.closed());
    let fin = A.member("FA");
    check([told(closed, about(ROUTER, &TOO_BIG, &fin, 28), TO_MEMBER)]);
}

#[test]
fn no_more_than_a_pool_may_be_told() {
    let spent = |name: &str, until| established(name).given([Action::Spend(until)]);
    check(both_ways(b"").into_iter().flat_map(|(_, segment, delta)| {
        let [input, output] = about(ROUTER, &TOO_BIG, &segment, 28);
        let stale = about(ROUTER, &TOO_BIG, &segment.with(|tcp| tcp.seq(5)), 28)[0].clone();
        [
            spent("spent", Age::Future).drops(input.clone(), "drop_icmp_rate +1"),
            spent("there is some again", Age::Ancient).rewrites(input, output, delta),
            // Who guesses takes nothing from those who know.
            spent("spent, but not by this", Age::Future)
                .passes(stale.clone(), "pass_icmp_stale +1"),
            established("costs nothing").passes(stale, "pass_icmp_stale +1"),
        ]
    }));
}

/// Where the headers lie in a frame with an error about a datagram without options.
const LENGTH: usize = 14 + 2;
const FRAGMENT: usize = 14 + 6;
const KIND: usize = 14 + 20;
const CHECKSUM: usize = KIND + 2;
const QUOTE: usize = KIND + 8;

#[test]
fn what_is_no_error_about_a_segment() {
    let [input, _] = about(ROUTER, &TOO_BIG, &A.client("PA"), 40);
    let with = |at: usize, bytes: &[u8]| patched(input.clone(), at, bytes);
    let kind = |kind: Icmpv4Type| about(ROUTER, &kind, &A.client("PA"), 40)[0].clone();
    let redirect = RedirectHeader {
        code: RedirectCode::RedirectForHost,
        gateway_internet_address: ROUTER.octets(),
    };
    let unknown = |type_u8| Icmpv4Type::Unknown { type_u8, code_u8: 0, bytes5to8: [0; 4] };
    let short = about(ROUTER, &TOO_BIG, &A.client("PA"), 24)[0].clone();
    let mut echo = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [0; 6])
        .ipv4(ROUTER.octets(), LISTENER.ip().octets(), 64)
        .icmpv4_echo_request(1, 1)
        .write(&mut echo, &A.client("PA").output.frame()[14..])
        .unwrap();
    let all = [
        ("echo", echo, "pass_not_tcp"),
        ("source quench", kind(unknown(4)), "pass_not_tcp"),
        ("redirect", kind(Icmpv4Type::Redirect(redirect)), "pass_not_tcp"),
        ("a type nobody knows", kind(unknown(200)), "pass_not_tcp"),
        ("a type of ICMPv6", kind(unknown(1)), "pass_not_tcp"),
        ("a fragment", with(FRAGMENT, &[0x20, 0]), "pass_not_tcp"),
        ("a later fragment", with(FRAGMENT, &[0, 9]), "pass_not_tcp"),
        ("about SCTP", with(QUOTE + 9, &[132]), "pass_not_tcp"),
        ("about UDP between the same ends", with(QUOTE + 9, &[17]), "pass_icmp_unknown"),
        ("about a later fragment", with(QUOTE + 6, &[0, 9]), "pass_not_tcp"),
        ("about a first fragment", with(QUOTE + 6, &[0x20, 0]), "pass_not_tcp"),
        ("about another version", with(QUOTE, &[0x65]), "pass_malformed"),
        ("about half a header", with(QUOTE, &[0x44]), "pass_malformed"),
        ("four bytes of TCP", short, "pass_malformed"),
        ("cut short", input[..QUOTE + 40 - 4].to_vec(), "pass_malformed"),
        ("the ports in the padding", with(LENGTH, &[0, 28 + 20]), "pass_malformed"),
    ];
    check(
        all.map(|(name, frame, counter)| established(name).passes(frame, format!("{counter} +1"))),
    );
}

#[test]
fn wrong_checksums_of_the_error_stay_wrong_by_the_same_amount() {
    let mut cases = Vec::new();
    for (layer, offset) in [("IP", Tcp::IP_CHECKSUM), ("ICMP", CHECKSUM)] {
        for (whose, segment, delta) in both_ways(b"odd") {
            let frames = about(ROUTER, &TOO_BIG, &segment, 43);
            let frames = frames.map(|frame| shifted(frame, offset, 0x0100));
            cases.push(told(established(format!("{layer}, {whose}")), frames, delta));
        }
    }
    check(cases);
}
