//! What a probe has found, in HAProxy's words (HAProxy manual, 9.1 `check_status`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The layer that answered, or did not, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckStatus {
    /// The connection was made, or the datagram or echo was not refused.
    #[serde(rename = "L4OK")]
    L4Ok,
    /// Refused, or unreachable.
    #[serde(rename = "L4CON")]
    L4Con,
    /// Nobody answered.
    #[serde(rename = "L4TOUT")]
    L4Tout,
    /// A TLS server answered.
    #[serde(rename = "L6OK")]
    L6Ok,
    /// What answered does not speak TLS, or its certificate is not accepted.
    #[serde(rename = "L6RSP")]
    L6Rsp,
    /// The handshake did not end in time.
    #[serde(rename = "L6TOUT")]
    L6Tout,
    /// An expected status came.
    #[serde(rename = "L7OK")]
    L7Ok,
    /// Another status came.
    #[serde(rename = "L7STS")]
    L7Sts,
    /// What came is not HTTP, or nothing did before the connection ended.
    #[serde(rename = "L7RSP")]
    L7Rsp,
    /// The answer did not come in time.
    #[serde(rename = "L7TOUT")]
    L7Tout,
    /// The probe could not be sent from here.
    #[serde(rename = "SOCKERR")]
    SockErr,
}

impl CheckStatus {
    /// As HAProxy's statistics have it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::L4Ok => "L4OK",
            Self::L4Con => "L4CON",
            Self::L4Tout => "L4TOUT",
            Self::L6Ok => "L6OK",
            Self::L6Rsp => "L6RSP",
            Self::L6Tout => "L6TOUT",
            Self::L7Ok => "L7OK",
            Self::L7Sts => "L7STS",
            Self::L7Rsp => "L7RSP",
            Self::L7Tout => "L7TOUT",
            Self::SockErr => "SOCKERR",
        }
    }

    /// As HAProxy's log has it.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::L4Ok => "Layer4 check passed",
            Self::L4Con => "Layer4 connection problem",
            Self::L4Tout => "Layer4 timeout",
            Self::L6Ok => "Layer6 check passed",
            Self::L6Rsp => "Layer6 invalid response",
            Self::L6Tout => "Layer6 timeout",
            Self::L7Ok => "Layer7 check passed",
            Self::L7Sts => "Layer7 wrong status",
            Self::L7Rsp => "Layer7 invalid response",
            Self::L7Tout => "Layer7 timeout",
            Self::SockErr => "Socket error",
        }
    }

    /// Whether the member is well; none if the probe says nothing about it.
    pub const fn passed(self) -> Option<bool> {
        match self {
            Self::L4Ok | Self::L6Ok | Self::L7Ok => Some(true),
            Self::L4Con
            | Self::L4Tout
            | Self::L6Rsp
            | Self::L6Tout
            | Self::L7Sts
            | Self::L7Rsp
            | Self::L7Tout => Some(false),
            Self::SockErr => None,
        }
    }
}

/// The end of one probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// What was found.
    pub status: CheckStatus,
    /// The HTTP status, if one came.
    pub code: Option<u16>,
    /// What else is to be said, such as "Connection refused"; often nothing.
    pub info: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl Outcome {
    /// A finding without HTTP status.
    pub fn of(status: CheckStatus, info: impl Into<String>) -> Self {
        Self { status, code: None, info: info.into(), duration_ms: 0 }
    }

    /// The same, with the time it took.
    #[must_use]
    pub fn after(self, elapsed: Duration) -> Self {
        Self { duration_ms: elapsed.as_millis() as u64, ..self }
    }
}
