//! Those who get log lines. None of them is waited for here: what one has no room for is an error.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::time::header;
use crate::config::model::{Level, LogAddress, LogFormat, LogTarget};
use crate::node::Place;

/// What lines are tagged with; syslog's filters for HAProxy go on to apply.
const TAG: &str = "haproxy";
/// Where systemd's journal listens (systemd, "Native Journal Protocol").
const JOURNAL: &str = "/run/systemd/journal/socket";

/// A line to be sent.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) level: Level,
    /// When it was written, since 1970.
    pub(super) at: Duration,
    pub(super) pool: String,
    pub(super) text: String,
    /// Its parts, of a connection's line.
    pub(super) fields: Option<Value>,
}

/// A target that is open.
#[derive(Debug)]
pub(super) struct Sink {
    target: LogTarget,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Path(UnixDatagram, String),
    Udp(UdpSocket, SocketAddr),
    Stdout,
    Stderr,
}

impl Sink {
    /// Opens a target. A syslog server is asked from the pool's namespace, as HAProxy in it would.
    pub(super) fn open(target: &LogTarget, place: &Place) -> io::Result<Self> {
        let path = |path: &str| {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            io::Result::Ok(Way::Path(socket, path.to_owned()))
        };
        let way = match &target.to {
            LogAddress::Path(at) => path(at)?,
            LogAddress::Journald => path(JOURNAL)?,
            LogAddress::Stdout => Way::Stdout,
            LogAddress::Stderr => Way::Stderr,
            LogAddress::Udp(server) => {
                let any: SocketAddr = match server {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let bind = || UdpSocket::bind(any).map_err(crate::control::ControlError::Start);
                let socket = place.run(bind).map_err(io::Error::other)?;
                socket.set_nonblocking(true)?;
                Way::Udp(socket, *server)
            }
        };
        Ok(Self { target: target.clone(), way })
    }

    /// Sends a line if the target wants it.
    pub(super) fn send(&self, message: &Message, zone: &TimeZone) -> io::Result<()> {
        let Some(bytes) = written(&self.target, message, zone, std::process::id()) else {
            return Ok(());
        };
        match &self.way {
            Way::Path(socket, path) => socket.send_to(&bytes, path).map(drop),
            Way::Udp(socket, server) => socket.send_to(&bytes, server).map(drop),
            Way::Stdout => io::stdout().lock().write_all(&bytes),
            Way::Stderr => io::stderr().lock().write_all(&bytes),
        }
    }

    /// Whether the parts of a line are of use to the target.
    pub(super) fn wants_fields(&self) -> bool {
        self.target.format == LogFormat::Json
    }

    /// The target, for people.
    pub(super) fn name(&self) -> String {
        self.target.to.to_string()
    }
}

/// The bytes of a line for a target; none if it does not want it.
fn written(target: &LogTarget, message: &Message, zone: &TimeZone, pid: u32) -> Option<Vec<u8>> {
    let level = target.takes(message.level)?;
    let Message { at, pool, text, fields, .. } = message;
    let facility = target.facility.number();
    let text = match target.format {
        LogFormat::Text => text.clone(),
        LogFormat::Json => {
            let mut line = fields.clone().unwrap_or_else(|| json!({}));
            line["time"] = crate::report::rfc3339(*at).into();
            line["pool"] = pool.as_str().into();
            line["level"] = level.number().into();
            line["message"] = text.as_str().into();
            line.to_string()
        }
    };
    Some(match &target.to {
        LogAddress::Path(_) | LogAddress::Udp(_) => {
            let priority = facility * 8 + level.number();
            let header = header(*at, zone);
            format!("<{priority}>{header} {TAG}[{pid}]: {text}\n").into_bytes()
        }
        LogAddress::Stdout | LogAddress::Stderr => format!("{text}\n").into_bytes(),
        LogAddress::Journald => format!(
            "MESSAGE={text}\nPRIORITY={}\nSYSLOG_FACILITY={facility}\nSYSLOG_IDENTIFIER={TAG}\n\
             SYSLOG_PID={pid}\nQLB_POOL={pool}\n",
            level.number()
        )
        .into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(target: &str, level: Level) -> Option<String> {
        let message = Message {
            level,
            at: Duration::from_millis(1_795_637_398_040),
            pool: "p".into(),
            text: "said".into(),
            fields: Some(json!({"bytes": 5})),
        };
        let target: LogTarget = target.parse().unwrap();
        let bytes = written(&target, &message, &TimeZone::UTC, 7)?;
        Some(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn lines_have_the_bytes_that_haproxy_sends() {
        let header = "Nov 25 20:09:58 haproxy[7]: said\n";
        for (target, level, priority) in [
            ("/dev/log local0", Level::INFO, 134),
            ("/dev/log local1 notice", Level::ALERT, 137),
            ("192.0.2.1 local0 debug alert", Level::EMERG, 129),
            ("192.0.2.1 local0", Level::WARNING, 132),
        ] {
            assert_eq!(bytes(target, level).unwrap(), format!("<{priority}>{header}"));
        }
        assert_eq!(bytes("/dev/log local1 notice", Level::INFO), None);
        assert_eq!(bytes("stdout local0", Level::INFO).unwrap(), "said\n");
    }

    #[test]
    fn json_and_the_journal_have_fields() {
        let line: Value =
            serde_json::from_str(&bytes("stdout format json local0", Level::INFO).unwrap())
                .unwrap();
        assert_eq!(
            line,
            json!({"bytes": 5, "time": "2026-11-25T20:09:58.040Z", "pool": "p", "level": 6, "message": "said"})
        );
        let journal = bytes("journald local0", Level::INFO).unwrap();
        assert!(journal.starts_with("MESSAGE=said\nPRIORITY=6\nSYSLOG_FACILITY=16\n"), "{journal}");
    }

    #[test]
    fn datagrams_arrive_and_a_missing_server_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let target: LogTarget = format!("{} local0", path.display()).parse().unwrap();
        let sink = Sink::open(&target, &Place::named("")).unwrap();
        let message = Message {
            level: Level::INFO,
            at: Duration::ZERO,
            pool: "p".into(),
            text: "said".into(),
            fields: None,
        };
        sink.send(&message, &TimeZone::UTC).unwrap_err();
        let server = UnixDatagram::bind(&path).unwrap();
        sink.send(&message, &TimeZone::UTC).unwrap();
        let mut bytes = [0; 128];
        let read = server.recv(&mut bytes).unwrap();
        assert!(bytes[..read].ends_with(b"]: said\n"), "{:?}", &bytes[..read]);
    }
}
