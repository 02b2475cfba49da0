//! Members of a pool: what they do, and changing them.

#![allow(unused_qualifications, reason = "what utoipa writes")]

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Context;
use super::answer::{ErrorBody, MemberAnswer, aside, invalid, read};
use super::pools::find;
use crate::agent::AgentError;
use crate::agent::engine::Outcome;
use crate::agent::view::{MemberView, MemberViews};
use crate::config::model::{Id, MemberSpec, Port, ValueError, Weight};
use crate::config::{PoolSpec, unserved_address};
use crate::control::{HealthOrder, MemberChange, Settings, new_member};
use crate::datapath::Maps;
use crate::report::{self, API_VERSION};

/// A member that is to be added.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// Its id; address and port by default.
    #[serde(default)]
    pub id: Option<String>,
    /// Its address, of the VIP's family.
    pub address: String,
    /// Its port.
    pub port: i64,
    /// Its share of new connections, 0 to 256; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// Whether it takes new connections only while no other member could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<bool>,
    /// Most connections at once; -1, the default, is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// How long it takes to get its whole share, in milliseconds; at once by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<u32>,
    /// Whether it takes new connections; it does by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
}

/// What is to change of a member; what is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    /// Its share of new connections, 0 to 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// Whether it takes new connections only while no other member could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<bool>,
    /// Most connections at once; -1 is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// How long it takes to get its whole share, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<u32>,
    /// Whether it takes new connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state_up: Option<bool>,
    /// How it is, instead of what its monitors find. Not declared, so it is forgotten with the datapath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthOrder>,
}

