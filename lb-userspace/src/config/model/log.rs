//! Where a pool's log lines go, in HAProxy's own words (HAProxy manual, 4.2 `log`), plus the target `journald` and
//! the format `json`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::ValueError;

/// Somebody who gets a pool's log lines: `<target> [format <format>] <facility> [<level> [<least>]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTarget {
    /// Where the lines go.
    pub to: LogAddress,
    /// How they are written.
    pub format: LogFormat,
    /// The part of the system that they are of.
    pub facility: Facility,
    /// Lines that matter less than this are left out.
    pub level: Level,
    /// Lines that matter more than this are sent as if they had this level.
    pub cap: Level,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogAddress {
    /// A datagram socket of the file system, such as /dev/log.
    Path(String),
    /// A syslog server over UDP, asked from the pool's namespace.
    Udp(SocketAddr),
    /// The program's standard output.
    Stdout,
    /// The program's standard error.
    Stderr,
    /// The journal of systemd, by its own protocol.
    Journald,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// With the header of BSD syslog (RFC 3164) as HAProxy writes it; on standard output without one.
    Text,
    /// One JSON object a line.
    Json,
}

/// A syslog facility (RFC 3164 section 4.1.1, with HAProxy's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

/// A syslog severity, 0 for emergencies to 7 for debugging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u8);

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2",
    "ftp", "ntp", "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];
const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// The port of syslog servers.
const SYSLOG: u16 = 514;

impl Facility {
    /// The number that stands in the priority of a line.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Level {
    /// The system is unusable.
    pub const EMERG: Self = Self(0);
    /// Something has to be done at once.
    pub const ALERT: Self = Self(1);
    /// Something is not as it should be.
    pub const WARNING: Self = Self(4);
    /// Normal, but worth to be seen.
    pub const NOTICE: Self = Self(5);
    /// What happens all the time: a connection's line.
    pub const INFO: Self = Self(6);
    /// Everything.
    pub const DEBUG: Self = Self(7);

    /// The number that stands in the priority of a line.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl LogTarget {
    /// The level with which this target gets a line of `level`; none if it does not get it.
    pub fn takes(&self, level: Level) -> Option<Level> {
        (level <= self.level).then(|| level.max(self.cap))
    }
}

impl FromStr for LogTarget {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |why: &'static str| ValueError::Log(text.to_owned(), why);
        let mut words = text.split_whitespace().peekable();
        let to = words.next().ok_or(wrong("there is no target"))?;
        let to = to
            .parse()
            .map_err(|()| wrong("the target is not a path, address, stdout, stderr or journald"))?;
        let mut format = LogFormat::Text;
        while let Some(option) = words.next_if(|word| ["format", "len"].contains(word)) {
            let value = words.next().ok_or(wrong("an option has no value"))?;
            match (option, value) {
                ("format", "json") => format = LogFormat::Json,
                ("format", "rfc3164" | "local" | "raw" | "short") => format = LogFormat::Text,
                ("format", _) => return Err(wrong("the format is neither rfc3164 nor json")),
                // Lines are shorter than HAProxy's 1024 bytes.
                _ if value.bytes().all(|byte| byte.is_ascii_digit()) => {}
                _ => return Err(wrong("the length is not a number")),
            }
        }
        let index = |names: &[&str], word: &str| names.iter().position(|name| *name == word);
        let facility = words.next().ok_or(wrong("there is no facility, such as local0"))?;
        let facility = index(&FACILITIES, facility).ok_or(wrong("no facility has this name"))?;
        let mut level = |otherwise| match words.next() {
            None => Ok(otherwise),
            Some(word) => index(&LEVELS, word)
                .map(|index| Level(index as u8))
                .ok_or(wrong("no level has this name; emerg to debug do")),
        };
        let (most, cap) = (level(Level::DEBUG)?, level(Level::EMERG)?);
        if words.next().is_some() {
            return Err(wrong("there are words behind the levels"));
        }
        Ok(Self { to, format, facility: Facility(facility as u8), level: most, cap })
    }
}

impl FromStr for LogAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "journald" => Self::Journald,
            path if path.starts_with('/') => Self::Path(path.to_owned()),
            address => match (address.parse::<SocketAddr>(), address.parse::<IpAddr>()) {
                (Ok(socket), _) => Self::Udp(socket),
                (_, Ok(address)) => Self::Udp(SocketAddr::new(address, SYSLOG)),
                (Err(_), Err(_)) => return Err(()),
            },
        })
    }
}

impl fmt::Display for LogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Udp(socket) => socket.fmt(f),
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::Journald => f.write_str("journald"),
        }
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, format, facility, level, cap } = self;
        let format = match format {
            LogFormat::Text => "",
            LogFormat::Json => " format json",
        };
        let name = |names: &[&'static str], index: u8| {
            names.get(usize::from(index)).copied().unwrap_or_default()
        };
        write!(f, "{to}{format} {}", name(&FACILITIES, facility.0))?;
        if *level != Level::DEBUG || *cap != Level::EMERG {
            write!(f, " {}", name(&LEVELS, level.0))?;
        }
        if *cap != Level::EMERG {
            write!(f, " {}", name(&LEVELS, cap.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_written_as_they_were_read() {
        for text in [
            "/dev/log local0",
            "/dev/log local1 notice",
            "/dev/log local0 debug alert",
            "192.0.2.1:5514 daemon info",
            "[2001:db8::1]:514 user",
            "journald local0",
            "stdout format json local0",
        ] {
            assert_eq!(text.parse::<LogTarget>().unwrap().to_string(), text);
        }
        let short: LogTarget = "192.0.2.1 len 4096 format rfc3164 local7".parse().unwrap();
        assert_eq!(short.to_string(), "192.0.2.1:514 local7");
    }

    #[test]
    fn what_is_no_target_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "no target"),
            ("ring@mine local0", "not a path"),
            ("/dev/log", "no facility, such as"),
            ("/dev/log local9", "no facility has"),
            ("/dev/log local0 loud", "no level"),
            ("/dev/log local0 debug alert now", "behind the levels"),
            ("/dev/log format cbor local0", "neither rfc3164"),
            ("/dev/log len long local0", "not a number"),
        ] {
            let error = text.parse::<LogTarget>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn levels_filter_below_and_cap_above() {
        let target = |text: &str| text.parse::<LogTarget>().unwrap();
        assert_eq!(target("/dev/log local1 notice").takes(Level::INFO), None);
        assert_eq!(target("/dev/log local1 notice").takes(Level::ALERT), Some(Level::ALERT));
        assert_eq!(target("/dev/log local0 debug alert").takes(Level::EMERG), Some(Level::ALERT));
    }
}
