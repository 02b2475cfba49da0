//! What the XDP program in front forwards, and what it leaves to TC for which reason. That all else comes out the same
//! with it and without is what every case of this target is run for.

use lb_common::state::Method;
use lb_tests::datapath::{Conn, Family, Pair, Tcp, World, left_to_device, patched};

use super::case::{Case, Said, case, check};
use super::checksum::{shifted, word};
use super::{A, ahead, back, opens};

/// Its member has no neighbour entry in the harness.
const STRANDED: Conn = Conn::new("S", 101, 25_000, 25_000, 2);
/// A client that has none.
const UNSEEN: Conn = Conn::new("U", 103, 25_000, 25_000, 0);
/// A client without a route.
const NOWHERE: Conn = Conn::new("N", 5, 25_000, 25_000, 0);

fn established(name: &str, conn: Conn, counter: &'static str) -> Case {
    case(name).conns(&[conn]).given(conn.established()).early(counter)
}

fn carrying(pair: Pair, payload: &[u8]) -> Pair {
    pair.with(|tcp| tcp.payload(payload))
}

#[test]
fn segments_of_established_connections_are_forwarded() {
    let sent = |name| established(name, A, "xdp_forwarded");
    check([
        sent("an acknowledgement").sends(&A.client("A"), ahead(&A, 0)),
        sent("data to the member").sends(&carrying(A.client("PA"), b"abc"), ahead(&A, 3)),
        sent("data to the client").sends(&carrying(A.member("PA"), b"abcd"), back(&A, 4)),
        sent("padding").sends(&A.client("A").with(|tcp| tcp.padding(6)), ahead(&A, 0)),
        sent("a full frame").sends(&carrying(A.member("A"), &[7; 1460]), back(&A, 1460)),
        sent("TCP options").sends(
            &carrying(A.client("A"), b"x").with(|tcp| tcp.tcp_options(&[1; 40])),
            ahead(&A, 1),
        ),
        sent("urgent data").sends(&carrying(A.client("PAU"), b"!"), ahead(&A, 1)),
    ]);
}

#[test]
fn what_moves_a_connection_is_left_to_tc() {
    let left = |name| established(name, A, "xdp_pass_phase");
    let opening = |name| case(name).conns(&[A]).given(A.opening());
    let accepted = |name| opening(name).given([A.member("SA").action()]).early("xdp_pass_phase");
    let fin = |pair: Pair, delta: &str| (pair, delta.to_owned());
    let (client, member) = (
        fin(
            A.client("FA"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news next +1 client_fin",
        ),
        fin(
            A.member("FA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: member_fin member_first;
             ~ A<: seen news next +1",
        ),
    );
    check([
        case("a SYN").conns(&[A]).early("xdp_pass_unknown").sends(&A.client("S"), opens(&A)),
        opening("the SYN once more").early("xdp_pass_phase").sends(&A.client("S"), ahead(&A, 0)),
        opening("the SYN-ACK").early("xdp_pass_phase").sends(
            &A.member("SA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: acked 2000000 accepted;
             ~ A<: seen news next 2000000 acked 1000000",
        ),
        accepted("the ACK that completes the handshake").sends(
            &A.client("A"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen completed",
        ),
        left("the client's FIN").sends(&client.0, client.1),
        left("the member's FIN").sends(&member.0, member.1),
        left("a stray RST").sends(
            &A.client("R").with(|tcp| tcp.seq(5)),
            "forward_to_member +1; reset_ignored +1; member 0: packets_in +1; ~ A>: seen",
        ),
    ]);
}

#[test]
fn a_checksum_that_may_be_left_to_a_device_is_left_to_tc() {
    let ways = [("member", A.client("PA"), ahead(&A, 3)), ("client", A.member("PA"), back(&A, 3))];
    let families = [(Family::V4, Tcp::CHECKSUM), (Family::V6, Tcp::CHECKSUM + 20)];
    let said = ways.into_iter().flat_map(|(way, pair, delta)| {
        let pair = carrying(pair, b"odd");
        families.map(|(family, checksum)| {
            let told = |tcp: &Tcp| family.frame(&tcp.frame());
            let (right, output) = (told(&pair.input), told(&pair.output));
            let input = left_to_device(right.clone());
            // TC knows that the test's frame has a checksum; a wrong one stays wrong by as much.
            let negative = shifted(input.clone(), checksum, !word(&right, checksum));
            let output = shifted(output, checksum, word(&negative, checksum));
            let said = established(&format!("to the {way}"), A, "xdp_pass_partial");
            said.only(family).rewrites(input, output, delta.clone())
        })
    });
    check(said);
}

#[test]
fn what_has_no_known_next_hop_is_left_to_tc() {
    let mut world = World::new(&[0, 0, 1]);
    world.method = Method::RoundRobin;
    let far = carrying(A.client("PA"), &[1; 1461]);
    check([
        established("no neighbour, to the member", STRANDED, "xdp_pass_no_neighbour")
            .world(world)
            .sends(&STRANDED.client("A"), ahead(&STRANDED, 0)),
        established("no neighbour, to the client", UNSEEN, "xdp_pass_no_neighbour")
            .sends(&UNSEEN.member("A"), back(&UNSEEN, 0)),
        established("the other way of the same connection", UNSEEN, "xdp_forwarded")
            .sends(&UNSEEN.client("A"), ahead(&UNSEEN, 0)),
        established("no route", NOWHERE, "xdp_pass_no_route")
            .sends(&NOWHERE.member("A"), back(&NOWHERE, 0)),
        established("a byte more than the MTU", A, "xdp_pass_too_long")
            .sends(&far, ahead(&A, 1461)),
    ]);
}

fn passes(name: &str, frame: Vec<u8>, xdp: &'static str, counter: &str) -> Said {
    established(name, A, xdp).passes(frame, format!("{counter} +1"))
}

#[test]
fn what_is_no_plain_segment_is_left_to_tc() {
    let frame = || A.client("A").input.frame();
    let options = A.client("A").with(|tcp| tcp.ip_options(&[1; 4]));
    check([
        established("IP options", A, "xdp_pass_frame").sends(&options, ahead(&A, 0)),
        passes("a fragment", patched(frame(), 20, &[0, 5]), "xdp_pass_frame", "pass_fragment"),
        passes("GRE", patched(frame(), 23, &[47]), "xdp_pass_frame", "pass_not_tcp"),
        passes("ARP", patched(frame(), 12, &[8, 6]), "xdp_pass_frame", "pass_not_ip"),
        passes("a VLAN tag", patched(frame(), 12, &[0x81, 0]), "xdp_pass_frame", "pass_vlan"),
        passes("cut short", frame()[..40].to_vec(), "xdp_pass_frame", "pass_malformed"),
        passes(
            "to another host",
            patched(frame(), 0, &[2, 0, 0, 0, 0, 9]),
            "xdp_pass_other_host",
            "pass_other_host",
        ),
        passes(
            "to everybody",
            patched(frame(), 0, &[0xff; 6]),
            "xdp_pass_other_host",
            "pass_other_host",
        ),
    ]);
}
