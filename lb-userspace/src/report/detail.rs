//! Everything that conntrack knows of a connection.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use lb_common::nat::Rewrite;
use lb_common::state::{Flow, PhaseBits};
use serde::Serialize;
use utoipa::ToSchema;

use super::conns::socket;
use crate::datapath::Connection;

/// What the table of connections leaves out.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ConnectionDetail)]
pub(super) struct Detail {
    facts: Vec<&'static str>,
    /// Whether it is one of its member's active connections.
    counted: bool,
    /// From the client's SYN to the member's SYN-ACK.
    connect_ms: Option<f64>,
    client: Side,
    /// Null if the member's entry is gone, or there is none: its answers are not seen.
    member: Option<Side>,
    zone: u16,
    protocol: u8,
    pool_index: u32,
    member_index: u32,
    nat_port: u16,
    to_member: Rewritten,
    to_client: Option<Rewritten>,
    /// Whether packets go to the member as they are, it being their next hop. Both are then what they
    /// would be.
    is_direct: bool,
}

/// What one end has done.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Side {
    /// Since its last packet.
    idle_seconds: f64,
    /// Since it last sent or acknowledged something new.
    quiet_seconds: f64,
    payload: u64,
    /// The sequence number after all that it has sent.
    next: u32,
    /// What it has acknowledged.
    acked: u32,
}

/// Source and destination of packets that leave, and what is added to their checksums (RFC 1624).
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Rewritten {
    #[schema(value_type = String)]
    source: SocketAddr,
    #[schema(value_type = String)]
    destination: SocketAddr,
    address_delta: u16,
    port_delta: u16,
}

pub(super) fn detail(connection: &Connection, now: Duration) -> Detail {
    let Connection { key, client, member } = connection;
    let accepted = client.accepted();
    let facts = client.phase.get();
    Detail {
        facts: names(facts),
        counted: !facts.is_closed(),
        connect_ms: (accepted != 0).then(|| accepted.saturating_sub(client.opened) as f64 / 1e6),
        client: side(client, now),
        member: member.as_ref().map(|member| side(member, now)),
        zone: key.zone,
        protocol: key.protocol,
        pool_index: client.pool(),
        member_index: client.member,
        nat_port: client.rewrite.to.sport.get(),
        is_direct: client.is_direct(),
        to_member: rewritten(&client.rewrite),
        to_client: member.as_ref().map(|member| rewritten(&member.rewrite)),
    }
}

fn side(flow: &Flow, now: Duration) -> Side {
    let since = |nanos: u64| now.saturating_sub(Duration::from_nanos(nanos)).as_secs_f64();
    Side {
        idle_seconds: since(flow.last_seen.get()),
        quiet_seconds: since(flow.last_news.get()),
        payload: flow.payload.get(),
        next: flow.next.get(),
        acked: flow.acked.get(),
    }
}

/// The names of facts about a connection.
pub(super) fn names(facts: PhaseBits) -> Vec<&'static str> {
    let known = PhaseBits::NAMED.iter().filter(|(fact, _)| facts.contains(*fact));
    known.map(|(_, name)| *name).collect()
}

fn rewritten(rewrite: &Rewrite) -> Rewritten {
    let to = &rewrite.to;
    Rewritten {
        source: socket(to.src, to.sport),
        destination: socket(to.dst, to.dport),
        address_delta: rewrite.address_delta,
        port_delta: rewrite.port_delta,
    }
}

impl Detail {
    /// The lines below the connection's row.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { facts, counted, zone, protocol, pool_index, member_index, nat_port, .. } = self;
        let facts = if facts.is_empty() { "none".to_owned() } else { facts.join(" ") };
        let counted = if *counted { "counted as active" } else { "not counted" };
        let connect = self
            .connect_ms
            .map_or("not accepted".to_owned(), |ms| format!("accepted in {ms:.1} ms"));
        writeln!(out, "  facts      {facts}; {counted}; {connect}")?;
        let side = |side: &Side| {
            let Side { idle_seconds, quiet_seconds, payload, next, acked } = side;
            format!(
                "{payload} bytes, idle {idle_seconds:.1}s, nothing new for {quiet_seconds:.1}s, \
                 next {next}, acknowledged {acked}"
            )
        };
        writeln!(out, "  client     {}", side(&self.client))?;
        let none = if self.is_direct { "not seen (dsr)" } else { "no entry" };
        let member = self.member.as_ref().map_or(none.to_owned(), side);
        writeln!(out, "  member     {member}")?;
        let way = |rewritten: &Rewritten| {
            let Rewritten { source, destination, address_delta, port_delta } = rewritten;
            format!("{source} -> {destination}, deltas {address_delta:#06x} {port_delta:#06x}")
        };
        let to_member = match self.is_direct {
            true => format!("as it is, by way of {}", self.to_member.destination.ip()),
            false => way(&self.to_member),
        };
        writeln!(out, "  to member  {to_member}")?;
        let to_client = self.to_client.as_ref().map_or(none.to_owned(), way);
        writeln!(out, "  to client  {to_client}")?;
        writeln!(
            out,
            "  keys       zone {zone}, protocol {protocol}, pool {pool_index}, member {member_index}, \
             NAT port {nat_port}"
        )
    }
}
