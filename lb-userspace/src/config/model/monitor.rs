//! How members are probed.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ExpectedCodes, MemberSpec, Protocol, Retries, Seconds};

/// A health monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorSpec {
    /// What a probe does.
    pub check: MonitorCheck,
    /// Time from one probe to the next (`inter`).
    pub delay: Seconds,
    /// How long a probe waits for its answer; not above `delay` (`timeout check`).
    pub timeout: Seconds,
    /// Good probes in a row that bring a member up (`rise`).
    pub max_retries: Retries,
    /// Failures in a row that take a member down (`fall`).
    pub max_retries_down: Retries,
    /// What a member is before its first probe.
    pub start: StartRule,
}

/// What a member counts as before anything is known of it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum StartRule {
    /// Up, but the first failure takes it down, as HAProxy begins.
    #[default]
    Haproxy,
    /// Up, and only `max_retries_down` failures take it down.
    Optimistic,
}

/// What one probe of a member does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitorCheck {
    /// Opens a TCP connection.
    Tcp,
    /// Asks for a page.
    Http(HttpCheck),
    /// Asks for a page over TLS.
    Https(HttpCheck, Verify),
    /// Sends a TLS client hello and expects a server hello.
    TlsHello,
    /// Sends an ICMP echo.
    Ping,
    /// Sends an empty datagram; only an ICMP error about it is a failure.
    UdpConnect,
}

impl MonitorCheck {
    /// The LBaaS name of the monitor type.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Http(_) => "HTTP",
            Self::Https(..) => "HTTPS",
            Self::TlsHello => "TLS-HELLO",
            Self::Ping => "PING",
            Self::UdpConnect => "UDP-CONNECT",
        }
    }

    /// The request of an HTTP or HTTPS monitor.
    pub const fn http(&self) -> Option<&HttpCheck> {
        match self {
            Self::Http(http) | Self::Https(http, _) => Some(http),
            Self::Tcp | Self::TlsHello | Self::Ping | Self::UdpConnect => None,
        }
    }

    /// Whether a pool of this protocol may have such a monitor (Octavia's matrix of protocols and
    /// monitor types).
    pub const fn suits(&self, protocol: Protocol) -> bool {
        match self {
            Self::Tcp | Self::Http(_) | Self::Ping => true,
            Self::Https(..) | Self::TlsHello => !protocol.is_udp(),
            Self::UdpConnect => protocol.is_udp(),
        }
    }
}

/// What is asked of the certificate of an HTTPS member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: any certificate will do, as in HAProxy's `check-ssl verify none`.
    #[default]
    None,
    /// That an authority of this file (PEM), or of the system's, has signed it, for the
    /// `domain_name` or else the member's address, and that it is valid now.
    Required(Option<PathBuf>),
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
    /// Version of the request.
    pub http_version: HttpVersion,
    /// The `Host` of the request; also the name that TLS asks for.
    pub domain_name: Option<String>,
}

/// Version of HTTP that a probe speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0, HAProxy's default.
    #[default]
    V1_0,
    /// HTTP/1.1, which always has a `Host`: `domain_name`, or the member's address and port.
    V1_1,
}

impl HttpVersion {
    /// As Octavia has it: 1.0 or 1.1.
    pub const fn number(self) -> f64 {
        match self {
            Self::V1_0 => 1.0,
            Self::V1_1 => 1.1,
        }
    }

    /// As the request line has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::V1_0 => "HTTP/1.0",
            Self::V1_1 => "HTTP/1.1",
        }
    }
}

impl Default for HttpCheck {
    /// The defaults of the LBaaS API.
    fn default() -> Self {
        Self {
            http_method: "GET".to_owned(),
            url_path: "/".to_owned(),
            expected_codes: ExpectedCodes::default(),
            http_version: HttpVersion::default(),
            domain_name: None,
        }
    }
}

impl MemberSpec {
    /// Where its probes go: `monitor_address` and `monitor_port`, or its own.
    pub fn monitored_at(&self) -> std::net::SocketAddr {
        let address = self.monitor_address.unwrap_or(self.address);
        std::net::SocketAddr::new(address, self.monitor_port.unwrap_or(self.port).get())
    }
}
