//! One request, one answer.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::ClientError;
use crate::registry::Registry;

/// How long the socket may be missing while one agent follows another.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// The status of an agent that is about to end ([`crate::agent::AgentError::Ending`]).
const ENDING: u16 = 503;

pub(super) fn ask(
    socket: &Path,
    method: &'static str,
    path: &str,
    body: String,
) -> Result<Value, ClientError> {
    let strange = |reason: String| ClientError::Strange { path: socket.to_owned(), reason };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| strange(error.to_string()))?;
    let start = Instant::now();
    let (status, text) = loop {
        let (status, text) = runtime.block_on(exchange(socket, method, path, body.clone()))?;
        // An agent that ends has not done it; the one that follows does.
        if status != ENDING || start.elapsed() > PATIENCE {
            break (status, text);
        }
        thread::sleep(PAUSE);
    };
    let answer: Value = serde_json::from_slice(&text)
        .map_err(|error| strange(format!("{error} (status {status})")))?;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let word = |key: &str| answer[key].as_str().map(str::to_owned);
    let message =
        word("message").ok_or_else(|| strange(format!("status {status} without a message")))?;
    let text = match word("help") {
        Some(help) => format!("{message}; {help}"),
        None => message,
    };
    let exit_code =
        answer["exitCode"].as_u64().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    let code = word("code").unwrap_or_default();
    Err(ClientError::Refused { text, exit_code, status, code })
}

async fn exchange(
    socket: &Path,
    method: &str,
    path: &str,
    body: String,
) -> Result<(u16, Bytes), ClientError> {
    let broken = |error: hyper::Error| unreachable_because(socket, &error.to_string());
    let stream = connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(async move {
        // What goes wrong shows in the answer.
        let _ = connection.await;
    });
    let request = Request::builder().method(method).uri(path).header("host", "qlb");
    let request = request.body(Full::new(Bytes::from(body)));
    let request = request.map_err(|error| unreachable_because(socket, &error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status().as_u16();
    let text = answer.into_body().collect().await.map_err(broken)?.to_bytes();
    Ok((status, text))
}

/// Connects. While one agent follows another there is no socket for a moment.
async fn connect(socket: &Path) -> Result<UnixStream, ClientError> {
    let start = Instant::now();
    loop {
        match UnixStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                let is_absent = matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                );
                let comes = is_absent && Registry::default().agent().is_some();
                if !comes || start.elapsed() >= PATIENCE {
                    return Err(unreachable(socket, &error));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn unreachable(socket: &Path, error: &io::Error) -> ClientError {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return unreachable_because(socket, &error.to_string());
    }
    ClientError::Unreachable {
        path: socket.to_owned(),
        reason: error.to_string(),
        help: "use root or the socket's group (`qlb agent --socket-group`)",
    }
}

fn unreachable_because(socket: &Path, reason: &str) -> ClientError {
    ClientError::Unreachable {
        path: socket.to_owned(),
        reason: reason.to_owned(),
        help: "is it running? systemctl status qlb",
    }
}
