//! Who served a connection, for the pictures and the sums.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::{Failure, Story};

/// One connection through a VIP, as its member describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) pool: &'static str,
    pub(super) member: SocketAddr,
    /// Source address the member saw.
    pub(super) seen: IpAddr,
}

/// Connections per member.
pub(super) fn counts(served: &[Served]) -> BTreeMap<SocketAddr, u64> {
    let mut counts = BTreeMap::new();
    for connection in served {
        *counts.entry(connection.member).or_insert(0) += 1;
    }
    counts
}

/// Claims that two members took turns without a single exception.
pub(super) fn claim_turns(
    story: &mut Story,
    served: &[Served],
    members: [SocketAddr; 2],
    text: &str,
) -> Result<(), Failure> {
    let turns = served.windows(2).all(|pair| pair[0].member != pair[1].member);
    let known = served.iter().all(|connection| members.contains(&connection.member));
    story.claim(turns && known && served.len() > 1, text, || {
        let order = served.iter().map(|connection| connection.member.ip().to_string());
        order.collect::<Vec<_>>().join(" ")
    })
}

/// Claims that members saw `vip` as the source, and nobody else.
pub(super) fn claim_source(
    story: &mut Story,
    served: &[Served],
    vip: IpAddr,
) -> Result<(), Failure> {
    let all = !served.is_empty() && served.iter().all(|connection| connection.seen == vip);
    let text = format!("both members saw {vip} as the source of every connection");
    story.claim(all, &text, || {
        let seen = served.iter().map(|connection| connection.seen.to_string());
        seen.collect::<Vec<_>>().join(" ")
    })
}

/// Two connections a line, so that members that take turns stand in columns.
#[derive(Debug)]
pub(super) struct Pairs {
    left: Option<String>,
    count: usize,
}

impl Pairs {
    /// Counts on from `before` connections.
    pub(super) fn after(before: usize) -> Self {
        Self { left: None, count: before }
    }

    pub(super) fn heading(what: &str) -> String {
        let half = format!("{what:>7}  {:<13}  {:<18}", "member", "source seen");
        format!("{half}    {half}")
    }

    /// Adds a connection; a line that is complete comes back.
    pub(super) fn add(&mut self, member: &str, seen: &str) -> Option<String> {
        self.count += 1;
        let half = format!("{:>7}  {member:<13}  {seen:<18}", self.count);
        match self.left.take() {
            None => {
                self.left = Some(half);
                None
            }
            Some(left) => Some(format!("{left}    {half}")),
        }
    }
}
