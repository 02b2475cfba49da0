//! Metrics for Prometheus: beside the rest of the API, and alone where anybody may look.

#![allow(unused_qualifications, reason = "what utoipa writes")]

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::sync::Mutex;

use super::Context;
use super::answer::{ErrorBody, aside};
use super::reports::Which;
use crate::agent::AgentError;
use crate::control;
use crate::report;

/// The text format, version 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What Prometheus reads of the pools that are served on the node, and of the agent.
#[utoipa::path(get, path = "/v1/metrics", params(Which), responses(
    (status = 200, description = "As `qlb metrics`, then how the agent's pools are, in Prometheus's text format", body = String, content_type = "text/plain"),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn show(
    State(Context { engine, registry }): State<Context>,
    Query(Which { pool }): Query<Which>,
) -> Result<Response, AgentError> {
    let health = engine.run(|engine| engine.health()).await?;
    let work = move || Ok(report::metrics(&control::status(&registry, pool.as_deref())?));
    let of_agent = report::agent_metrics(&report::AgentFacts {
        served: health.served,
        pending: health.pending,
        failed: health.failed,
        problems: health.problems.len() as u64,
    });
    let text = aside(work).await? + &of_agent;
    Ok(([(CONTENT_TYPE, TEXT)], text).into_response())
}

/// What whoever scrapes works with: they take turns, so that many of them cost no more than one.
#[derive(Clone)]
struct Scrapes {
    context: Context,
    turn: Arc<Mutex<()>>,
}

/// `/metrics` and nothing else.
pub(in crate::agent) fn metrics_router(context: Context) -> Router {
    let scrapes = Scrapes { context, turn: Arc::default() };
    Router::new().route("/metrics", get(scrape)).with_state(scrapes)
}

async fn scrape(State(Scrapes { context, turn }): State<Scrapes>) -> Result<Response, AgentError> {
    let _turn = turn.lock().await;
    show(State(context), Query(Which { pool: None })).await
}
