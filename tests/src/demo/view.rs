//! What `qlb status` and `qlb conns` say, as the claims need it.

use std::net::SocketAddr;

use serde_json::Value;

use super::Failure;
use super::json::Json;

/// A pool in `qlb status -o json`.
#[derive(Clone, Debug)]
pub(super) struct PoolView {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) active: u64,
    pub(super) total: u64,
    pub(super) members: Vec<MemberView>,
}

/// A member of it.
#[derive(Clone, Debug)]
pub(super) struct MemberView {
    pub(super) at: SocketAddr,
    pub(super) state: String,
    pub(super) active: u64,
    pub(super) total: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// A connection in `qlb conns -o json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConnectionView {
    pub(super) member: SocketAddr,
    pub(super) nat: SocketAddr,
    pub(super) state: String,
}

pub(super) fn pools(command: &str, answer: &Value) -> Result<Vec<PoolView>, Failure> {
    let pool = |json: Json<'_>| {
        let members = json.list("/members")?.into_iter().map(member);
        Ok(PoolView {
            id: json.text("/id")?,
            method: json.text("/lb_method")?,
            active: json.number("/connections/active")?,
            total: json.number("/connections/total")?,
            members: members.collect::<Result<_, Failure>>()?,
        })
    };
    Json { command, value: answer }.list("/pools")?.into_iter().map(pool).collect()
}

fn member(json: Json<'_>) -> Result<MemberView, Failure> {
    let port = u16::try_from(json.number("/port")?).unwrap_or_default();
    Ok(MemberView {
        at: SocketAddr::new(json.parsed("/address")?, port),
        state: json.text("/state")?,
        active: json.number("/active_connections")?,
        total: json.number("/total_connections")?,
        bytes_in: json.number("/bytes_in")?,
        bytes_out: json.number("/bytes_out")?,
    })
}

pub(super) fn connections(command: &str, answer: &Value) -> Result<Vec<ConnectionView>, Failure> {
    let connection = |json: Json<'_>| {
        Ok(ConnectionView {
            member: json.parsed("/member_address")?,
            nat: json.parsed("/nat")?,
            state: json.text("/state")?,
        })
    };
    Json { command, value: answer }.list("/connections")?.into_iter().map(connection).collect()
}
