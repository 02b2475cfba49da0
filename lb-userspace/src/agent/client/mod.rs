//! A client of the agent's API, for the command line.

mod error;
mod http;

use std::path::{Path, PathBuf};

pub use error::ClientError;
use serde_json::Value;

/// The agent behind a socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The agent that listens there.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Gets what is at an address below `/v1`.
    ///
    /// # Errors
    /// When the agent cannot be reached, or refuses.
    pub fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.ask("GET", path, String::new())
    }

    /// Sends a body to an address below `/v1`.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub fn send(
        &self,
        method: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Value, ClientError> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(method, path, body)
    }

    /// Has the agent end and leave its pools to this process.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub fn hand_over(&self) -> Result<(), ClientError> {
        self.ask("POST", "/v1/handover", String::new()).map(drop)
    }

    fn ask(&self, method: &'static str, path: &str, body: String) -> Result<Value, ClientError> {
        http::ask(&self.socket, method, path, body)
    }
}

/// A part of an address, such as an id, with what has a meaning there written otherwise.
#[must_use]
pub fn part(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let written =
        |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(written).collect()
}
