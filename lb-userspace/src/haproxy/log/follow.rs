//! From events to connections that ended.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use lb_common::state::{End, Event, Happening, PhaseBits};

use super::counts::Counts;
use super::line::Ended;
use crate::registry::Served;
use crate::report::{Clocks, termination};

/// Most connections whose retries are remembered; more have none.
const ROOM: usize = 65_536;

/// What has to be remembered of connections between their events.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// How many members had a connection before, by its client.
    retries: HashMap<SocketAddr, u32>,
    pub(super) counts: Counts,
}

/// What became of a connection, for whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on, or its end says nothing of anybody.
    Nothing,
    /// The member did not accept it; nobody else got it.
    Failed(u32),
    /// The member did not accept it; another one got it.
    Redispatched(u32),
    /// The client broke it off, or was silent for too long.
    ClientAbort(u32),
    /// The member broke it off.
    ServerError(u32),
    /// The member was silent for too long.
    ServerSilent(u32),
}

impl Follower {
    /// Follows an event. Answers with the line that it is worth, if any, and what became of the connection.
    pub(super) fn follow(
        &mut self,
        served: &Served,
        event: &Event,
        clocks: Clocks,
    ) -> (Option<Ended>, Outcome) {
        let client = SocketAddr::new(event.client.src.into(), event.client.sport.get());
        self.counts.change(event, 1);
        match event.happening() {
            Some(Happening::Open) => {
                self.retries.remove(&client);
                (None, Outcome::Nothing)
            }
            Some(Happening::Redispatch) => {
                if self.retries.len() < ROOM {
                    *self.retries.entry(client).or_default() += 1;
                }
                (None, Outcome::Redispatched(event.previous))
            }
            Some(Happening::Close) => {
                let retries = self.retries.remove(&client).unwrap_or(0);
                let ended = shows(event).then(|| self.ended(served, event, clocks, retries));
                (ended, outcome(event))
            }
            Some(Happening::Refuse) => {
                (Some(self.ended(served, event, clocks, 0)), Outcome::Nothing)
            }
            // Newer than this program.
            None => (None, Outcome::Nothing),
        }
    }

    fn ended(&self, served: &Served, event: &Event, clocks: Clocks, retries: u32) -> Ended {
        let Served { record, pool } = served;
        let opened = clocks.real + Duration::from_nanos(event.opened);
        let millis = |until: u64| until.saturating_sub(event.opened) / 1_000_000;
        let name = |index: u32| {
            let member = record.members.iter().find(|member| member.index == index);
            // The pool may have another one of that name by now.
            member
                .map_or("(forgotten)", |member| member.id.trim_end_matches(" (before)"))
                .to_owned()
        };
        let refused = event.happening() == Some(Happening::Refuse);
        Ended {
            accepted: opened.saturating_sub(clocks.monotonic),
            client: SocketAddr::new(event.client.src.into(), event.client.sport.get()),
            frontend: pool.vip.as_ref().map(|vip| vip.id.to_string()).unwrap_or_default(),
            backend: pool.id.to_string(),
            server: (!refused).then(|| name(event.member)),
            connect_ms: (event.accepted != 0).then(|| millis(event.accepted)),
            total_ms: millis(event.at),
            bytes: event.bytes_out,
            state: termination(event).unwrap_or("--"),
            frontend_connections: self.counts.pool() + 1,
            backend_connections: self.counts.pool(),
            server_connections: self.counts.member(event.member),
            retries,
        }
    }
}

/// Whether HAProxy would have seen the connection: its kernel shows it no client that never completes the handshake.
/// Where the member has not accepted, HAProxy would have.
fn shows(event: &Event) -> bool {
    let half_open =
        event.facts.contains(PhaseBits::ACCEPTED) && !event.facts.contains(PhaseBits::COMPLETED);
    match event.end() {
        Some(End::Abandoned | End::CrowdedOut) | None => false,
        Some(End::Expired | End::ClientReset | End::Superseded) => !half_open,
        Some(
            End::ClientFin | End::MemberFin | End::MemberReset | End::Drained | End::MarkedDown,
        ) => true,
    }
}

fn outcome(event: &Event) -> Outcome {
    match termination(event) {
        Some("SC" | "sC") => Outcome::Failed(event.member),
        Some("CD" | "CC" | "cD") => Outcome::ClientAbort(event.member),
        Some("SD") => Outcome::ServerError(event.member),
        Some("sD") => Outcome::ServerSilent(event.member),
        Some(_) | None => Outcome::Nothing,
    }
}

#[cfg(test)]
mod tests;
