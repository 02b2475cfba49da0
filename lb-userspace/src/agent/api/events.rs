//! Events as they happen: a line of JSON for each.

#![allow(unused_qualifications, reason = "what utoipa writes")]

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Context;
use super::answer::{ErrorBody, aside};
use super::reports::Which;
use crate::agent::AgentError;
use crate::control::{ControlError, follow_until};
use crate::report::{self, Clocks, Lines};

/// Lines that a slow reader may be behind. What is beyond waits in the ring, and is counted when that is full.
const BEHIND: usize = 1024;
/// How long a refusal may take to be heard.
const MOMENT: Duration = Duration::from_millis(100);

/// What happens to connections, from now on, until the reader goes.
#[utoipa::path(get, path = "/v1/events", params(Which), responses(
    (status = 200, description = "A line of JSON for each event, as `qlb events -o json`", body = String, content_type = "application/x-ndjson"),
    (status = "default", description = "Why not", body = ErrorBody),
))]
pub(super) async fn stream(
    State(Context { registry, .. }): State<Context>,
    Query(Which { pool }): Query<Which>,
) -> Result<Response, AgentError> {
    let found = registry.clone();
    let pools = aside(move || Ok(found.find_or_list(pool.as_deref())?)).await?;
    let failed = |error: io::Error| AgentError::from(ControlError::Start(error));
    // Readable for the follower when the reader's side is dropped.
    let (reader, gone) = UnixStream::pair().map_err(failed)?;
    let (lines, received) = mpsc::channel::<Bytes>(BEHIND);
    let (refuse, refused) = oneshot::channel();
    let work = move || {
        let ended = follow_until(&registry, pools, gone.as_fd(), |served, event| {
            let Some(line) = report::event(served, event, Clocks::now()?) else { return Ok(()) };
            let mut text = Vec::new();
            line.print(Lines::Json, &mut text)?;
            lines.blocking_send(text.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
        });
        // Heard only before the first line.
        let _ = refuse.send(ended.map_err(AgentError::from));
    };
    thread::Builder::new().name("events".to_owned()).spawn(work).map_err(failed)?;
    // Somebody else may be listening: that is an error, and no empty stream.
    if let Ok(Ok(ended)) = timeout(MOMENT, refused).await {
        ended?;
    }
    let body = stream::unfold((received, reader), |(mut lines, reader)| async move {
        let line = lines.recv().await?;
        Some((Ok::<_, Infallible>(line), (lines, reader)))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response())
}
