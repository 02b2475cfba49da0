//! The line of a connection that ended, in the format of `option tcplog` (HAProxy manual, 8.2.2).

use std::net::SocketAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::time::accept;

/// A connection that ended, or was refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Ended {
    /// When its SYN came, since 1970.
    #[serde(skip)]
    pub(super) accepted: Duration,
    /// Where it came from.
    pub(super) client: SocketAddr,
    /// The VIP's id.
    pub(super) frontend: String,
    /// The pool's id.
    pub(super) backend: String,
    /// The member's id; none if nobody got it.
    pub(super) server: Option<String>,
    /// Milliseconds from SYN to SYN-ACK; none if there was none.
    pub(super) connect_ms: Option<u64>,
    /// Milliseconds from SYN to the end.
    pub(super) total_ms: u64,
    /// Payload of the member.
    pub(super) bytes: u64,
    /// How it ended, in two letters (HAProxy manual, 8.5).
    pub(super) state: &'static str,
    /// Connections of the VIP at that moment, this one included.
    pub(super) frontend_connections: u64,
    /// Connections of the pool, without this one.
    pub(super) backend_connections: u64,
    /// Connections of the member, without this one.
    pub(super) server_connections: u64,
    /// How many members had it before.
    pub(super) retries: u32,
}

impl Ended {
    /// The line. There is no queue, so the time in it and its length are 0.
    pub(super) fn text(&self, zone: &TimeZone) -> String {
        let Self { client, frontend, backend, bytes, state, .. } = self;
        let (address, port) = (client.ip(), client.port());
        let server = self.server.as_deref().unwrap_or("<NOSRV>");
        let wait = if self.server.is_some() { "0" } else { "-1" };
        let connect = self.connect_ms.map_or("-1".to_owned(), |ms| ms.to_string());
        // Each went to another member: HAProxy marks redispatches so.
        let redispatched = if self.retries > 0 { "+" } else { "" };
        format!(
            "{address}:{port} [{}] {frontend} {backend}/{server} {wait}/{connect}/{} {bytes} {state} {}/{}/{}/{}/{redispatched}{} 0/0",
            accept(self.accepted, zone),
            self.total_ms,
            self.frontend_connections,
            self.frontend_connections,
            self.backend_connections,
            self.server_connections,
            self.retries,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended() -> Ended {
        Ended {
            accepted: Duration::from_millis(1_795_637_398_040),
            client: "10.0.0.1:40000".parse().unwrap(),
            frontend: "vip".into(),
            backend: "pool".into(),
            server: Some("m1".into()),
            connect_ms: Some(2),
            total_ms: 1502,
            bytes: 5,
            state: "cD",
            frontend_connections: 2,
            backend_connections: 1,
            server_connections: 1,
            retries: 0,
        }
    }

    #[test]
    fn lines_are_those_that_haproxy_wrote() {
        let utc = TimeZone::UTC;
        let date = "[25/Nov/2026:20:09:58.040]";
        assert_eq!(
            ended().text(&utc),
            format!("10.0.0.1:40000 {date} vip pool/m1 0/2/1502 5 cD 2/2/1/1/0 0/0")
        );
        let refused = Ended {
            server: None,
            connect_ms: None,
            total_ms: 0,
            bytes: 0,
            state: "SC",
            frontend_connections: 1,
            backend_connections: 0,
            server_connections: 0,
            ..ended()
        };
        assert_eq!(
            refused.text(&utc),
            format!("10.0.0.1:40000 {date} vip pool/<NOSRV> -1/-1/0 0 SC 1/1/0/0/0 0/0")
        );
        let six = Ended { client: "[2001:db8::1]:4000".parse().unwrap(), retries: 3, ..ended() };
        assert!(six.text(&utc).starts_with("2001:db8::1:4000 ["), "{}", six.text(&utc));
        assert!(six.text(&utc).ends_with("/+3 0/0"), "{}", six.text(&utc));
    }
}
