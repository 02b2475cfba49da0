//! Events, one line each.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use lb_common::counter;
use lb_common::state::{End, Event, Happening, PhaseBits};
use nix::time::ClockId;
use serde::Serialize;

use super::conns::{socket, transport};
use super::detail::names;
use super::time::rfc3339;
use crate::node::clock;
use crate::registry::Served;

/// How a command prints what it finds, line by line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Lines {
    /// For people.
    #[default]
    Text,
    /// For programs: an object a line.
    Json,
}

/// The clocks at one moment: events carry monotonic time, people want the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Since the kernel's start.
    pub monotonic: Duration,
    /// Since 1970.
    pub real: Duration,
}

impl Clocks {
    /// Reads them.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn now() -> io::Result<Self> {
        Ok(Self {
            monotonic: clock(ClockId::CLOCK_MONOTONIC)?,
            real: clock(ClockId::CLOCK_REALTIME)?,
        })
    }
}

/// An event as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    time: String,
    pool: String,
    event: &'static str,
    protocol: &'static str,
    /// Of a close and a refusal.
    reason: Option<&'static str>,
    /// Of a close and a refusal: what HAProxy's tcplog calls the termination state.
    state: Option<&'static str>,
    client: SocketAddr,
    vip: SocketAddr,
    /// The VIP as the member sees it.
    nat: Option<SocketAddr>,
    member: Option<String>,
    member_address: Option<SocketAddr>,
    /// Of a redispatch: the member that had the connection before.
    previous_member: Option<String>,
    /// From the client's SYN to the member's SYN-ACK, in UDP from the first datagram to the first answer.
    connect_ms: Option<f64>,
    /// From the client's SYN or first datagram to this event.
    age_ms: f64,
    bytes_in: u64,
    bytes_out: u64,
    /// What was known of the connection.
    facts: Vec<&'static str>,
}

/// An event of a pool that is served; `None` if it is newer than this program.
#[must_use]
pub fn event(served: &Served, event: &Event, clocks: Clocks) -> Option<Line> {
    let happening = event.happening()?;
    let at = Duration::from_nanos(event.at);
    let real = (clocks.real + at).saturating_sub(clocks.monotonic);
    let millis = |until: u64| until.saturating_sub(event.opened) as f64 / 1e6;
    let with_member = happening != Happening::Refuse;
    let name = |index: u32| {
        let member = served.record.members.iter().find(|member| member.index == index);
        member.map_or("(forgotten)", |member| member.id.as_str()).to_owned()
    };
    let reason = match happening {
        Happening::Open | Happening::Redispatch => None,
        Happening::Close => event.end().map(End::name),
        Happening::Refuse => refusal(event),
    };
    Some(Line {
        time: rfc3339(real),
        pool: served.pool.id.to_string(),
        event: happening.name(),
        protocol: transport(event.protocol),
        reason,
        state: termination(event),
        client: socket(event.client.src, event.client.sport),
        vip: socket(event.client.dst, event.client.dport),
        nat: with_member.then(|| socket(event.nat.src, event.nat.sport)),
        member: with_member.then(|| name(event.member)),
        member_address: with_member.then(|| socket(event.nat.dst, event.nat.dport)),
        previous_member: (happening == Happening::Redispatch).then(|| name(event.previous)),
        connect_ms: (event.accepted != 0).then(|| millis(event.accepted)),
        age_ms: millis(event.at),
        bytes_in: event.bytes_in,
        bytes_out: event.bytes_out,
        facts: names(event.facts),
    })
}

/// What HAProxy's tcplog calls the termination state; none of what is no end.
#[must_use]
pub fn termination(event: &Event) -> Option<&'static str> {
    match event.happening()? {
        Happening::Open | Happening::Redispatch => None,
        Happening::Close => event.end().map(|end| ended(end, event.facts)),
        Happening::Refuse => refusal(event).map(refused),
    }
}

/// Why a connection was refused.
fn refusal(event: &Event) -> Option<&'static str> {
    counter::all().find(|(number, ..)| *number == event.reason).map(|(_, name, _)| name)
}

