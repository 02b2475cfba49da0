//! Who would get a connection, and why.

use std::io::{self, Write};
use std::net::SocketAddr;

use lb_common::counter;
use lb_common::route::{Answer, Choice, Lost};
use lb_common::state::NOBODY;
use serde::Serialize;

use super::conns::socket;
use super::member::{Member, members};
use super::{API_VERSION, Report};
use crate::config::model::{LbMethod, Mode};
use crate::datapath::{DatapathError, Maps};
use crate::monitor::PoolHealth;
use crate::registry::Served;

/// What `qlb route` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    api_version: &'static str,
    route: Row,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    pool: String,
    src: SocketAddr,
    dst: SocketAddr,
    /// The pool's: `nat`, `dnat` or `dsr`.
    mode: Mode,
    /// `forward`, `pass` (left to the stack), `refuse` or `drop`.
    verdict: &'static str,
    /// Name and meaning of what the packet would be counted as.
    outcome: &'static str,
    meaning: &'static str,
    member: Option<Chosen>,
    /// Name of why it is this member.
    reason: Option<&'static str>,
    /// The same in words.
    because: Option<String>,
    /// What the member would see the connection come from.
    nat: Option<SocketAddr>,
    /// Members that would have had it, but cannot take it.
    passed_over: Vec<Passed>,
    /// Whether a connection that is ending has the client's port now, and would make way.
    replaces: bool,
    /// Whether it is a UDP flow that leaves its member, which is gone or cannot be reached.
    moves: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Chosen {
    id: String,
    address: SocketAddr,
    state: &'static str,
    backup: bool,
    active_connections: u32,
}

#[derive(Clone, Debug, Serialize)]
struct Passed {
    id: String,
    address: SocketAddr,
    /// `persistence`, or `method` for the method's first choice.
    wanted_by: &'static str,
    /// Why it cannot: `full`, `ejected` or `other`.
    lost: &'static str,
    meaning: &'static str,
}

/// The datapath's `answer` about a connection from `src` to `dst`, for people.
///
/// # Errors
/// When a map cannot be read.
pub fn route(
    served: &Served,
    maps: &Maps,
    (src, dst): (SocketAddr, SocketAddr),
    answer: &Answer,
) -> Result<Route, DatapathError> {
    let members = members(&served.pool, &served.record, maps, &PoolHealth::default())?;
    let choice = Choice::ALL.iter().find(|choice| choice.number() == answer.choice);
    let (outcome, meaning) = counter::all()
        .find(|(number, ..)| *number == answer.outcome)
        .map_or(("unknown", ""), |(_, name, meaning)| (name, meaning));
    let passed = [
        passed(served, answer.kept, answer.kept_lost, Choice::Persistence.name()),
        passed(served, answer.due, answer.due_lost, Choice::Method.name()),
    ];
    let row = Row {
        pool: served.pool.id.to_string(),
        src,
        dst,
        mode: served.pool.mode,
        verdict: verdict(outcome),
        outcome,
        meaning,
        member: chosen(served, &members, answer.member),
        reason: choice.map(|choice| choice.name()),
        because: choice.map(|choice| because(*choice, served.pool.lb_method)),
        nat: (answer.outgoing != Default::default())
            .then(|| socket(answer.outgoing.src, answer.outgoing.sport)),
        passed_over: passed.into_iter().flatten().collect(),
        replaces: answer.replaces == Answer::MAKES_WAY,
        moves: [Answer::MOVES, Answer::RETRIES].contains(&answer.replaces),
    };
    Ok(Route { api_version: API_VERSION, route: row })
}

fn verdict(outcome: &str) -> &'static str {
    let all = ["forward", "pass", "refuse", "drop"];
    all.into_iter().find(|verdict| outcome.starts_with(verdict)).unwrap_or("unknown")
}

fn because(choice: Choice, method: LbMethod) -> String {
    match choice {
        Choice::Method => by(method).to_owned(),
        Choice::Known | Choice::Persistence | Choice::Next | Choice::LastResort => {
            choice.help().trim().to_owned()
        }
    }
}

/// What makes a member the first choice.
const fn by(method: LbMethod) -> &'static str {
    match method {
        LbMethod::RoundRobin => "it is its turn in round robin",
        LbMethod::LeastConnections => "it has the fewest connections for its weight",
        LbMethod::SourceIp => "the client's address leads to it",
        LbMethod::SourceIpPort => "the client's address and port lead to it",
        LbMethod::LeastResponseTime => {
            "it takes the shortest time to accept, by connections and weight"
        }
    }
}

fn chosen(served: &Served, members: &[Member], index: u32) -> Option<Chosen> {
    let known = served.record.members.iter().find(|known| known.index == index)?;
    let same =
        |member: &&Member| member.id == known.id && (member.state == "REMOVED") == known.removed;
    let member = members.iter().find(same)?;
    let spec = served.pool.members.iter().find(|spec| spec.id.as_str() == known.id);
    Some(Chosen {
        id: known.id.clone(),
        address: known.endpoint,
        state: member.state,
        backup: !known.removed && spec.is_some_and(|spec| spec.backup),
        active_connections: member.active_connections,
    })
}

fn passed(served: &Served, index: u32, lost: u32, wanted_by: &'static str) -> Option<Passed> {
    if index == NOBODY {
        return None;
    }
    let known = served.record.members.iter().find(|known| known.index == index)?;
    let lost = Lost::ALL.iter().find(|all| all.number() == lost)?;
    let (id, address) = (known.id.clone(), known.endpoint);
    Some(Passed { id, address, wanted_by, lost: lost.name(), meaning: lost.help().trim() })
}

impl Report for Route {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let row = &self.route;
        writeln!(out, "pool {}  {} -> {}", row.pool, row.src, row.dst)?;
        match (&row.member, row.verdict) {
            (Some(member), "forward") if row.outcome == "forward_to_client" => {
                writeln!(out, "  client of {} {}", member.id, member.address)?;
            }
            (Some(member), "forward") => print(member, out)?,
            (Some(member), _) => {
                writeln!(out, "  nobody: {} ({})", row.meaning, row.outcome)?;
                print(member, out)?;
            }
            (None, _) => writeln!(out, "  nobody: {} ({})", row.meaning, row.outcome)?,
        }
        if let Some(because) = &row.because {
            writeln!(out, "  because {because}")?;
        }
        for passed in &row.passed_over {
            let Passed { id, address, meaning, .. } = passed;
            let who = match passed.wanted_by {
                "persistence" => "the client's member before",
                _ => "the method's first choice",
            };
            writeln!(out, "  not {id} {address}, {who}: {meaning}")?;
        }
        if let Some(nat) = row.nat {
            let mode =
                if row.mode == Mode::Nat { String::new() } else { format!("  ({})", row.mode) };
            writeln!(out, "  seen as {nat}{mode}")?;
        }
        if row.replaces {
            writeln!(out, "  in place of a connection on the same client port that is ending")?;
        }
        if row.moves {
            writeln!(out, "  instead of the flow's member, which is gone or cannot be reached")?;
        }
        Ok(())
    }
}

fn print(member: &Chosen, out: &mut dyn Write) -> io::Result<()> {
    let Chosen { id, address, state, active_connections, .. } = member;
    let backup = if member.backup { " (backup)" } else { "" };
    writeln!(out, "  member {id} {address}  {state}{backup}, {active_connections} active")
}
