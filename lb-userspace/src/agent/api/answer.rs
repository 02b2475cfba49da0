//! Answers that several addresses have, errors above all.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::agent::AgentError;
use crate::report::API_VERSION;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// Version of the answer.
    pub api_version: String,
    /// A word for programs, such as `no_such_pool`.
    pub code: String,
    /// What is wrong, of which object.
    pub message: String,
    /// What to do about it; null if there is nothing but to read the message.
    pub help: Option<String>,
    /// The exit code of a command that ends with this.
    pub exit_code: u8,
}

/// A member that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberAnswer {
    /// Version of the answer.
    pub api_version: String,
    /// The pool's id.
    pub pool: String,
    /// The member's id.
    pub member: String,
    /// Its address and port.
    pub endpoint: String,
    /// How the pool is: SERVED, PENDING or ERROR.
    pub state: String,
    /// Why it is not served as declared.
    pub reason: Option<String>,
}

impl IntoResponse for AgentError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        body(status, self.code(), &self.to_string(), self.exit_code())
    }
}

/// An error as the API says it. What is behind the last semicolon of a message says what to do.
fn body(status: StatusCode, code: &str, text: &str, exit_code: u8) -> Response {
    let (message, help) = match text.rsplit_once("; ") {
        Some((message, help)) => (message, Some(help.to_owned())),
        None => (text, None),
    };
    let body = ErrorBody {
        api_version: API_VERSION.to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
        help,
        exit_code,
    };
    (status, Json(body)).into_response()
}

/// There is no such address.
pub(super) async fn unknown(uri: Uri) -> Response {
    std::future::ready(()).await;
    let text = format!("there is nothing at {}; /v1/openapi.json says what there is", uri.path());
    body(StatusCode::NOT_FOUND, "no_such_address", &text, 2)
}

/// The address takes another method.
pub(super) async fn not_allowed(method: Method, uri: Uri) -> Response {
    std::future::ready(()).await;
    let text = format!("{} takes no {method}; /v1/openapi.json says what it takes", uri.path());
    body(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", &text, 2)
}

/// A request that says something that cannot be.
pub(super) fn invalid(text: impl Into<String>) -> AgentError {
    AgentError::Document(text.into())
}

/// The body of a request.
pub(super) fn read<T: for<'a> Deserialize<'a>>(body: &str) -> Result<T, AgentError> {
    serde_json::from_str(body)
        .map_err(|error| invalid(format!("the body is not as it should be: {error}")))
}

/// Does something that may take a while, or wait for the kernel, beside the other requests.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AgentError> + Send + 'static,
) -> Result<T, AgentError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| AgentError::Ending)?
}
