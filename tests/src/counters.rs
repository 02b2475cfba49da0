//! Counters of a namespace's protocol stack and devices.

use std::collections::BTreeMap;
use std::fs;

use crate::error::Context;
use crate::{Error, Namespace};

/// The protocol counters of a namespace at one moment: /proc/net/snmp, netstat and snmp6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, i64>);

impl Counters {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Io`] when the namespace cannot be entered.
    pub fn read(namespace: &Namespace) -> Result<Self, Error> {
        let mut counters = BTreeMap::new();
        for file in ["snmp", "netstat"] {
            // /proc/net is the main thread's namespace, whatever this thread has entered.
            let path = format!("/proc/thread-self/net/{file}");
            let text = namespace.run(|| fs::read_to_string(&path))?;
            parse(&text.context(|| format!("reading {path}"))?, &mut counters);
        }
        let path = "/proc/thread-self/net/snmp6";
        let text = namespace.run(|| fs::read_to_string(path))?;
        parse_lines(&text.context(|| format!("reading {path}"))?, &mut counters);
        Ok(Self(counters))
    }

    /// A counter by its nstat(8) name: `TcpInCsumErrors`, `TcpExtListenDrops`. Counters the kernel
    /// does not list are 0.
    #[must_use]
    pub fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// What has changed since `earlier`, by name.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> BTreeMap<&str, i64> {
        let delta = |(name, value): (&'_ String, &i64)| value - earlier.get(name);
        let all = self.0.iter().map(|entry| (entry.0.as_str(), delta(entry)));
        all.filter(|(_, delta)| *delta != 0).collect()
    }
}

/// Lines come in pairs, `Tcp: Name Name` and `Tcp: 1 2`.
fn parse(text: &str, into: &mut BTreeMap<String, i64>) {
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let mut names = names.split_whitespace();
        let group = names.next().unwrap_or_default().trim_end_matches(':');
        for (name, value) in names.zip(values.split_whitespace().skip(1)) {
            if let Ok(value) = value.parse() {
                into.insert(format!("{group}{name}"), value);
            }
        }
    }
}

/// A counter on each line, `Icmp6InMsgs 3`.
fn parse_lines(text: &str, into: &mut BTreeMap<String, i64>) {
    let words = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    into.extend(
        words.filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?))),
    );
}

/// One direction of a device's counters, as `ip -s link` shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Packets.
    pub packets: u64,
    /// Bytes, link header included.
    pub bytes: u64,
    /// Packets lost to errors.
    pub errors: u64,
    /// Packets dropped.
    pub dropped: u64,
}

/// A device's counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCounters {
    /// Received.
    pub rx: Direction,
    /// Sent.
    pub tx: Direction,
}

impl LinkCounters {
    /// Reads them with `ip -s link`.
    ///
    /// # Errors
    /// [`Error::Program`] if there is no such device.
    pub fn read(namespace: &Namespace, device: &str) -> Result<Self, Error> {
        let command = namespace.command("ip").args(["-json", "-statistics", "link", "show"]);
        let text = command.args(["dev", device]).stdout()?;
        let unexpected = || Error::Unexpected {
            what: format!("counters of device {device}"),
            found: text.clone(),
        };
        let links: serde_json::Value = serde_json::from_str(&text).map_err(|_| unexpected())?;
        let direction = |name: &str| {
            let stats = links.pointer(&format!("/0/stats64/{name}"))?;
            let field = |field: &str| stats.get(field)?.as_u64();
            Some(Direction {
                packets: field("packets")?,
                bytes: field("bytes")?,
                errors: field("errors")?,
                dropped: field("dropped")?,
            })
        };
        match (direction("rx"), direction("tx")) {
            (Some(rx), Some(tx)) => Ok(Self { rx, tx }),
            (None, _) | (_, None) => Err(unexpected()),
        }
    }
}
