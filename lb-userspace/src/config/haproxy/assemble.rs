//! Joins frontends to backends and hands the pools to the validation all formats share.

use std::collections::{HashMap, HashSet};

use super::Import;
use super::backend::Backend;
use super::fault::{Fault, Read};
use super::finding::Finding;
use super::frontend::Frontend;
use super::global::Global;
use super::proxy::Settings;
use super::reader::Reader;
use crate::config::error::Pos;
use crate::config::field::FieldPath;
use crate::config::model::{
    Id, LogTarget, MemberSpec, Mode, Overflow, PoolSpec, Timeouts, VipSpec, namespace_of, validate,
};

/// The pools, with the place in the text of each part that validation may name.
#[derive(Default)]
pub(super) struct Assembled {
    pools: Vec<PoolSpec>,
    places: Vec<(FieldPath, Pos)>,
    daemon: bool,
    pub(super) findings: Vec<Finding>,
}

impl Assembled {
    /// The broken rules, each at the nearest part that stands in the text.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let place = |path: &FieldPath| {
            let around =
                |(known, _): &&(FieldPath, Pos)| path.segments().starts_with(known.segments());
            self.places.iter().filter(around).max_by_key(|(known, _)| known.segments().len())
        };
        validate(&self.pools)
            .into_iter()
            .filter_map(|violation| {
                let (_, at) = place(&violation.path)?;
                Some(Fault { at: *at, message: violation.message, help: violation.help })
            })
            .collect()
    }

    pub(super) fn into_import(self) -> Import {
        Import { pools: self.pools, daemon: self.daemon, findings: self.findings }
    }

    fn add(&mut self, id: Id, global: &Global, frontend: Option<&Frontend>, backend: &Backend) {
        let path = FieldPath::pool(self.pools.len());
        self.place(path.clone(), backend.at);
        if let Some((_, at)) = &global.namespace {
            self.place(path.key("namespace"), *at);
        }
        if let Some(frontend) = frontend {
            self.place(path.key("vip"), frontend.bind_at);
            self.place(path.key("vip").key("id"), frontend.at);
        }
        if let Some((_, at)) = backend.settings.timeout_check {
            self.place(path.key("monitor"), at);
        }
        for (index, server) in backend.servers.iter().enumerate() {
            let member = path.key("members").index(index);
            self.place(member.key("id"), server.at);
            self.place(member.key("address"), server.endpoint_at);
            self.place(member, server.endpoint_at);
        }
        self.pools.push(pool(id, global, frontend, backend));
    }

    fn place(&mut self, path: FieldPath, at: Pos) {
        self.places.push((path, at));
    }
}

pub(super) fn assemble(
    global: &Global,
    frontends: &[Frontend],
    backends: &[Backend],
    reader: &mut Reader,
) -> Read<Assembled> {
    unique("frontend", frontends.iter().map(|frontend| (&frontend.id, frontend.at)))?;
    unique("backend", backends.iter().map(|backend| (&backend.id, backend.at)))?;
    let mut by_backend: HashMap<&str, Vec<&Frontend>> = HashMap::new();
    for frontend in frontends {
        let Some(target) = &frontend.default_backend else {
            reader.degraded(
                frontend.at.line,
                format!(
                    "frontend `{}` has no default_backend: it serves nobody and is not imported",
                    frontend.id
                ),
            );
            continue;
        };
        let Some(backend) = backends.iter().find(|backend| backend.id.as_str() == target.text)
        else {
            let message =
                format!("default_backend `{}` names no backend of this file", target.text);
            return Err(Fault::new(target.at, message, known(backends)));
        };
        if backend.settings.mode != frontend.settings.mode {
            let message = format!(
                "backend `{}` has another mode than its frontend `{}`",
                backend.id, frontend.id
            );
            return Err(Fault::new(backend.at, message, "write the same `mode` in both"));
        }
        by_backend.entry(target.text.as_str()).or_default().push(frontend);
    }
    let mut assembled = Assembled { daemon: global.daemon, ..Assembled::default() };
    for backend in backends {
        let mut frontends = by_backend.get(backend.id.as_str()).into_iter().flatten();
        let first = frontends.next().copied();
        if first.is_none() {
            let text = format!(
                "backend `{}` has no frontend and is imported as a pool without VIP",
                backend.id
            );
            reader.native(backend.at.line, text);
        }
        assembled.add(backend.id.clone(), global, first, backend);
        for frontend in frontends {
            let id = shared(backend, frontend)?;
            let text = format!(
                "backend `{}` serves frontend `{}`, too: that is imported as pool `{id}`, which counts connections \
                 of the same members by itself",
                backend.id, frontend.id
            );
            reader.degraded(frontend.at.line, text);
            assembled.add(id, global, Some(frontend), backend);
        }
    }
    Ok(assembled)
}

