//! Joins frontends to backends and hands the pools to the validation all formats share.

use std::collections::{HashMap, HashSet};

use super::Import;
use super::backend::Backend;
use super::fault::{Fault, Read};
use super::finding::Finding;
use super::frontend::Frontend;
use super::global::Global;
use super::reader::Reader;
use crate::config::error::Pos;
use crate::config::field::FieldPath;
use crate::config::model::{Id, MemberSpec, Overflow, PoolSpec, Timeouts, VipSpec, validate};

/// The pools, with the place in the text of each part that validation may name.
#[derive(Default)]
pub(super) struct Assembled {
    pools: Vec<PoolSpec>,
    places: Vec<(FieldPath, Pos)>,
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
        Import { pools: self.pools, findings: self.findings }
    }

    fn add(&mut self, global: &Global, frontend: Option<&Frontend>, backend: &Backend) {
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
        self.pools.push(pool(global, frontend, backend));
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
    let mut by_backend: HashMap<&str, &Frontend> = HashMap::new();
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
        if let Some(first) = by_backend.get(target.text.as_str()) {
            let text = format!(
                "backend `{}` already serves frontend `{}`; a pool has one VIP, so `{}` is not \
                 imported: copy the pool under another id",
                target.text, first.id, frontend.id
            );
            reader.unsupported(target.at.line, text);
            continue;
        }
        by_backend.insert(target.text.as_str(), frontend);
    }
    let mut assembled = Assembled::default();
    for backend in backends {
        let frontend = by_backend.get(backend.id.as_str()).copied();
        if frontend.is_none() {
            let text = format!(
                "backend `{}` has no frontend and is imported as a pool without VIP",
                backend.id
            );
            reader.native(backend.at.line, text);
        }
        assembled.add(global, frontend, backend);
    }
    Ok(assembled)
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

fn pool(global: &Global, frontend: Option<&Frontend>, backend: &Backend) -> PoolSpec {
    let members = backend.servers.iter().map(|server| server.member.clone());
    let client = frontend.map_or(backend.settings.timeouts.client, |f| f.settings.timeouts.client);
    PoolSpec {
        id: backend.id.clone(),
        name: None,
        namespace: global.namespace.as_ref().map(|(name, _)| name.clone()),
        protocol: backend.settings.mode,
        lb_method: backend.settings.lb_method,
        admin_state_up: !backend.settings.disabled,
        vip: frontend.map(vip),
        session_persistence: backend.session_persistence.clone(),
        snat_addresses: Vec::new(),
        members: members.collect::<Vec<MemberSpec>>(),
        monitor: backend.monitor.clone(),
        timeouts: Timeouts { client, ..backend.settings.timeouts },
        max_connections: None,
        failover: backend.settings.failover(),
        drain_timeout: 0,
        on_marked_down: backend.on_marked_down,
    }
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
