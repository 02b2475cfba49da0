//! SYN, FIN and RST of either end in every phase of a connection.

use lb_tests::datapath::{Action, Pair, World};

use super::case::{Said, case, check};
use super::{A, question};

/// Phases and how they come about.
fn phases() -> [(&'static str, Vec<Action>); 8] {
    let established = |then: &[Pair]| {
        let then = then.iter().map(Pair::action);
        A.established().into_iter().chain(then).collect::<Vec<_>>()
    };
    [
        ("asked", A.opening()),
        ("accepted", vec![A.client("S").action(), A.member("SA").action()]),
        ("established", A.established()),
        ("closed by the client", established(&[A.client("FA")])),
        ("closed by the member", established(&[A.member("FA")])),
        ("closed by both", A.closed()),
        ("reset by the client", established(&[A.client("R")])),
        ("reset by the member", established(&[A.member("R")])),
    ]
}

/// One segment in each of the phases, where there is one member only.
fn everywhere(name: &str, segment: &Pair, deltas: [String; 8]) -> Vec<Said> {
    let said = |((phase, given), delta): ((&str, _), String)| {
        let case = case(format!("{name}, {phase}")).world(World::new(&[1])).conns(&[A]);
        case.given(given).sends(segment, delta)
    };
    phases().into_iter().zip(deltas).map(said).collect()
}

/// Forwarded to the member; `news` is what changes in the client's entry.
fn ahead(news: &str) -> String {
    format!("forward_to_member +1; member 0: packets_in +1; ~ A>: seen{news}")
}

/// The same, and the connection is over.
fn last_ahead(news: &str) -> String {
    let last = "connection_closed +1; forward_to_member +1; member 0: active -1 packets_in +1";
    format!("{last}; ~ A>: seen{news}")
}

/// Forwarded to the client; `news` is what changes in the member's entry, `facts` in the client's.
fn back(news: &str, facts: &str) -> String {
    let facts = if facts.is_empty() { String::new() } else { format!("; ~ A>: {facts}") };
    format!("forward_to_client +1; member 0: packets_out +1; ~ A<: seen{news}{facts}")
}

/// The same, and the connection is over.
fn last_back(news: &str, facts: &str) -> String {
    let last = "connection_closed +1; forward_to_client +1; member 0: active -1 packets_out +1";
    format!("{last}; ~ A<: seen{news}; ~ A>: {facts}")
}

#[test]
fn of_the_client() {
    let reopens = "connection_opened +1; connection_reopened +1; forward_to_member +1";
    let over = || {
        format!(
            "{reopens}; port_reused +1; - A> + A>; - A< + A<;
             member 0: active +1 connections +1 packets_in +1"
        )
    };
    let same = || ahead("");
    let fin = || ahead(" news next +1 client_fin");
    // While it is open, half of it at least, the client is asked what it means by it.
    let asked = || "forward_to_client +1; syn_challenged +1".to_owned();
    let syn = [same(), same(), asked(), asked(), asked(), over(), over(), over()];
    let fins = [
        ahead(" news next +1 acked 2000000 client_fin"),
        ahead(" news next +1 completed client_fin"),
        fin(),
        same(),
        format!("A<: port waiting; {}", last_ahead(" news next +1 client_fin")),
        same(),
        fin(),
        fin(),
    ];
    let last = || last_ahead(" client_rst");
    let late = || ahead(" client_rst");
    let ignored = || format!("reset_ignored +1; {}", same());
    let rst = [last(), last(), last(), last(), last(), ignored(), same(), late()];
    let syns = phases().into_iter().zip(syn).map(|((phase, given), delta)| {
        let case = case(format!("SYN, {phase}")).world(World::new(&[1])).conns(&[A]).given(given);
        let Pair { input, output } = A.client("S");
        let becomes = if delta == asked() { question(1_000_000) } else { output.frame() };
        case.rewrites(input.frame(), becomes, delta)
    });
    let syns = syns.collect();
    check(
        [syns, everywhere("FIN", &A.client("FA"), fins), everywhere("RST", &A.client("R"), rst)]
            .into_iter()
            .flatten(),
    );
}

#[test]
fn of_the_member() {
    let same = || back("", "");
    let syn = [same(), same(), same(), same(), same(), same(), same(), same()];
    let accepts = back(" news next 2000000 acked 1000000", "acked 2000000 accepted");
    let syn_ack = [accepts, same(), same(), same(), same(), same(), same(), same()];
    let fin = || back(" news next +1", "member_fin member_first");
    let fins = [
        back(" news next 2000001 acked 1000000", "member_fin member_first"),
        fin(),
        fin(),
        format!("A<: port waiting; {}", last_back(" news next +1", "member_fin crossed")),
        same(),
        same(),
        fin(),
        fin(),
    ];
    let refuses = "connection_closed +1; forward_to_client +1; ~ A<: seen; ~ A>: member_rst;
        member 0: active -1 packets_out +1 failed +1 failures +1";
    let last = || last_back("", "member_rst");
    let late = || back("", "member_rst");
    let rst = [refuses.to_owned(), last(), last(), last(), last(), late(), late(), same()];
    check(
        [
            everywhere("SYN", &A.member("S"), syn),
            everywhere("SYN-ACK", &A.member("SA"), syn_ack),
            everywhere("FIN", &A.member("FA"), fins),
            everywhere("RST", &A.member("RA"), rst),
        ]
        .into_iter()
        .flatten(),
    );
}
