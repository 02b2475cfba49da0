//! Chapter: the second tutorial's web servers.

use std::net::{IpAddr, SocketAddr};

use super::controller::Controller;
use super::node::Node;
use super::served::{Pairs, Served, claim_source, claim_turns};
use super::{Failure, Story};
use crate::topology::WEB_POOL;
use crate::{Error, Response, curl};

const REQUESTS: usize = 10;

pub(super) fn tell(
    story: &mut Story,
    node: &Node,
    controller: &Controller,
) -> Result<Vec<Served>, Failure> {
    let vip = WEB_POOL.vip;
    let url = format!("http://{vip}/");
    story
        .paper
        .chapter(&format!("{REQUESTS} requests for {url}, each on a connection of its own"))?;
    story.paper.columns(&Pairs::heading("request"))?;
    let mut pairs = Pairs::after(0);
    let mut served = Vec::new();
    for _ in 0..REQUESTS {
        story.interrupt.check()?;
        let answer = curl(&node.web.client().namespace, &url, &[])?;
        let one = read(&answer)?;
        if let Some(line) = pairs.add(&one.member.ip().to_string(), &one.seen.to_string()) {
            story.paper.line(&line)?;
        }
        served.push(one);
    }
    claim_turns(story, &served, WEB_POOL.members, "roundrobin: exactly in turn")?;
    claim_source(story, &served, vip.ip())?;
    let total = controller.pool(&WEB_POOL)?.total;
    let text = format!("qlb counted {REQUESTS} connections, neither more nor less");
    story.claim(total == REQUESTS as u64, &text, || total.to_string())?;
    Ok(served)
}

/// What nginx puts into its answer's header.
fn read(answer: &Response) -> Result<Served, Failure> {
    let address = |name: &str| -> Result<IpAddr, Failure> {
        let found = answer.header(name).unwrap_or_default();
        let missing =
            || Error::Unexpected { what: format!("header {name}"), found: format!("{answer:?}") };
        Ok(found.parse().map_err(|_| missing())?)
    };
    let member = SocketAddr::new(address("X-Member")?, WEB_POOL.vip.port());
    Ok(Served { pool: WEB_POOL.id, member, seen: address("X-Seen-From")? })
}
