//! What a pool of UDP members cannot have.

use super::Check;
use crate::config::field::FieldPath;
use crate::config::model::{PoolSpec, SessionPersistence};

impl Check {
    pub(super) fn udp(&mut self, path: &FieldPath, pool: &PoolSpec) {
        if !pool.protocol.is_udp() {
            return;
        }
        let cookie = match &pool.session_persistence {
            None | Some(SessionPersistence::SourceIp { .. }) => None,
            Some(SessionPersistence::HttpCookie) => Some("HTTP_COOKIE"),
            Some(SessionPersistence::AppCookie { .. }) => Some("APP_COOKIE"),
        };
        if let Some(cookie) = cookie {
            let message = format!("{cookie} persistence is of HTTP, and the protocol is UDP");
            let help = "write `type: SOURCE_IP`, or remove session_persistence";
            self.fail(path.key("session_persistence").key("type"), message, help);
        }
        if pool.timeouts.keepalive_counts {
            let message = "UDP has no keepalives: every datagram counts as activity".to_owned();
            self.fail(path.key("timeouts").key("keepalive_counts"), message, "remove it");
        }
    }
}
