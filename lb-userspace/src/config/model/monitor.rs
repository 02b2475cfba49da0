//! How members are probed.

use super::{ExpectedCodes, Retries, Seconds};

/// A health monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorSpec {
    /// What a probe does.
    pub check: MonitorCheck,
    /// Time from one probe to the next (`inter`).
    pub delay: Seconds,
    /// How long a probe may take; not above `delay` (`timeout check`).
    pub timeout: Seconds,
    /// Failures in a row that take a member down (`fall`).
    pub max_retries: Retries,
}

/// What one probe of a member does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitorCheck {
    /// Opens a TCP connection.
    Tcp,
    /// Asks for a page.
    Http(HttpCheck),
    /// Asks for a page over TLS.
    Https(HttpCheck),
    /// Sends a TLS client hello and expects a server hello.
    TlsHello,
    /// Sends an ICMP echo.
    Ping,
}

impl MonitorCheck {
    /// The LBaaS name of the monitor type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Http(_) => "HTTP",
            Self::Https(_) => "HTTPS",
            Self::TlsHello => "TLS-HELLO",
            Self::Ping => "PING",
        }
    }
}

/// The request of an HTTP probe and the answers that count as healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// Request method, in capitals.
    pub http_method: String,
    /// Request target, from the `/`.
    pub url_path: String,
    /// Healthy status codes.
    pub expected_codes: ExpectedCodes,
}

impl Default for HttpCheck {
    /// The defaults of the LBaaS API.
    fn default() -> Self {
        Self {
            http_method: "GET".to_owned(),
            url_path: "/".to_owned(),
            expected_codes: ExpectedCodes::default(),
        }
    }
}
