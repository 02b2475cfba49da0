//! The choices of a pool that are words.

use std::fmt;

use clap::ValueEnum;
use lb_common::wire::ipv4;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the members of a pool speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// Any byte stream.
    Tcp,
    /// HTTP; HAProxy balances it per request, qlb per connection.
    Http,
    /// TLS passed through untouched.
    Https,
    /// Datagrams; a flow of them is balanced as a connection is.
    Udp,
}

impl Protocol {
    /// Whether the members speak UDP; else they speak TCP.
    pub const fn is_udp(self) -> bool {
        matches!(self, Self::Udp)
    }

    /// Number of the IP protocol below.
    pub const fn number(self) -> u8 {
        if self.is_udp() { ipv4::UDP } else { ipv4::TCP }
    }
}

/// How a member is chosen for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LbMethod {
    /// Smooth weighted round robin (`balance roundrobin`).
    RoundRobin,
    /// Fewest connections per weight (`balance leastconn`).
    LeastConnections,
    /// By the client's address (`balance source`).
    SourceIp,
    /// By the client's address and port.
    SourceIpPort,
    /// Shortest time to accept a connection, by connections and weight.
    LeastResponseTime,
}

/// How packets get to a member, and its answers to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Members see the VIP as the source, as behind HAProxy.
    #[default]
    Nat,
    /// Members see the client, and have their route to it across the node.
    Dnat,
    /// Members have the VIP themselves, see the client, and answer past the node.
    Dsr,
}

/// What becomes of a new connection above the VIP's `connection_limit`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// Its SYN is dropped, and the client sends it again.
    #[default]
    Drop,
    /// It is refused with RST.
    Reset,
}

/// What becomes of the connections of a member that its monitor finds down, if they do not go on
/// (`on-marked-down`, HAProxy manual, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnMarkedDown {
    /// They are reset at both ends.
    ShutdownSessions,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nat => "nat",
            Self::Dnat => "dnat",
            Self::Dsr => "dsr",
        })
    }
}

impl fmt::Display for OnMarkedDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShutdownSessions => "shutdown-sessions",
        })
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drop => "drop",
            Self::Reset => "reset",
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Udp => "UDP",
        })
    }
}

impl fmt::Display for LbMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoundRobin => "ROUND_ROBIN",
            Self::LeastConnections => "LEAST_CONNECTIONS",
            Self::SourceIp => "SOURCE_IP",
            Self::SourceIpPort => "SOURCE_IP_PORT",
            Self::LeastResponseTime => "LEAST_RESPONSE_TIME",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shown_as_files_have_them() {
        for protocol in [Protocol::Tcp, Protocol::Http, Protocol::Https, Protocol::Udp] {
            assert_eq!(serde_json::to_value(protocol).unwrap(), protocol.to_string());
        }
        for overflow in [Overflow::Drop, Overflow::Reset] {
            assert_eq!(serde_json::to_value(overflow).unwrap(), overflow.to_string());
        }
        for mode in [Mode::Nat, Mode::Dnat, Mode::Dsr] {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.to_string());
        }
        let shutdown = OnMarkedDown::ShutdownSessions;
        assert_eq!(serde_json::to_value(shutdown).unwrap(), shutdown.to_string());
        for method in [
            LbMethod::RoundRobin,
            LbMethod::LeastConnections,
            LbMethod::SourceIp,
            LbMethod::SourceIpPort,
            LbMethod::LeastResponseTime,
        ] {
            assert_eq!(serde_json::to_value(method).unwrap(), method.to_string());
        }
    }
}
