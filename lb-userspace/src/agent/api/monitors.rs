//! Monitors: what is declared, and changing it.

#![allow(unused_qualifications, reason = "what utoipa writes")]

use axum::Json;
use axum::extract::{Path, Query, State};

use super::Context;
use super::answer::{ErrorBody, read};
use super::pools::{DryRun, change, find};
use crate::agent::AgentError;
use crate::agent::edit::{MonitorEdit, edit_monitors};
use crate::agent::monitors::views;
use crate::agent::plan::Plan;
use crate::agent::view::MonitorViews;
use crate::config::MonitorSchema;
use crate::report::API_VERSION;

/// The monitors of every pool as they are declared.
#[utoipa::path(get, path = "/v1/monitors", responses(
    (status = 200, description = "Each monitor", body = MonitorViews),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn list_all(
    State(context): State<Context>,
) -> Result<Json<MonitorViews>, AgentError> {
    let pools = context.engine.run(|engine| engine.all_declared()).await?;
    let monitors = pools.iter().flat_map(views).collect();
    Ok(Json(MonitorViews { api_version: API_VERSION.to_owned(), monitors }))
}

/// The monitors of a pool as they are declared.
#[utoipa::path(get, path = "/v1/pools/{pool}/monitors", params(("pool" = String, Path, description = "Id, name or beginning of the id")), responses(
    (status = 200, description = "Each monitor", body = MonitorViews),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn list(
    State(context): State<Context>,
    Path(pool): Path<String>,
) -> Result<Json<MonitorViews>, AgentError> {
    let (spec, _) = find(&context, pool).await?;
    Ok(Json(MonitorViews { api_version: API_VERSION.to_owned(), monitors: views(&spec) }))
}

/// Adds a monitor; a member is up that is up for all of them.
#[utoipa::path(post, path = "/v1/pools/{pool}/monitors", params(("pool" = String, Path, description = "Id, name or beginning of the id"), DryRun), request_body(content = MonitorSchema, description = "The monitor, with the fields of the YAML"), responses(
    (status = 200, description = "What has changed", body = Plan),
    (status = "default", description = "Why nothing has", body = ErrorBody),
))]
pub(super) async fn add(
    State(context): State<Context>,
    Path(pool): Path<String>,
    Query(DryRun { dry_run }): Query<DryRun>,
    body: String,
) -> Result<Json<Plan>, AgentError> {
    let edit = MonitorEdit::Add(read(&body)?);
    change(&context, pool, dry_run, move |pool| edit_monitors(pool, &edit)).await
}

/// Changes a monitor.
#[utoipa::path(patch, path = "/v1/pools/{pool}/monitors/{monitor}", params(
    ("pool" = String, Path, description = "Id, name or beginning of the id"),
    ("monitor" = String, Path, description = "Number, from 1, or the type if no other has it"),
    DryRun,
), request_body(content = serde_json::Value, content_type = "application/merge-patch+json", description = "Fields of the monitor that are to be another way, as in the YAML; null takes one away (RFC 7396)"), responses(
    (status = 200, description = "What has changed", body = Plan),
    (status = "default", description = "Why nothing has", body = ErrorBody),
))]
pub(super) async fn set(
    State(context): State<Context>,
    Path((pool, monitor)): Path<(String, String)>,
    Query(DryRun { dry_run }): Query<DryRun>,
    body: String,
) -> Result<Json<Plan>, AgentError> {
    let edit = MonitorEdit::Set { monitor, patch: read(&body)? };
    change(&context, pool, dry_run, move |pool| edit_monitors(pool, &edit)).await
}

/// Removes a monitor; those behind it move up.
#[utoipa::path(delete, path = "/v1/pools/{pool}/monitors/{monitor}", params(
    ("pool" = String, Path, description = "Id, name or beginning of the id"),
    ("monitor" = String, Path, description = "Number, from 1, or the type if no other has it"),
    DryRun,
), responses(
    (status = 200, description = "What has changed", body = Plan),
    (status = "default", description = "Why nothing has", body = ErrorBody),
))]
pub(super) async fn remove(
    State(context): State<Context>,
    Path((pool, monitor)): Path<(String, String)>,
    Query(DryRun { dry_run }): Query<DryRun>,
) -> Result<Json<Plan>, AgentError> {
    let edit = MonitorEdit::Remove { monitor };
    change(&context, pool, dry_run, move |pool| edit_monitors(pool, &edit)).await
}
