//! `qlb member`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::args::{Health, Member};
use super::values::Limit;
use crate::agent::api::{MemberPatch, NewMember};
use crate::agent::client::{Client, ClientError, part};
use crate::config::model::{MemberSpec, Weight};
use crate::control::{HealthOrder, MemberChange, Settings, change_member, new_member};
use crate::datapath::Maps;
use crate::registry::{Registry, Served};
use crate::report::{self, MemberList, Output, Report as _};

/// Lists the members of a pool, or changes one: through the agent if the pool is its own, so that the change is declared
/// and lasts; else where it is served.
pub(super) fn execute(
    registry: &Registry,
    socket: &Path,
    command: Member,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let (pool, change, done) = match command {
        Member::Add {
            pool,
            address,
            port,
            weight,
            id,
            backup,
            max_connections,
            slow_start,
            admin_state_up,
        } => {
            let settings = Settings {
                weight: Some(weight),
                backup: Some(backup),
                max_connections: max_connections.map(|Limit(most)| most),
                slow_start,
                admin_state_up: Some(admin_state_up),
                health: None,
            };
            (pool, MemberChange::Add(new_member(id, address, port, &settings)?), "added")
        }
        Member::Set {
            pool,
            member,
            weight,
            backup,
            max_connections,
            slow_start,
            admin_state_up,
            health,
        } => {
            let max_connections = max_connections.map(|Limit(most)| most);
            let health = health.map(|health| match health {
                Health::Up => HealthOrder::Up,
                Health::Down => HealthOrder::Down,
                Health::Auto => HealthOrder::Auto,
            });
            let settings =
                Settings { weight, backup, max_connections, slow_start, admin_state_up, health };
            (pool, MemberChange::Set { member, settings }, "changed")
        }
        Member::Drain { pool, member } => {
            let settings = Settings { weight: Some(Weight::try_from(0)?), ..Settings::default() };
            (pool, MemberChange::Set { member, settings }, "draining")
        }
        Member::Remove { pool, member } => (pool, MemberChange::Remove { member }, "removed"),
        Member::List { pool, output } => {
            list(registry, &pool, output, out)?;
            return Ok(0);
        }
    };
    if let Some(code) = through_agent(registry, socket, &pool, &change, done, out)? {
        return Ok(code);
    }
    let member = change_member(registry, &pool, change)?;
    let endpoint = SocketAddr::new(member.address, member.port.get());
    writeln!(out, "member {} {endpoint} {done}", member.id)?;
    Ok(0)
}

fn list(
    registry: &Registry,
    pool: &str,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Served { record, pool } = registry.find(pool)?;
    let maps = Maps::open(&registry.pins(&record))?;
    let health = registry.health(pool.id.as_str())?;
    let members = report::members(&pool, &record, &maps, &health)?;
    Ok(MemberList::new(members).print(output, out)?)
}

/// Has the agent make the change; none if the pool is not its own.
fn through_agent(
    registry: &Registry,
    socket: &Path,
    pool: &str,
    change: &MemberChange,
    done: &str,
    out: &mut impl Write,
) -> anyhow::Result<Option<u8>> {
    let client = Client::new(socket);
    let pool = match client.get(&format!("/v1/pools/{}", part(pool))) {
        Ok(found) => found["pool"]["id"].as_str().unwrap_or(pool).to_owned(),
        Err(ClientError::Refused { status: 404, .. }) => return Ok(None),
        Err(error @ ClientError::Unreachable { .. }) => {
            // Whoever starts the agent again would find the change undone.
            let owned = registry.find(pool).is_ok_and(|it| registry.is_owned(it.pool.id.as_str()));
            return if owned { Err(error.into()) } else { Ok(None) };
        }
        Err(error) => return Err(error.into()),
    };
    let members = format!("/v1/pools/{}/members", part(&pool));
    let at = |member: &str| format!("{members}/{}", part(member));
    let answer = match change {
        MemberChange::Add(member) => client.send("POST", &members, &body(member)?)?,
        MemberChange::Set { member, settings } => {
            client.send("PATCH", &at(member), &serde_json::to_value(patch(settings))?)?
        }
        MemberChange::Remove { member } => client.send("DELETE", &at(member), &Value::Null)?,
    };
    let word = |key: &str| answer[key].as_str().unwrap_or_default();
    writeln!(out, "member {} {} {done}", word("member"), word("endpoint"))?;
    if word("state") == "SERVED" {
        return Ok(Some(0));
    }
    tracing::warn!(
        pool,
        "the change is declared; the pool is {}: {}",
        word("state"),
        word("reason")
    );
    Ok(Some(u8::from(word("state") == "ERROR")))
}

fn body(member: &MemberSpec) -> Result<Value, serde_json::Error> {
    serde_json::to_value(NewMember {
        id: Some(member.id.to_string()),
        address: member.address.to_string(),
        port: member.port.get().into(),
        weight: Some(member.weight.get().into()),
        backup: Some(member.backup),
        max_connections: member.max_connections.map(|most| most.get().into()),
        slow_start: Some(member.slow_start),
        admin_state_up: Some(member.admin_state_up),
    })
}

fn patch(settings: &Settings) -> MemberPatch {
    let Settings { weight, backup, max_connections, slow_start, admin_state_up, health } =
        *settings;
    MemberPatch {
        weight: weight.map(|weight| weight.get().into()),
        backup,
        max_connections: max_connections.map(|most| most.map_or(-1, |most| most.get().into())),
        slow_start,
        admin_state_up,
        health,
    }
}
