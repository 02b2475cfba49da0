//! From the commands of the agent to its API, and to an exit code.

use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::agent_args::{
    Agent, AgentCommand, Delete, Describe, Document, Form, Kind, Listing, Removal, Shown,
};
use super::commands::load_options;
use super::things::{GARBAGE, MEMBERS, MONITORS, POOLS, Things};
use super::{announce, manual, plans, pools, things};
use crate::agent::client::{Client, ClientError, part};
use crate::agent::gc::{self, Owned};
use crate::agent::plan::{Plan, document};
use crate::agent::{AgentError, AgentOptions, SocketOptions, run};
use crate::config::{self, Verdict};
use crate::control::{AttachChoice, Home, Rounds, ServeOptions};
use crate::datapath::Options;
use crate::node::enter_root_mounts;
use crate::registry::Registry;

/// How often `-w` looks.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn execute(
    registry: &Registry,
    socket: &Path,
    command: AgentCommand,
) -> anyhow::Result<u8> {
    let client = Client::new(socket);
    let mut out = io::stdout().lock();
    match command {
        AgentCommand::Agent(agent) => {
            drop(out);
            run(registry, &options(socket, agent))?;
            Ok(0)
        }
        AgentCommand::Apply { document, dry_run } => {
            let plan = apply(&client, &document, dry_run)?;
            Ok(plans::print(&plan, &mut out)?)
        }
        AgentCommand::Diff { document } => {
            let plan = apply(&client, &document, true)?;
            plans::differences(&plan, &mut out)?;
            Ok(u8::from(!plan.is_empty()))
        }
        AgentCommand::Get { kind, listing } => list(&client, kind, &listing, &mut out),
        AgentCommand::Describe(Describe::Pool(shown)) => show(&client, &shown, &mut out),
        AgentCommand::Describe(Describe::Member { pool, member }) => {
            let path = format!("/v1/pools/{}/members/{}", part(&pool), part(&member));
            things::fields(&client.get(&path)?, &mut out)?;
            Ok(0)
        }
        AgentCommand::Delete(Delete::Pool(removal)) => delete(&client, &removal, &mut out),
        AgentCommand::Pool(command) => pools::pool(registry, &client, command, &mut out),
        AgentCommand::Monitor(command) => pools::monitor(registry, &client, command, &mut out),
        AgentCommand::Announce { pool, rounds, output } => {
            announce::execute(registry, &client, pool.as_deref(), Rounds(rounds), output, &mut out)
        }
        AgentCommand::Gc { dry_run, output } => {
            enter_root_mounts()?;
            let garbage = gc::collect(registry, &owned(registry, &client)?, dry_run)?;
            let found = serde_json::to_value(garbage)?;
            let is_empty = found["items"].as_array().is_none_or(Vec::is_empty);
            if is_empty && matches!(output, Form::Table | Form::Wide) {
                writeln!(io::stderr(), "qlb: nothing belongs to nobody")?;
            } else {
                GARBAGE.print(&found, output, true, None, &mut out)?;
            }
            let failed = |item: &Value| !item["error"].is_null();
            Ok(u8::from(found["items"].as_array().is_some_and(|items| items.iter().any(failed))))
        }
        AgentCommand::Completions { shell } => {
            manual::completions(shell, &mut out);
            Ok(0)
        }
        AgentCommand::Man { dir } => {
            manual::pages(&dir)?;
            Ok(0)
        }
    }
}

/// Lists things, once or for ever.
pub(super) fn list(
    client: &Client,
    kind: Kind,
    Listing { pool, output, watch, no_headers }: &Listing,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let mut before: Option<Value> = None;
    loop {
        let (things, found) = get(client, kind, pool.as_deref())?;
        let headers = !no_headers && before.is_none();
        things.print(&found, *output, headers, before.as_ref(), out)?;
        out.flush()?;
        if before.is_none() {
            problems(client)?;
        }
        if !*watch {
            return Ok(0);
        }
        before = Some(found);
        thread::sleep(LOOK);
    }
}

/// Tells everything of a pool.
pub(super) fn show(client: &Client, shown: &Shown, out: &mut impl Write) -> anyhow::Result<u8> {
    let found = client.get(&format!("/v1/pools/{}", part(&shown.pool)))?;
    if !things::document(&found, shown.output, out)? {
        things::describe_pool(&found, out)?;
    }
    Ok(0)
}

/// Declares a pool no more.
pub(super) fn delete(
    client: &Client,
    Removal { pool, dry_run }: &Removal,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let path = format!("/v1/pools/{}?dry_run={dry_run}", part(pool));
    let plan = serde_json::from_value(client.send("DELETE", &path, &Value::Null)?)?;
    Ok(plans::print(&plan, out)?)
}

