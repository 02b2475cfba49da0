//! The agent's API: HTTP with JSON on a Unix socket. The document at `/v1/openapi.json` describes it.

mod announce;
mod answer;
mod events;
mod members;
mod metrics;
mod monitors;
mod openapi;
mod pools;
mod reports;
mod stand_ins;

use axum::Router;
use axum::routing::{get, patch, post};

pub use answer::{ErrorBody, MemberAnswer};
pub use members::{MemberPatch, NewMember};
pub(super) use metrics::metrics_router;
pub use openapi::document;

use super::engine::Handle;
use crate::registry::Registry;

/// What the handlers work with.
#[derive(Clone)]
pub struct Context {
    pub(super) engine: Handle,
    pub(super) registry: Registry,
}

/// Every address of the API.
pub(super) fn router(context: Context) -> Router {
    Router::new()
        .route("/v1/openapi.json", get(openapi::show))
        .route("/v1/health", get(reports::health))
        .route("/v1/pools", get(pools::list))
        .route(
            "/v1/pools/{pool}",
            get(pools::show).put(pools::put).patch(pools::set).delete(pools::delete),
        )
        .route("/v1/apply", post(pools::apply))
        .route("/v1/pools/{pool}/announce", post(announce::one))
        .route("/v1/announce", post(announce::all))
        .route("/v1/pools/{pool}/members", get(members::list).post(members::add))
        .route(
            "/v1/pools/{pool}/members/{member}",
            get(members::show).patch(members::set).delete(members::remove),
        )
        .route("/v1/pools/{pool}/members/{member}/drain", post(members::drain))
        .route("/v1/monitors", get(monitors::list_all))
        .route("/v1/pools/{pool}/monitors", get(monitors::list).post(monitors::add))
        .route("/v1/pools/{pool}/monitors/{monitor}", patch(monitors::set).delete(monitors::remove))
        .route("/v1/metrics", get(metrics::show))
        .route("/v1/status", get(reports::status))
        .route("/v1/conns", get(reports::conns))
        .route("/v1/drops", get(reports::drops))
        .route("/v1/events", get(events::stream))
        .route("/v1/stand-ins", get(stand_ins::list).post(stand_ins::add))
        .route("/v1/gc", post(reports::gc))
        .route("/v1/handover", post(reports::hand_over))
        .fallback(answer::unknown)
        .method_not_allowed_fallback(answer::not_allowed)
        .with_state(context)
}
