//! Telling neighbours where the pools' addresses are.

#![allow(unused_qualifications, reason = "what utoipa writes")]

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Context;
use super::answer::{ErrorBody, aside, invalid};
use crate::agent::AgentError;
use crate::control::{Rounds, announce_served};
use crate::report::Announcements;

/// How often neighbours are told.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct HowOften {
    /// In how many rounds, 1 to 60; 3 by default.
    #[serde(default)]
    pub(super) rounds: Option<u8>,
}

impl HowOften {
    fn rounds(&self) -> Result<Rounds, AgentError> {
        match self.rounds {
            None => Ok(Rounds::default()),
            Some(rounds @ 1..=Rounds::MAX) => Ok(Rounds(rounds)),
            Some(rounds) => {
                Err(invalid(format!("{rounds} rounds cannot be had; write 1 to {}", Rounds::MAX)))
            }
        }
    }
}

/// Announces the addresses of a pool that is served, by whom ever; answers when the last round is over.
#[utoipa::path(post, path = "/v1/pools/{pool}/announce", params(("pool" = String, Path, description = "Id, name or beginning of the id"), HowOften), responses(
    (status = 200, description = "What has become of each address", body = Announcements),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn one(
    State(Context { registry, engine }): State<Context>,
    Path(pool): Path<String>,
    Query(how): Query<HowOften>,
) -> Result<Json<Announcements>, AgentError> {
    let rounds = how.rounds()?;
    let wanted = pool.clone();
    let own = engine.run(move |engine| engine.served(&wanted)).await??;
    aside(move || {
        let served = registry.find(own.as_deref().unwrap_or(&pool))?;
        Ok(Json(announce_served(&[served], rounds)))
    })
    .await
}

/// Announces the addresses of every pool that is served, by whom ever; answers when the last round is over.
#[utoipa::path(post, path = "/v1/announce", params(HowOften), responses(
    (status = 200, description = "What has become of each address", body = Announcements),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn all(
    State(Context { registry, .. }): State<Context>,
    Query(how): Query<HowOften>,
) -> Result<Json<Announcements>, AgentError> {
    let rounds = how.rounds()?;
    aside(move || Ok(Json(announce_served(&registry.list()?, rounds)))).await
}
