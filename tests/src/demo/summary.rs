//! Chapter: everything in one table.

use std::collections::BTreeSet;
use std::time::Duration;

use super::controller::Controller;
use super::node::short;
use super::served::{Served, counts};
use super::ssh::LATER;
use super::table::Table;
use super::view::PoolView;
use super::{Failure, Story};
use crate::topology::{SSH_POOL, SeedPool, WEB_POOL};
use crate::wait_for;

const DEADLINE: Duration = Duration::from_secs(5);

/// Columns of the table; [`rows`] fills them.
const HEADING: [&str; 10] = [
    "pool",
    "VIP",
    "method",
    "member",
    "connections",
    "share",
    "source seen",
    "active now",
    "bytes in",
    "bytes out",
];

/// What was counted, taken while qlb was there to ask.
#[derive(Debug)]
pub(super) struct Summary {
    table: Table,
    wrong: Vec<String>,
}

impl Summary {
    pub(super) fn collect(controller: &Controller, served: &[Served]) -> Result<Self, Failure> {
        let settled = || {
            let pools = controller.status().map_err(|error| error.to_string())?;
            let active: u64 = pools.iter().map(|pool| pool.active).sum();
            if active == 0 { Ok(()) } else { Err(format!("{active} active")) }
        };
        // Only a chance for the last FIN: what is active after it is shown and found wrong.
        let _ = wait_for(settled, DEADLINE, "no active connection");
        let status = controller.status()?;
        let mut table = Table::new(HEADING);
        let mut wrong = Vec::new();
        for seed in [&SSH_POOL, &WEB_POOL] {
            let mine: Vec<Served> =
                served.iter().filter(|connection| connection.pool == seed.id).copied().collect();
            match status.iter().find(|pool| pool.id == seed.id) {
                Some(pool) => wrong.extend(rows(&mut table, seed, pool, &mine)),
                None => wrong.push(format!("no pool {}", seed.id)),
            }
        }
        Ok(Self { table, wrong })
    }

    pub(super) fn tell(&self, story: &mut Story) -> Result<(), Failure> {
        story.paper.chapter("What qlb counted, beside what the members saw")?;
        story.paper.table(&self.table)?;
        let [leaving, _] = SSH_POOL.members;
        let drained = format!("(the last {LATER} ssh logins came while {leaving} was draining)");
        story.paper.line(&drained)?;
        let text = "qlb's counts are the members', none is active, bytes went both ways";
        story.claim(self.wrong.is_empty(), text, || self.wrong.join(", "))
    }
}

/// A pool's rows; what in them is not as it must be comes back.
fn rows(table: &mut Table, seed: &SeedPool, pool: &PoolView, served: &[Served]) -> Vec<String> {
    let mut wrong = Vec::new();
    let counts = counts(served);
    for member in &pool.members {
        let mine = served.iter().filter(|connection| connection.member == member.at);
        let seen: BTreeSet<String> = mine.map(|connection| connection.seen.to_string()).collect();
        let share = (100 * member.total + pool.total / 2) / pool.total.max(1);
        table.row([
            short(seed).into(),
            seed.vip.to_string(),
            pool.method.clone(),
            member.at.to_string(),
            member.total.to_string(),
            format!("{share} %"),
            seen.into_iter().collect::<Vec<_>>().join(" "),
            member.active.to_string(),
            member.bytes_in.to_string(),
            member.bytes_out.to_string(),
        ]);
        let expected = counts.get(&member.at).copied().unwrap_or(0);
        let at = member.at;
        if member.total != expected {
            wrong.push(format!("{at} counted {}, served {expected}", member.total));
        }
        if member.active != 0 {
            wrong.push(format!("{at} still {} active", member.active));
        }
        if member.total > 0 && (member.bytes_in == 0 || member.bytes_out == 0) {
            wrong.push(format!("{at} {} bytes in, {} out", member.bytes_in, member.bytes_out));
        }
    }
    if pool.members.len() != seed.members.len() {
        wrong.push(format!("{} members in {}", pool.members.len(), seed.id));
    }
    wrong
}
