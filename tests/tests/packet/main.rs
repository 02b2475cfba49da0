//! Single packets through the compiled object, by BPF_PROG_TEST_RUN: what goes in, what comes out,
//! and everything that changes on the way. Needs root; wants the sandbox.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod admit;
mod case;
mod checksum;
mod close;
mod crowd;
mod dnat;
mod doors;
mod doubt;
mod drain;
mod drift;
mod dsr;
mod dsr_fragments;
mod early;
mod events;
mod expiry;
mod failover;
mod fixtures;
mod fragments;
mod fragments_odd;
mod fragments_udp;
mod front;
mod half_open;
mod harness;
mod hops;
mod icmp;
mod known;
mod malformed;
mod million;
mod open;
mod outer;
mod pass;
mod persist;
mod phases;
mod policies;
mod ports;
mod refuse;
mod reopen;
mod route;
mod schedule;
mod six;
mod udp;
mod udp_dnat;
mod udp_errors;
mod udp_wire;

use std::fmt;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use lb_tests::datapath::{Conn, LISTENER, Tcp};

/// The first client; the first member takes it.
const A: Conn = Conn::new("A", 101, 25_000, 25_000, 0);
/// The second client; the second member takes it.
const B: Conn = Conn::new("B", 102, 26_000, 26_000, 1);

/// What stands for no address.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// What opening a connection changes.
fn opens(conn: &Conn) -> String {
    let Conn { name, member, .. } = conn;
    format!(
        "forward_to_member +1; connection_opened +1;
         member {member}: active +1 connections +1 packets_in +1; + {name}>; + {name}<"
    )
}

/// What a packet of the client's changes that is just forwarded.
fn ahead(conn: &Conn, payload: usize) -> String {
    let Conn { name, member, .. } = conn;
    let (bytes, grown) = match payload {
        0 => (String::new(), String::new()),
        some => (format!(" bytes_in +{some}"), format!(" news payload +{some} next +{some}")),
    };
    format!("forward_to_member +1; member {member}: packets_in +1{bytes}; ~ {name}>: seen{grown}")
}

/// What a packet of the member's changes that is just forwarded.
fn back(conn: &Conn, payload: usize) -> String {
    let Conn { name, member, .. } = conn;
    let (bytes, grown) = match payload {
        0 => (String::new(), String::new()),
        some => (format!(" bytes_out +{some}"), format!(" news payload +{some} next +{some}")),
    };
    format!("forward_to_client +1; member {member}: packets_out +1{bytes}; ~ {name}<: seen{grown}")
}

/// Says something that the test runner does not keep to itself when the test passes.
#[expect(clippy::explicit_write, reason = "the test runner keeps what eprintln! says")]
fn tell(text: fmt::Arguments<'_>) {
    writeln!(io::stderr(), "{text}").unwrap();
}

/// What the client of [`A`] is asked that sends a SYN on its open connection: a keepalive of a member that has got no
/// more than this.
fn question(acked: u32) -> Vec<u8> {
    let ack = Tcp::new(LISTENER, A.client, "A");
    ack.seq(1_999_999).ack(acked).window(0).id(0).frame()
}
