//! `qlb pool` and `qlb monitor`: changing what the agent serves.

use std::io::{self, Write};

use serde_json::Value;

use super::agent_args::{How, Kind};
use super::monitor_args::Monitor;
use super::pool_args::Pool;
use super::{agent_commands, plans, things};
use crate::agent::AgentError;
use crate::agent::client::{Client, ClientError, part};
use crate::agent::plan::Plan;
use crate::registry::Registry;

/// A request that changes a pool.
struct Change<'a> {
    pool: &'a str,
    method: &'static str,
    /// The address below that of the pool.
    below: String,
    body: Value,
    how: How,
}

/// Executes `qlb pool`.
pub(super) fn pool(
    registry: &Registry,
    client: &Client,
    command: Pool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    match command {
        Pool::Set { pool, settings, how } => {
            let body = settings.patch()?;
            let change = Change { pool: &pool, method: "PATCH", below: String::new(), body, how };
            change.make(registry, client, out)
        }
        Pool::List(listing) => agent_commands::list(client, Kind::Pools, &listing, out),
        Pool::Show(shown) => agent_commands::show(client, &shown, out),
        Pool::Delete(removal) => agent_commands::delete(client, &removal, out),
    }
}

/// Executes `qlb monitor`.
pub(super) fn monitor(
    registry: &Registry,
    client: &Client,
    command: Monitor,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let at = |monitor: &str| format!("/monitors/{}", part(monitor));
    let (pool, method, below, body, how) = match command {
        Monitor::Add { pool, kind, settings, how } => {
            (pool, "POST", "/monitors".to_owned(), settings.new_monitor(&kind), how)
        }
        Monitor::Set { pool, monitor, settings, how } => {
            (pool, "PATCH", at(&monitor), settings.patch(), how)
        }
        Monitor::Remove { pool, monitor, how } => (pool, "DELETE", at(&monitor), Value::Null, how),
        Monitor::List(listing) => {
            return agent_commands::list(client, Kind::Monitors, &listing, out);
        }
    };
    Change { pool: &pool, method, below, body, how }.make(registry, client, out)
}

impl Change<'_> {
    fn make(
        &self,
        registry: &Registry,
        client: &Client,
        out: &mut impl Write,
    ) -> anyhow::Result<u8> {
        let Self { pool, method, below, body, how } = self;
        let path = format!("/v1/pools/{}{below}?dry_run={}", part(pool), how.dry_run);
        let answer =
            client.send(method, &path, body).map_err(|error| blame(registry, pool, error))?;
        let plan: Plan = serde_json::from_value(answer.clone())?;
        let mut changes = plan.steps.iter().flat_map(|step| &step.changes);
        if changes.any(|change| change.field == "max_connections") {
            writeln!(
                io::stderr(),
                "qlb: max_connections is room in the pool's maps, and holds when they are made anew"
            )?;
        }
        if things::document(&answer, how.output, out)? {
            return Ok(plans::code(&plan));
        }
        Ok(plans::print(&plan, out)?)
    }
}

/// Says whose a pool is that is served, but not by the agent.
fn blame(registry: &Registry, pool: &str, error: ClientError) -> anyhow::Error {
    let is_unknown = match &error {
        ClientError::Refused { code, .. } => code == "no_such_pool",
        ClientError::Unreachable { .. } => true,
        ClientError::Strange { .. } => false,
    };
    let served = registry.find(pool).ok().filter(|it| !registry.is_owned(it.pool.id.as_str()));
    match served {
        Some(served) if is_unknown => {
            let id = served.pool.id.to_string();
            AgentError::Foreign { controller: registry.controller(&id), pool: id }.into()
        }
        Some(_) | None => error.into(),
    }
}