/// Says what is wrong with files of the desired state; it concerns whoever looks at what they declare.
fn problems(client: &Client) -> anyhow::Result<()> {
    let health = client.get("/v1/health")?;
    for problem in things::list(&health["problems"]).iter().filter_map(Value::as_str) {
        writeln!(io::stderr(), "qlb: {problem}")?;
    }
    Ok(())
}

/// What the agent has. It may not look into every process, so this one looks for what is nobody's.
fn owned(registry: &Registry, client: &Client) -> anyhow::Result<Owned> {
    let pools = match client.get("/v1/pools") {
        Ok(pools) => pools,
        Err(ClientError::Unreachable { .. }) if registry.agent().is_none() => {
            tracing::info!("no agent runs: namespaces are left alone");
            return Ok(Owned::default());
        }
        Err(error) => return Err(error.into()),
    };
    let words = |key: &str| {
        let words = things::list(&pools["pools"]).iter().filter_map(|pool| pool[key].as_str());
        words.map(str::to_owned).collect()
    };
    Ok(Owned { ids: words("id"), namespaces: Some(words("namespace")) })
}

fn options(socket: &Path, agent: Agent) -> AgentOptions {
    AgentOptions {
        state_dir: agent.state_dir,
        socket: SocketOptions {
            path: socket.to_owned(),
            mode: agent.socket_mode,
            group: agent.socket_group,
        },
        metrics_listen: agent.metrics_listen,
        upgrade: agent.upgrade,
        detach_on_exit: agent.detach_on_exit,
        keep_privileges: agent.keep_privileges,
        exit_when_idle: agent.exit_when_idle,
        serve: ServeOptions {
            attach: agent.at.attach,
            hook: agent.at.hook,
            datapath: Options::for_connections(agent.max_connections),
            share: !agent.isolate && agent.at.attach != AttachChoice::Xdp,
            home: Home::with_room(agent.node_connections),
            announce: Rounds(agent.at.announce),
        },
    }
}

/// Reads the file here, where its lines can be named, and has the agent apply it.
fn apply(client: &Client, file: &Document, dry_run: bool) -> anyhow::Result<Plan> {
    let options = load_options(file.persistence_fallback);
    let loaded = if file.file.as_os_str() == "-" {
        config::parse("(standard input)", io::read_to_string(io::stdin())?.as_bytes(), &options)
    } else {
        config::load(&file.file, &options)
    };
    let loaded = loaded.map_err(AgentError::from)?;
    let name = file.file.display();
    let refused: Vec<String> = loaded
        .findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Unsupported)
        .map(|finding| format!("  {name}:{}: {}", finding.line, finding.text))
        .collect();
    if !refused.is_empty() {
        let text = format!("{name} has lines that qlb cannot honour:\n{}", refused.join("\n"));
        return Err(AgentError::Document(text).into());
    }
    for finding in loaded.findings.iter().filter(|it| it.verdict == Verdict::Degraded) {
        tracing::warn!("{name}:{}: degraded: {}", finding.line, finding.text);
    }
    let pools: Vec<Value> = loaded.pools.iter().map(document).collect();
    let path = format!("/v1/apply?dry_run={dry_run}");
    Ok(serde_json::from_value(client.send("POST", &path, &json!({ "pools": pools }))?)?)
}

/// What is listed, and how it is printed.
fn get(
    client: &Client,
    kind: Kind,
    pool: Option<&str>,
) -> anyhow::Result<(&'static Things, Value)> {
    let one = |pool: &str| client.get(&format!("/v1/pools/{}", part(pool)));
    Ok(match kind {
        Kind::Pools => {
            let mut all = client.get("/v1/pools")?;
            if let Some(pool) = pool {
                all["pools"] = json!([one(pool)?["pool"]]);
            }
            (&POOLS, all)
        }
        Kind::Members => {
            let mut all = client.get("/v1/pools")?;
            let pools = match pool {
                Some(pool) => vec![one(pool)?["pool"]["id"].clone()],
                None => things::list(&all["pools"]).iter().map(|pool| pool["id"].clone()).collect(),
            };
            let mut members = Vec::new();
            for id in pools.iter().filter_map(Value::as_str) {
                let found = client.get(&format!("/v1/pools/{}/members", part(id)))?;
                members.extend(things::list(&found["members"]).iter().cloned());
            }
            all = json!({ "apiVersion": all["apiVersion"], "members": members });
            (&MEMBERS, all)
        }
        Kind::Monitors => {
            let of_pool = |pool| format!("/v1/pools/{}/monitors", part(pool));
            let path = pool.map_or_else(|| "/v1/monitors".to_owned(), of_pool);
            (&MONITORS, client.get(&path)?)
        }
    })
}
