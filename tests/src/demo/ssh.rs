//! Chapters: twenty ssh logins, then a member is drained under them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::controller::Controller;
use super::node::{Node, short};
use super::served::{Pairs, Served, claim_source, claim_turns, counts};
use super::view::PoolView;
use super::{Failure, Story};
use crate::topology::SSH_POOL;
use crate::{SshSession, wait_for};

const LOGINS: usize = 20;

/// Logins while a member drains.
pub(super) const LATER: usize = 4;

/// Closing is seen by the datapath with the last FIN; this covers a busy machine.
const DEADLINE: Duration = Duration::from_secs(5);

pub(super) fn tell(
    story: &mut Story,
    node: &Node,
    controller: &Controller,
) -> Result<Vec<Served>, Failure> {
    let vip = SSH_POOL.vip;
    story.paper.chapter(&format!("{LOGINS} ssh logins to {vip}, one by one, all held open"))?;
    let mut sessions = log_in(story, node, 0, LOGINS)?;
    let served = all(&sessions);
    claim_turns(story, &served, SSH_POOL.members, "leastconn: the members took turns")?;
    claim_source(story, &served, vip.ip())?;

    controller.show(story, &["conns", short(&SSH_POOL)])?;
    let known = controller.connections(&SSH_POOL)?;
    let open = known.iter().filter(|connection| connection.state == "ESTABLISHED");
    let known: BTreeSet<_> = open.map(|connection| (connection.member, connection.nat)).collect();
    let held: BTreeSet<_> = sessions.iter().map(|session| (session.at, session.seen)).collect();
    story.claim(known == held, "conntrack lists what the members see, pair by pair", || {
        format!("{known:?} in conntrack, {held:?} at the members")
    })?;
    controller.show(story, &["status", short(&SSH_POOL)])?;
    let status = controller.pool(&SSH_POOL)?;
    let even = status.members.iter().all(|member| member.active == LOGINS as u64 / 2);
    let text = format!("{LOGINS} active connections, {} on each member", LOGINS / 2);
    story.claim(even && status.active == LOGINS as u64, &text, || actives(&status))?;

    drain(story, node, controller, &mut sessions)?;
    let served = all(&sessions);
    log_out(story, controller, sessions)?;
    Ok(served)
}

fn log_in(
    story: &Story,
    node: &Node,
    before: usize,
    count: usize,
) -> Result<Vec<SshSession>, Failure> {
    story.paper.columns(&Pairs::heading("login"))?;
    let mut pairs = Pairs::after(before);
    let client = &node.ssh.client().namespace;
    let mut sessions = Vec::new();
    for _ in 0..count {
        story.interrupt.check()?;
        let session = SshSession::open(client, SSH_POOL.vip.ip(), &node.keys, &[])?;
        if let Some(line) = pairs.add(&session.member, &session.seen.to_string()) {
            story.paper.line(&line)?;
        }
        sessions.push(session);
    }
    Ok(sessions)
}

fn drain(
    story: &mut Story,
    node: &Node,
    controller: &Controller,
    sessions: &mut Vec<SshSession>,
) -> Result<(), Failure> {
    let [leaving, staying] = SSH_POOL.members;
    story.paper.chapter(&format!("{} leaves while {LOGINS} sessions are open", leaving.ip()))?;
    controller.show(story, &["member", "drain", short(&SSH_POOL), &leaving.to_string()])?;
    claim_states(story, controller, ["DRAINING", "READY"])?;

    let late = log_in(story, node, LOGINS, LATER)?;
    let text = format!("{LATER} new logins all went to {}", staying.ip());
    let others = late.iter().all(|session| session.at == staying);
    story.claim(others, &text, || format!("{:?}", counts(&all(&late))))?;
    let silent = sessions
        .iter_mut()
        .filter_map(|session| (!session.repeats("still-there")).then(|| session.seen.to_string()));
    let silent: Vec<String> = silent.collect();
    let text = format!("all {LOGINS} held sessions still answer, those on {} too", leaving.ip());
    story.claim(silent.is_empty(), &text, || format!("silent: {}", silent.join(" ")))?;
    sessions.extend(late);
    Ok(())
}

fn log_out(
    story: &mut Story,
    controller: &Controller,
    sessions: Vec<SshSession>,
) -> Result<(), Failure> {
    let count = sessions.len();
    story.paper.chapter(&format!("All {count} sessions log out"))?;
    let mut orderly = 0;
    for session in sessions {
        story.interrupt.check()?;
        orderly += usize::from(session.close()?);
    }
    let text = format!("{count} of {count} sessions ended with exit code 0");
    story.claim(orderly == count, &text, || orderly.to_string())?;
    claim_idle(story, controller)?;
    let back = SSH_POOL.members[0].to_string();
    controller.show(story, &["member", "set", short(&SSH_POOL), &back, "--weight", "1"])?;
    claim_states(story, controller, ["READY", "READY"])
}

fn claim_states(
    story: &mut Story,
    controller: &Controller,
    expected: [&str; 2],
) -> Result<(), Failure> {
    let status = controller.pool(&SSH_POOL)?;
    let found = |at: &SocketAddr| {
        let member = status.members.iter().find(|member| member.at == *at);
        member.map_or("missing", |member| member.state.as_str())
    };
    let states = SSH_POOL.members.each_ref().map(found);
    let [first, second] = SSH_POOL.members;
    let [one, two] = expected;
    let text = format!("{} is {one}, {} is {two}", first.ip(), second.ip());
    story.claim(states == expected, &text, || states.join(" and "))
}

fn claim_idle(story: &mut Story, controller: &Controller) -> Result<(), Failure> {
    let idle = || {
        let status = controller.pool(&SSH_POOL).map_err(|error| error.to_string())?;
        let idle = status.active == 0 && status.members.iter().all(|member| member.active == 0);
        if idle { Ok(()) } else { Err(actives(&status)) }
    };
    let idle = wait_for(idle, DEADLINE, "no active connection");
    story.claim(idle.is_ok(), "every active count is 0 again", || {
        idle.err().map(|error| error.to_string()).unwrap_or_default()
    })
}

fn actives(status: &PoolView) -> String {
    let members = status.members.iter().map(|member| format!("{} {}", member.at, member.active));
    format!("{} active ({})", status.active, members.collect::<Vec<_>>().join(", "))
}

fn all(sessions: &[SshSession]) -> Vec<Served> {
    let served = |session: &SshSession| Served {
        pool: SSH_POOL.id,
        member: session.at,
        seen: session.seen.ip(),
    };
    sessions.iter().map(served).collect()
}