impl MemberPatch {
    fn settings(&self) -> Result<Settings, AgentError> {
        let limit = |most: i64| match most {
            -1 => Ok(None),
            most => {
                u32::try_from(most).ok().and_then(NonZeroU32::new).map(Some).ok_or_else(|| {
                    invalid("max_connections is not 1 to 4294967295; -1 is no limit")
                })
            }
        };
        Ok(Settings {
            weight: self.weight.map(Weight::try_from).transpose().map_err(wrong)?,
            backup: self.backup,
            max_connections: self.max_connections.map(limit).transpose()?,
            slow_start: self.slow_start,
            admin_state_up: self.admin_state_up,
            health: self.health,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it takes what `map_err` has")]
fn wrong(error: ValueError) -> AgentError {
    invalid(format!("{error}; {}", error.help()))
}

/// Members of a pool and what they do.
#[utoipa::path(get, path = "/v1/pools/{pool}/members", params(("pool" = String, Path, description = "Id, name or beginning of the id")), responses(
    (status = 200, description = "Each member", body = MemberViews),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn list(
    State(context): State<Context>,
    Path(pool): Path<String>,
) -> Result<Json<MemberViews>, AgentError> {
    let (spec, _) = find(&context, pool).await?;
    let members = views(&context, spec).await?;
    Ok(Json(MemberViews { api_version: API_VERSION.to_owned(), members }))
}

/// One member of a pool.
#[utoipa::path(get, path = "/v1/pools/{pool}/members/{member}", params(
    ("pool" = String, Path, description = "Id, name or beginning of the id"),
    ("member" = String, Path, description = "Id, beginning of the id, or address:port"),
), responses(
    (status = 200, description = "The member", body = MemberView),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn show(
    State(context): State<Context>,
    Path((pool, member)): Path<(String, String)>,
) -> Result<Json<MemberView>, AgentError> {
    let (mut spec, _) = find(&context, pool).await?;
    let all = views(&context, spec.clone()).await?;
    let change = MemberChange::Set { member, settings: Settings::default() };
    let meant = crate::control::declare(&mut spec, &change)?;
    let view = all.into_iter().find(|view| view.id == meant.id.as_str());
    let missing = || AgentError::NotServed {
        pool: spec.id.to_string(),
        reason: "it is about to be".to_owned(),
    };
    view.map(Json).ok_or_else(missing)
}

/// Adds a member; new connections come to it at once.
#[utoipa::path(post, path = "/v1/pools/{pool}/members", params(("pool" = String, Path, description = "Id, name or beginning of the id")), request_body = NewMember, responses(
    (status = 200, description = "It is added", body = MemberAnswer),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn add(
    State(context): State<Context>,
    Path(pool): Path<String>,
    body: String,
) -> Result<Json<MemberAnswer>, AgentError> {
    let new: NewMember = read(&body)?;
    let NewMember {
        id,
        address,
        port,
        weight,
        backup,
        max_connections,
        slow_start,
        admin_state_up,
    } = new;
    let settings =
        MemberPatch { weight, backup, max_connections, slow_start, admin_state_up, health: None };
    let id = id.as_deref().map(Id::new).transpose().map_err(wrong)?;
    let address: IpAddr = address.parse().map_err(|_| wrong(ValueError::Address(address)))?;
    if let Some(refusal) = unserved_address("address", address) {
        return Err(invalid(format!("{}; {}", refusal.text, refusal.alternative)));
    }
    let port = Port::try_from(port).map_err(wrong)?;
    let member = new_member(id, address, port, &settings.settings()?).map_err(wrong)?;
    change(&context, pool, MemberChange::Add(member)).await
}

/// Changes a member.
#[utoipa::path(patch, path = "/v1/pools/{pool}/members/{member}", params(
    ("pool" = String, Path, description = "Id, name or beginning of the id"),
    ("member" = String, Path, description = "Id, beginning of the id, or address:port"),
), request_body = MemberPatch, responses(
    (status = 200, description = "It is changed", body = MemberAnswer),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn set(
    State(context): State<Context>,
    Path((pool, member)): Path<(String, String)>,
    body: String,
) -> Result<Json<MemberAnswer>, AgentError> {
    let patch: MemberPatch = read(&body)?;
    if patch == MemberPatch::default() {
        return Err(invalid("nothing of the member is to change; name a field"));
    }
    let settings = patch.settings()?;
    change(&context, pool, MemberChange::Set { member, settings }).await
}

/// Sends a member no new connections (weight 0).
#[utoipa::path(post, path = "/v1/pools/{pool}/members/{member}/drain", params(
    ("pool" = String, Path, description = "Id, name or beginning of the id"),
    ("member" = String, Path, description = "Id, beginning of the id, or address:port"),
), responses(
    (status = 200, description = "It drains", body = MemberAnswer),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn drain(
    State(context): State<Context>,
    Path((pool, member)): Path<(String, String)>,
) -> Result<Json<MemberAnswer>, AgentError> {
    let weight = Some(Weight::try_from(0).map_err(wrong)?);
    let settings = Settings { weight, ..Settings::default() };
    change(&context, pool, MemberChange::Set { member, settings }).await
}

/// Removes a member; its connections go on until they end.
#[utoipa::path(delete, path = "/v1/pools/{pool}/members/{member}", params(
    ("pool" = String, Path, description = "Id, name or beginning of the id"),
    ("member" = String, Path, description = "Id, beginning of the id, or address:port"),
), responses(
    (status = 200, description = "It is removed", body = MemberAnswer),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn remove(
    State(context): State<Context>,
    Path((pool, member)): Path<(String, String)>,
) -> Result<Json<MemberAnswer>, AgentError> {
    change(&context, pool, MemberChange::Remove { member }).await
}

async fn change(
    context: &Context,
    pool: String,
    change: MemberChange,
) -> Result<Json<MemberAnswer>, AgentError> {
    let outcome = context.engine.run(move |engine| engine.change_member(&pool, change)).await??;
    let Outcome { pool, member, state, reason } = outcome;
    let endpoint = SocketAddr::new(member.address, member.port.get()).to_string();
    Ok(Json(MemberAnswer {
        api_version: API_VERSION.to_owned(),
        pool,
        member: member.id.to_string(),
        endpoint,
        state: state.name().to_owned(),
        reason,
    }))
}

/// The members of a pool: what they do if it is served, else what is declared.
pub(super) async fn views(
    context: &Context,
    spec: PoolSpec,
) -> Result<Vec<MemberView>, AgentError> {
    let registry = context.registry.clone();
    aside(move || {
        let Some(served) = registry.get(spec.id.as_str())? else {
            return Ok(spec.members.iter().map(|member| unserved(&spec, member)).collect());
        };
        let maps = Maps::open(&registry.pins(&served.record))?;
        let health = registry.health(spec.id.as_str())?;
        let members = report::members(&served.pool, &served.record, &maps, &health)?;
        let declared =
            |id: &str| served.pool.members.iter().find(|member| member.id.as_str() == id);
        let view = |member: report::Member| MemberView {
            pool: spec.id.to_string(),
            backup: declared(&member.id).is_some_and(|member| member.backup),
            id: member.id,
            address: member.address.to_string(),
            port: member.port,
            state: member.state.to_owned(),
            weight: member.weight,
            admin_state_up: member.admin_state_up,
            active_connections: member.active_connections.into(),
            total_connections: member.total_connections,
            failed_connections: member.failed_connections,
            bytes_in: member.bytes_in,
            bytes_out: member.bytes_out,
            drain_seconds: member.drain_seconds,
        };
        Ok(members.into_iter().map(view).collect())
    })
    .await
}

fn unserved(pool: &PoolSpec, member: &MemberSpec) -> MemberView {
    MemberView {
        pool: pool.id.to_string(),
        id: member.id.to_string(),
        address: member.address.to_string(),
        port: member.port.get(),
        state: "UNSERVED".to_owned(),
        weight: member.weight.get(),
        backup: member.backup,
        admin_state_up: member.admin_state_up,
        active_connections: 0,
        total_connections: 0,
        failed_connections: 0,
        bytes_in: 0,
        bytes_out: 0,
        drain_seconds: None,
    }
}