/// The id of the pool that a backend is for one more frontend, as Octavia's amphora names it.
fn shared(backend: &Backend, frontend: &Frontend) -> Read<Id> {
    Id::new(&format!("{}:{}", backend.id, frontend.id)).map_err(|error| {
        let help = "write shorter ids, or copy the backend under an id of its own";
        Fault::new(frontend.at, error.to_string(), help)
    })
}

/// HAProxy finds proxies by name, so each kind may use a name once.
fn unique<'a>(kind: &str, names: impl Iterator<Item = (&'a Id, Pos)>) -> Read<()> {
    let mut seen = HashSet::new();
    for (id, at) in names {
        if !seen.insert(id) {
            let message = format!("{kind} `{id}` is defined twice");
            let help = format!("give each {kind} its own id, or remove one of the two");
            return Err(Fault::new(at, message, help));
        }
    }
    Ok(())
}

fn known(backends: &[Backend]) -> String {
    match backends {
        [] => "add the backend section".to_owned(),
        _ => {
            let names: Vec<&str> = backends.iter().map(|backend| backend.id.as_str()).collect();
            format!("add the backend section, or name one of: {}", names.join(", "))
        }
    }
}

fn pool(id: Id, global: &Global, frontend: Option<&Frontend>, backend: &Backend) -> PoolSpec {
    let members = backend.servers.iter().map(|server| server.member.clone());
    let client = frontend.map_or(backend.settings.timeouts.client, |f| f.settings.timeouts.client);
    let declared = global.namespace.as_ref().map(|(name, _)| name.clone());
    let owner = || (id != backend.id).then(|| namespace_of(backend.id.as_str()));
    PoolSpec {
        namespace: declared.or_else(owner),
        id,
        name: None,
        protocol: backend.settings.mode,
        lb_method: backend.settings.lb_method,
        mode: Mode::Nat,
        admin_state_up: !backend.settings.disabled,
        vip: frontend.map(vip),
        session_persistence: backend.session_persistence.clone(),
        snat_addresses: Vec::new(),
        members: members.collect::<Vec<MemberSpec>>(),
        monitors: backend.monitor.iter().cloned().collect(),
        timeouts: Timeouts { client, ..backend.settings.timeouts },
        max_connections: None,
        failover: backend.settings.failover(),
        drain_timeout: 0,
        on_marked_down: backend.on_marked_down,
        stats_socket: global.stats_socket.clone(),
        logs: logs(global, frontend.map_or(&backend.settings, |frontend| &frontend.settings)),
    }
}

/// Connections are logged by the frontend, and in Neutron's confs both ends log alike.
fn logs(global: &Global, settings: &Settings) -> Vec<LogTarget> {
    let globally = settings.logs_globally.then_some(&global.logs).into_iter().flatten();
    globally.chain(&settings.logs).cloned().collect()
}

fn vip(frontend: &Frontend) -> VipSpec {
    VipSpec {
        id: frontend.id.clone(),
        address: frontend.bind.address,
        port: frontend.bind.port,
        connection_limit: frontend.settings.maxconn,
        overflow: Overflow::default(),
        allowed_cidrs: None,
        admin_state_up: !frontend.settings.disabled,
    }
}
