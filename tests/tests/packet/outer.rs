//! What the program at the outer end of the device forwards, and what it leaves to the one on the device for which reason. That
//! all else comes out the same with it and without is what every case of this target is run for.

use lb_tests::datapath::{Conn, Pair, Tcp, World, patched};

use super::case::{Case, Said, case, check};
use super::udp;
use super::{A, B, ahead, back, opens};

/// Clients whose next hop nobody has learned, was learned long ago, and was learned when the device had another MAC address.
const UNSEEN: Conn = Conn::new("U", 103, 25_000, 25_000, 0);
const STALE: Conn = Conn::new("L", 252, 25_000, 25_000, 0);
const READDRESSED: Conn = Conn::new("R", 253, 25_000, 25_000, 0);
/// A client of the third member, whose next hop nobody has learned either.
const UNSEEN_MEMBER: Conn = Conn::new("M", 104, 27_000, 27_000, 2);

const GOES_BY: &str = "outer_forwarded";

fn established(name: &str, conn: Conn, counter: &'static str) -> Case {
    case(name).conns(&[conn]).given(conn.established()).outer(counter)
}

fn carrying(pair: Pair, payload: &[u8]) -> Pair {
    pair.with(|tcp| tcp.payload(payload))
}

#[test]
fn a_connection_goes_by_from_its_beginning_to_its_end() {
    let opening = |name| case(name).conns(&[A]).given(A.opening()).outer(GOES_BY);
    let sent = |name| established(name, A, GOES_BY);
    check([
        case("the SYN").conns(&[A]).outer(GOES_BY).sends(&A.client("S"), opens(&A)),
        opening("the SYN-ACK").sends(
            &A.member("SA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: acked 2000000 accepted;
             ~ A<: seen news next 2000000 acked 1000000",
        ),
        opening("the ACK that completes the handshake").given([A.member("SA").action()]).sends(
            &A.client("A"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen completed",
        ),
        sent("an acknowledgement").sends(&A.client("A"), ahead(&A, 0)),
        sent("data to the member").sends(&carrying(A.client("PA"), b"abc"), ahead(&A, 3)),
        sent("data to the client").sends(&carrying(A.member("PA"), b"abcd"), back(&A, 4)),
        sent("padding").sends(&A.client("A").with(|tcp| tcp.padding(6)), ahead(&A, 0)),
        sent("IP options").sends(&A.client("A").with(|tcp| tcp.ip_options(&[1; 4])), ahead(&A, 0)),
        sent("a GSO packet").sends_gso(
            &carrying(A.client("PA"), &[7; 3000]),
            1000,
            ahead(&A, 3000),
        ),
        sent("the client's FIN").sends(
            &A.client("FA"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news next +1 client_fin",
        ),
        sent("the member's FIN").sends(
            &A.member("FA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: member_fin member_first;
             ~ A<: seen news next +1",
        ),
        sent("a stray RST").sends(
            &A.client("R").with(|tcp| tcp.seq(5)),
            "forward_to_member +1; reset_ignored +1; member 0: packets_in +1; ~ A>: seen",
        ),
    ]);
}

#[test]
fn datagrams_of_a_flow_go_by() {
    let sent = |name| case(name).world(World::udp(&[1, 1])).conns(&[udp::A]).outer(GOES_BY);
    let [question, answer] =
        [udp::A.asks(b"next"), udp::A.answers(b"")].map(|pair| udp::frames(&pair));
    check([
        sent("a question").given(udp::answered(&udp::A)).rewrites(
            question[0].clone(),
            question[1].clone(),
            udp::asks(&udp::A, 4),
        ),
        sent("an answer").given(udp::answered(&udp::A)).rewrites(
            answer[0].clone(),
            answer[1].clone(),
            udp::answers(&udp::A, 0),
        ),
        case("the first one")
            .world(World::udp(&[1, 1]))
            .conns(&[udp::A])
            .outer("outer_pass_unknown")
            .rewrites(
                udp::A.asks(b"query").input.frame(),
                udp::A.asks(b"query").output.frame(),
                udp::opens(&udp::A, 5),
            ),
    ]);
}

/// Each is counted once, wherever that is.
#[test]
fn what_opens_a_connection_and_is_not_plain_comes_to_the_device() {
    let syn = |name, conn| case(name).conns(&[conn]);
    let unknown = |name, conn: Conn| {
        syn(name, conn).outer("outer_pass_unknown").sends(&conn.client("S"), opens(&conn))
    };
    let addressed = |frame: Vec<u8>| patched(frame, 0, &[2, 0, 0, 0, 0, 9]);
    check([
        unknown("of a client that nobody has sent to", UNSEEN),
        unknown("of one that nobody has for long", STALE),
        unknown("when the device has another address", READDRESSED),
        syn("with data", A).outer("outer_pass_unknown").sends(
            &carrying(A.client("S"), b"abc"),
            "forward_to_member +1; connection_opened +1; + A> payload 3; + A<;
             member 0: active +1 connections +1 packets_in +1 bytes_in +3",
        ),
        syn("to another host", A)
            .outer("outer_pass_unknown")
            .passes(addressed(A.client("S").input.frame()), "pass_other_host +1"),
        syn("once more", A)
            .given(A.opening())
            .outer("outer_pass_opening")
            .sends(&A.client("S"), ahead(&A, 0)),
        syn("to nobody", A)
            .world(World::new(&[]))
            .outer("outer_pass_opening")
            .passes(A.client("S").input.frame(), "refuse_no_member +1"),
        syn("to a member that nobody has sent to", UNSEEN_MEMBER)
            .world(World::new(&[1, 1, 1]))
            .given(A.opening().into_iter().chain(B.opening()))
            .outer("outer_pass_unlearned")
            .sends(&UNSEEN_MEMBER.client("S"), opens(&UNSEEN_MEMBER)),
    ]);
}

/// Its sender may have lost it on the way to a next hop that is not there any more.
#[test]
fn a_retransmission_comes_to_the_device() {
    let data = || carrying(A.client("PA"), b"abc");
    let again = established("data once more", A, "outer_pass_again").given([data().action()]);
    let back_again = established("the member's once more", A, "outer_pass_again")
        .given([carrying(A.member("PA"), b"abc").action()]);
    let longer = established("with more behind it", A, GOES_BY).given([data().action()]);
    let to = "forward_to_member +1; member 0: packets_in +1 bytes_in +3; ~ A>: seen payload +3";
    let from = "forward_to_client +1; member 0: packets_out +1 bytes_out +3; ~ A<: seen payload +3";
    let more = "forward_to_member +1; member 0: packets_in +1 bytes_in +5; ~ A>: seen news payload +5 next +2";
    check([
        again.sends(&data(), to),
        back_again.sends(&carrying(A.member("PA"), b"abc"), from),
        longer.sends(&carrying(A.client("PA"), b"abcde"), more),
    ]);
}

#[test]
fn what_has_no_next_hop_that_is_known_comes_to_the_device() {
    check([
        established("nobody has sent to it", UNSEEN, "outer_pass_unlearned")
            .sends(&UNSEEN.member("A"), back(&UNSEEN, 0)),
        established("the other way of the same connection", UNSEEN, GOES_BY)
            .sends(&UNSEEN.client("A"), ahead(&UNSEEN, 0)),
        established("nobody has for long", STALE, "outer_pass_confirm")
            .sends(&carrying(STALE.member("PA"), b"abc"), back(&STALE, 3)),
        established("the device has another address", READDRESSED, "outer_pass_other_host")
            .sends(&READDRESSED.member("A"), back(&READDRESSED, 0)),
    ]);
}

fn passes(name: &str, frame: Vec<u8>, outer: &'static str, counter: &str) -> Said {
    established(name, A, outer).passes(frame, format!("{counter} +1"))
}

#[test]
fn what_is_no_packet_of_a_connection_comes_to_the_device() {
    let frame = || A.client("A").input.frame();
    let other = Tcp::new(A.client, "10.0.0.250:81".parse().unwrap(), "S").frame();
    check([
        passes("a fragment", patched(frame(), 20, &[0, 5]), "outer_pass_frame", "pass_fragment"),
        passes("GRE", patched(frame(), 23, &[47]), "outer_pass_frame", "pass_not_tcp"),
        passes("ARP", patched(frame(), 12, &[8, 6]), "outer_pass_frame", "pass_not_ip"),
        passes("a VLAN tag", patched(frame(), 12, &[0x81, 0]), "outer_pass_frame", "pass_vlan"),
        passes("cut short", frame()[..40].to_vec(), "outer_pass_frame", "pass_malformed"),
        passes("to another port", other, "outer_pass_unknown", "pass_not_vip"),
        passes(
            "to another host",
            patched(frame(), 0, &[2, 0, 0, 0, 0, 9]),
            "outer_pass_other_host",
            "pass_other_host",
        ),
        passes(
            "to everybody",
            patched(frame(), 0, &[0xff; 6]),
            "outer_pass_other_host",
            "pass_other_host",
        ),
    ]);
}
