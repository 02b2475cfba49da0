//! The document that describes the API, made from the code that answers.

#![allow(unused_qualifications, reason = "what utoipa writes")]

use axum::Json;
use utoipa::OpenApi;

use super::answer::{ErrorBody, MemberAnswer};
use super::{announce, events, members, metrics, monitors, pools, reports, stand_ins};
use crate::config::{PoolSchema, PoolsSchema};

#[derive(OpenApi)]
#[openapi(
    info(title = "qlb agent", description = "The load balancer of this node, on a Unix socket"),
    paths(
        show,
        reports::health,
        pools::list,
        pools::show,
        pools::put,
        pools::set,
        pools::delete,
        pools::apply,
        monitors::list_all,
        monitors::list,
        monitors::add,
        monitors::set,
        monitors::remove,
        announce::one,
        announce::all,
        members::list,
        members::show,
        members::add,
        members::set,
        members::drain,
        members::remove,
        metrics::show,
        reports::status,
        reports::conns,
        reports::drops,
        events::stream,
        stand_ins::list,
        stand_ins::add,
        reports::gc,
        reports::hand_over,
    ),
    components(schemas(ErrorBody, MemberAnswer, PoolSchema, PoolsSchema))
)]
struct Document;

/// The document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", responses(
    (status = 200, description = "OpenAPI 3.1", body = serde_json::Value),
))]
pub(super) async fn show() -> Json<utoipa::openapi::OpenApi> {
    std::future::ready(()).await;
    Json(document())
}
