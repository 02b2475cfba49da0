//! Pools: what is declared, and declaring it.

#![allow(unused_qualifications, reason = "what utoipa writes")]

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Context;
use super::answer::{ErrorBody, invalid, read};
use super::members::views;
use crate::agent::AgentError;
use crate::agent::edit::edit_pool;
use crate::agent::engine::Engine;
use crate::agent::plan::{Plan, document};
use crate::agent::view::{PoolDetail, PoolList};
use crate::config::{PoolSchema, PoolSpec, PoolsSchema, yaml};
use crate::report::API_VERSION;

/// Whether something is done or only told.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(super) struct DryRun {
    /// Say what would be done, and do nothing.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// Every pool of the agent.
#[utoipa::path(get, path = "/v1/pools", responses(
    (status = 200, description = "Each pool", body = PoolList),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn list(State(context): State<Context>) -> Result<Json<PoolList>, AgentError> {
    Ok(Json(context.engine.run(|engine| engine.pools()).await?))
}

/// One pool: how it is, what is declared, its members.
#[utoipa::path(get, path = "/v1/pools/{pool}", params(("pool" = String, Path, description = "Id, name or beginning of the id")), responses(
    (status = 200, description = "The pool", body = PoolDetail),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn show(
    State(context): State<Context>,
    Path(pool): Path<String>,
) -> Result<Json<PoolDetail>, AgentError> {
    let (spec, view) = find(&context, pool).await?;
    let declared = document(&spec);
    let members = views(&context, spec).await?;
    Ok(Json(PoolDetail { api_version: API_VERSION.to_owned(), pool: view, declared, members }))
}

/// Declares a pool, instead of what was declared of it.
#[utoipa::path(put, path = "/v1/pools/{pool}", params(("pool" = String, Path, description = "Its id"), DryRun), request_body(content = PoolSchema, description = "The pool, with the fields of the YAML; as YAML, too"), responses(
    (status = 200, description = "What has changed", body = Plan),
    (status = "default", description = "Why nothing has", body = ErrorBody),
))]
pub(super) async fn put(
    State(context): State<Context>,
    Path(id): Path<String>,
    Query(DryRun { dry_run }): Query<DryRun>,
    body: String,
) -> Result<Json<Plan>, AgentError> {
    let pool: serde_json::Value = serde_yaml::from_str(&body)
        .map_err(|error| invalid(format!("the body is no pool: {error}")))?;
    let text = serde_json::json!({ "pools": [pool] }).to_string();
    let pools = yaml::parse("body", &text)?;
    if pools.iter().any(|pool| pool.id.as_str() != id) {
        return Err(invalid(format!("the body is not the pool {id}; use its id in both")));
    }
    Ok(Json(context.engine.run(move |engine| engine.apply(pools, dry_run)).await??))
}

/// Declares every pool of a document, each instead of what was declared of it. Others are not touched.
#[utoipa::path(post, path = "/v1/apply", params(DryRun), request_body(content = PoolsSchema, description = "As a file of the desired state; as YAML, too"), responses(
    (status = 200, description = "What has changed", body = Plan),
    (status = "default", description = "Why nothing has", body = ErrorBody),
))]
pub(super) async fn apply(
    State(context): State<Context>,
    Query(DryRun { dry_run }): Query<DryRun>,
    body: String,
) -> Result<Json<Plan>, AgentError> {
    let pools = yaml::parse("body", &body)?;
    if pools.is_empty() {
        return Err(invalid("the document declares no pool; write a `pools:` list"));
    }
    Ok(Json(context.engine.run(move |engine| engine.apply(pools, dry_run)).await??))
}

/// Declares a pool no more, and ends it and its connections.
#[utoipa::path(delete, path = "/v1/pools/{pool}", params(("pool" = String, Path, description = "Id, name or beginning of the id"), DryRun), responses(
    (status = 200, description = "What has changed", body = Plan),
    (status = "default", description = "Why nothing has", body = ErrorBody),
))]
pub(super) async fn delete(
    State(context): State<Context>,
    Path(pool): Path<String>,
    Query(DryRun { dry_run }): Query<DryRun>,
) -> Result<Json<Plan>, AgentError> {
    Ok(Json(context.engine.run(move |engine| engine.delete(&pool, dry_run)).await??))
}

/// Changes a pool: what is left out stays.
#[utoipa::path(patch, path = "/v1/pools/{pool}", params(("pool" = String, Path, description = "Id, name or beginning of the id"), DryRun), request_body(content = serde_json::Value, content_type = "application/merge-patch+json", description = "Fields of the pool that are to be another way, as in the YAML, but for id, members and monitors; null takes one away (RFC 7396)"), responses(
    (status = 200, description = "What has changed", body = Plan),
    (status = "default", description = "Why nothing has", body = ErrorBody),
))]
pub(super) async fn set(
    State(context): State<Context>,
    Path(pool): Path<String>,
    Query(DryRun { dry_run }): Query<DryRun>,
    body: String,
) -> Result<Json<Plan>, AgentError> {
    let patch: serde_json::Value = read(&body)?;
    change(&context, pool, dry_run, move |pool| edit_pool(pool, &patch)).await
}

/// Has the engine edit the declaration of a pool.
pub(super) async fn change(
    context: &Context,
    pool: String,
    dry_run: bool,
    edit: impl FnOnce(&PoolSpec) -> Result<PoolSpec, AgentError> + Send + 'static,
) -> Result<Json<Plan>, AgentError> {
    let work = move |engine: &mut Engine| engine.change_pool(&pool, dry_run, edit);
    Ok(Json(context.engine.run(work).await??))
}

/// A pool that is meant: its declaration, and how it is.
pub(super) async fn find(
    context: &Context,
    pool: String,
) -> Result<(PoolSpec, crate::agent::view::PoolView), AgentError> {
    let found = move |engine: &mut Engine| {
        let id = engine.find(&pool)?;
        engine.declared(&id).ok_or(AgentError::NoPool(pool))
    };
    context.engine.run(found).await?
}