/// What HAProxy would call the end (HAProxy configuration manual, section 8.5). Its sockets see a client only after
/// the handshake, so a client that never completes it has no state there; here it counts as one that left.
const fn ended(end: End, facts: PhaseBits) -> &'static str {
    let accepted = facts.contains(PhaseBits::ACCEPTED);
    let established = accepted && facts.contains(PhaseBits::COMPLETED);
    match (end, accepted, established) {
        (End::ClientFin | End::MemberFin, ..) => "--",
        (End::ClientReset | End::Superseded, _, true) => "CD",
        (End::ClientReset | End::Superseded, _, false) => "CC",
        (End::MemberReset, true, _) => "SD",
        (End::MemberReset, false, _) | (End::Abandoned, ..) => "SC",
        (End::Expired, _, true) if facts.contains(PhaseBits::SERVER_IDLE) => "sD",
        (End::Expired, _, true) => "cD",
        (End::Expired, true, false) => "CC",
        (End::Expired, false, _) => "sC",
        (End::CrowdedOut, ..) => "PC",
        (End::Drained, _, true) => "KD",
        (End::Drained, _, false) => "KC",
        (End::MarkedDown, _, true) => "DD",
        (End::MarkedDown, _, false) => "DC",
    }
}

/// Nobody there to serve, or a limit of the balancer's own.
fn refused(reason: &str) -> &'static str {
    if ["refuse_no_member", "refuse_disabled"].contains(&reason) { "SC" } else { "PC" }
}

impl Line {
    /// Prints the line as asked.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, lines: Lines, out: &mut dyn Write) -> io::Result<()> {
        match lines {
            Lines::Text => self.text(out)?,
            Lines::Json => {
                serde_json::to_writer(&mut *out, self)?;
                writeln!(out)?;
            }
        }
        out.flush()
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { time, pool, event, protocol, client, vip, .. } = self;
        write!(out, "{time} {pool} {event} {protocol} {client} {vip}")?;
        if let (Some(member), Some(address), Some(nat)) =
            (&self.member, self.member_address, self.nat)
        {
            write!(out, " {member}/{address} as {nat}")?;
        }
        if let Some(previous) = &self.previous_member {
            write!(out, " instead of {previous}")?;
        }
        if *event == Happening::Close.name() {
            let connect = self.connect_ms.map_or("-1".to_owned(), |ms| format!("{ms:.0}"));
            let Self { age_ms, bytes_in, bytes_out, .. } = self;
            write!(out, " {connect}/{age_ms:.0} ms {bytes_in}/{bytes_out} bytes")?;
        }
        if let (Some(state), Some(reason)) = (self.state, self.reason) {
            write!(out, " {state} {reason}")?;
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_have_the_states_of_tcplog() {
        let established = PhaseBits::ACCEPTED.with(PhaseBits::COMPLETED);
        for (end, facts, state) in [
            (End::ClientFin, established, "--"),
            (End::MemberFin, established, "--"),
            (End::ClientReset, established, "CD"),
            (End::ClientReset, PhaseBits::NONE, "CC"),
            (End::Superseded, established, "CD"),
            (End::MemberReset, established, "SD"),
            (End::MemberReset, PhaseBits::NONE, "SC"),
            (End::Expired, PhaseBits::NONE, "sC"),
            (End::Expired, PhaseBits::ACCEPTED, "CC"),
            (End::Expired, established, "cD"),
            (End::Expired, established.with(PhaseBits::SERVER_IDLE), "sD"),
            (End::Abandoned, PhaseBits::NONE, "SC"),
            (End::CrowdedOut, PhaseBits::ACCEPTED, "PC"),
            (End::Drained, established, "KD"),
            (End::Drained, PhaseBits::NONE, "KC"),
            (End::MarkedDown, established, "DD"),
            (End::MarkedDown, PhaseBits::ACCEPTED, "DC"),
        ] {
            assert_eq!(ended(end, facts), state, "{end:?} {facts:?}");
        }
        assert_eq!(["refuse_no_member", "refuse_no_port"].map(refused), ["SC", "PC"]);
    }
}
