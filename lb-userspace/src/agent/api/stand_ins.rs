//! Processes that stand for pools, as a haproxy that was called does.

#![allow(unused_qualifications, reason = "what utoipa writes")]

use axum::Json;
use axum::extract::State;

use super::Context;
use super::answer::{ErrorBody, invalid};
use crate::agent::AgentError;
use crate::agent::stand_in::StandIn;
use crate::agent::view::{PoolList, StandInList};
use crate::config::yaml;
use crate::report::API_VERSION;

/// The processes that stand for pools.
#[utoipa::path(get, path = "/v1/stand-ins", responses(
    (status = 200, description = "Each process", body = StandInList),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn list(State(context): State<Context>) -> Result<Json<StandInList>, AgentError> {
    let stand_ins = context.engine.run(|engine| engine.stand_ins()).await?;
    Ok(Json(StandInList { api_version: API_VERSION.to_owned(), stand_ins }))
}

/// Serves pools for as long as a process lives, instead of a process that stood for them before. Answers when they are served.
#[utoipa::path(post, path = "/v1/stand-ins", request_body(content = StandIn), responses(
    (status = 200, description = "The pools, which are served", body = PoolList),
    (status = "default", description = "Why nothing has changed", body = ErrorBody),
))]
pub(super) async fn add(
    State(context): State<Context>,
    body: String,
) -> Result<Json<PoolList>, AgentError> {
    let new: StandIn = serde_json::from_str(&body)
        .map_err(|error| invalid(format!("the body is no stand-in: {error}")))?;
    let pools = yaml::parse("body", &serde_json::json!({ "pools": new.pools }).to_string())?;
    if pools.is_empty() {
        return Err(invalid("the process stands for no pool; name its pools"));
    }
    let pools = context.engine.run(move |engine| engine.stand_in(&new, pools)).await??;
    Ok(Json(PoolList { api_version: API_VERSION.to_owned(), pools }))
}
