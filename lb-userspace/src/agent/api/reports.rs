//! What goes on: health, status, connections, reasons; and what is left over.

#![allow(unused_qualifications, reason = "what utoipa writes")]

use axum::Json;
use axum::extract::{Query, State};
use nix::time::ClockId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Context;
use super::answer::{ErrorBody, aside};
use super::pools::DryRun;
use crate::agent::AgentError;
use crate::agent::engine::Ending;
use crate::agent::gc::{self, Garbage, Owned};
use crate::agent::view::Health;
use crate::control::{self, ControlError, look};
use crate::node::clock;
use crate::report::{self, API_VERSION, ConnectionList, Drops, Status};

/// Which pool.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Which {
    /// Id, name or beginning of the id; all pools by default.
    #[serde(default)]
    pub pool: Option<String>,
}

/// Which pool's connections.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct WhichConnections {
    /// Id, name or beginning of the id; all pools by default.
    #[serde(default)]
    pub pool: Option<String>,
    /// Everything that is known of each connection.
    #[serde(default)]
    pub(super) detail: bool,
}

/// Which pool's reasons.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct WhichReasons {
    /// Id, name or beginning of the id; all pools by default.
    #[serde(default)]
    pub pool: Option<String>,
    /// Reasons that never applied as well.
    #[serde(default)]
    pub(super) all: bool,
}

/// An agent that hands over.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandedOver {
    /// Version of the answer.
    pub api_version: String,
    /// Process id of the agent that ends now.
    pub pid: u32,
}

/// How the agent is, and what is wrong with files of the desired state.
#[utoipa::path(get, path = "/v1/health", responses(
    (status = 200, description = "How it is", body = Health),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn health(State(context): State<Context>) -> Result<Json<Health>, AgentError> {
    Ok(Json(context.engine.run(|engine| engine.health()).await?))
}

/// Pools that are served on the node, by whom ever, with members and statistics.
#[utoipa::path(get, path = "/v1/status", params(Which), responses(
    (status = 200, description = "As `qlb status -o json`", body = Status),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn status(
    State(Context { registry, .. }): State<Context>,
    Query(Which { pool }): Query<Which>,
) -> Result<Json<Status>, AgentError> {
    let work = move || Ok(Json(control::status(&registry, pool.as_deref())?));
    aside(work).await
}

/// The connection table.
#[utoipa::path(get, path = "/v1/conns", params(WhichConnections), responses(
    (status = 200, description = "As `qlb conns -o json`", body = ConnectionList),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn conns(
    State(Context { registry, .. }): State<Context>,
    Query(WhichConnections { pool, detail }): Query<WhichConnections>,
) -> Result<Json<ConnectionList>, AgentError> {
    let work = move || {
        let pools = look(&registry, pool.as_deref())?;
        let now = clock(ClockId::CLOCK_MONOTONIC).map_err(ControlError::Start)?;
        Ok(Json(report::connections(&pools, now, detail)?))
    };
    aside(work).await
}

/// Why packets were passed to the stack, refused or dropped, and how often.
#[utoipa::path(get, path = "/v1/drops", params(WhichReasons), responses(
    (status = 200, description = "As `qlb drops -o json`", body = Drops),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn drops(
    State(Context { registry, .. }): State<Context>,
    Query(WhichReasons { pool, all }): Query<WhichReasons>,
) -> Result<Json<Drops>, AgentError> {
    let work = move || Ok(Json(report::drops(&look(&registry, pool.as_deref())?, all)?));
    aside(work).await
}

/// Removes what belongs to no pool: records, pins, namespaces.
#[utoipa::path(post, path = "/v1/gc", params(DryRun), responses(
    (status = 200, description = "What was found, and removed unless only asked for", body = Garbage),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn gc(
    State(Context { registry, engine }): State<Context>,
    Query(DryRun { dry_run }): Query<DryRun>,
) -> Result<Json<Garbage>, AgentError> {
    let pools = engine.run(|engine| engine.all_declared()).await?;
    aside(move || Ok(Json(gc::collect(&registry, &Owned::of(&pools), dry_run)?))).await
}

/// Has this agent end, and leave what is served to the one that asks.
#[utoipa::path(post, path = "/v1/handover", responses(
    (status = 200, description = "It ends", body = HandedOver),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn hand_over(
    State(context): State<Context>,
) -> Result<Json<HandedOver>, AgentError> {
    context.engine.run(|engine| engine.end(Ending::Leave)).await?;
    tracing::info!("another agent takes over");
    Ok(Json(HandedOver { api_version: API_VERSION.to_owned(), pid: std::process::id() }))
}
