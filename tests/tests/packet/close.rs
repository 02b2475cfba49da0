//! The end of connections.

use super::case::{case, check};
use super::{A, ahead, back};

const CLOSED_BY_CLIENT: &str = "connection_closed +1; forward_to_member +1;
    member 0: active -1 packets_in +1";
const CLOSED_BY_MEMBER: &str = "connection_closed +1; forward_to_client +1;
    member 0: active -1 packets_out +1; ~ A<: seen";

#[test]
fn by_fin() {
    let established = |name| case(name).conns(&[A]).given(A.established());
    let client_done = |name| established(name).given([A.client("FA").action()]);
    let member_done = |name| established(name).given([A.member("FA").action()]);
    let closed = |name| case(name).conns(&[A]).given(A.closed());
    check([
        established("the client's first").sends(
            &A.client("FA"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen client_fin",
        ),
        established("the member's first").sends(
            &A.member("FA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: member_fin; ~ A<: seen",
        ),
        established("with data").sends(
            &A.client("FPA").with(|tcp| tcp.payload(b"bye")),
            "forward_to_member +1; member 0: packets_in +1 bytes_in +3;
             ~ A>: seen payload +3 client_fin",
        ),
        client_done("the client's once more").sends(&A.client("FA"), ahead(&A, 0)),
        client_done("data of the member's behind the client's FIN")
            .sends(&A.member("PA").with(|tcp| tcp.payload(b"rest")), back(&A, 4)),
        client_done("the member's second")
            .sends(&A.member("FA"), format!("{CLOSED_BY_MEMBER}; ~ A>: member_fin")),
        member_done("the client's second")
            .sends(&A.client("FA"), format!("{CLOSED_BY_CLIENT}; ~ A>: seen client_fin")),
        closed("the last ACK").sends(&A.client("A"), ahead(&A, 0)),
        closed("the member's once more").sends(&A.member("FA"), back(&A, 0)),
        closed("the client's once more").sends(&A.client("FA"), ahead(&A, 0)),
        closed("a reset afterwards counts nothing").sends(
            &A.client("R"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen reset",
        ),
        case("before the handshake is complete").conns(&[A]).given(A.opening()).sends(
            &A.client("F"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen client_fin",
        ),
        case("the FIN that also completes the handshake")
            .conns(&[A])
            .given(A.opening())
            .given([A.member("SA").action()])
            .sends(
                &A.client("FA"),
                "forward_to_member +1; member 0: packets_in +1;
                 ~ A>: seen completed client_fin",
            ),
    ]);
}

#[test]
fn by_reset() {
    let opening = |name| case(name).conns(&[A]).given(A.opening());
    let established = |name| case(name).conns(&[A]).given(A.established());
    let reset = |name| established(name).given([A.client("R").action()]);
    let by_client = || format!("{CLOSED_BY_CLIENT}; ~ A>: seen reset");
    let by_member = || format!("{CLOSED_BY_MEMBER}; ~ A>: reset");
    check([
        opening("the member refuses").sends(&A.member("RA"), by_member()),
        opening("the client gives up").sends(&A.client("R"), by_client()),
        established("the client's").sends(&A.client("R"), by_client()),
        established("the client's, with ACK").sends(&A.client("RA"), by_client()),
        established("the member's").sends(&A.member("R"), by_member()),
        established("with FIN, which then does not matter").sends(&A.client("RFA"), by_client()),
        established("the member's, with FIN").sends(&A.member("RFA"), by_member()),
        established("after the client's FIN")
            .given([A.client("FA").action()])
            .sends(&A.member("R"), by_member()),
        reset("the client's once more").sends(&A.client("R"), ahead(&A, 0)),
        reset("the member's after the client's").sends(&A.member("R"), back(&A, 0)),
        reset("data of the member's")
            .sends(&A.member("PA").with(|tcp| tcp.payload(b"late")), back(&A, 4)),
        reset("the member's FIN").sends(
            &A.member("FA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: member_fin; ~ A<: seen",
        ),
    ]);
}
