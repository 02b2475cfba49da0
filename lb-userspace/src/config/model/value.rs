//! Values with a range: once built, they are right.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

/// Why a single value is not acceptable.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each variant says what it means")]
pub enum ValueError {
    #[error(
        "id `{0}` is not 1 to 128 letters, digits, `-`, `_`, `.` or `:`, the first a letter \
         or digit"
    )]
    Id(String),
    #[error("`{0}` is not an IP address")]
    Address(String),
    #[error("port {0} is not in 1..=65535")]
    Port(i64),
    #[error("weight {0} is not in 0..=256")]
    Weight(i64),
    #[error("{0} probes in a row are not in 1..=10")]
    Retries(i64),
    #[error("{0} s is not between 0.001 and 2073600 seconds")]
    Seconds(f64),
    #[error("`{0}` is not a network such as 192.0.2.0/24")]
    Cidr(String),
    #[error("`{cidr}` has bits behind its prefix; the network is {network}/{bits}")]
    HostBits { cidr: String, network: IpAddr, bits: u8 },
    #[error("`{0}` is not a netmask such as 255.255.255.0")]
    Netmask(String),
    #[error("max_connections {0} is not in 1..=16777216")]
    MaxConnections(i64),
    #[error("expected_codes `{0}` is not a list of HTTP status codes and ranges of them")]
    Codes(String),
    #[error("`{0}` says nowhere to log: {1}")]
    Log(String, &'static str),
    #[error("`{0}` is no stats socket: {1}")]
    StatsSocket(String, &'static str),
}

impl ValueError {
    /// What to write instead.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Id(_) => "use the id Neutron gave it; it names files and namespaces",
            Self::Address(_) => "write an address such as 10.0.0.2 or 2001:db8::2, not a name",
            Self::Port(_) => "write the port as a number from 1 to 65535",
            Self::Weight(_) => "write a number from 0 to 256; 0 drains the member",
            Self::Retries(_) => "write how many probes in a row it takes to believe them, 1 to 10",
            Self::Seconds(_) => "write the time in seconds, such as 5 or 0.5",
            Self::Cidr(_) => {
                "write an address and the length of the prefix; /32 is one IPv4 address"
            }
            Self::HostBits { .. } => {
                "write the network's address, with zero bits behind the prefix"
            }
            Self::Netmask(_) => "write ones, then zeros; 255.255.255.255 tells every client apart",
            Self::MaxConnections(_) => "write the most connections at a time, ending ones included",
            Self::Log(..) => {
                "write <target> [format json] <facility> [<level>], such as /dev/log local0 notice"
            }
            Self::StatsSocket(..) => "write <path> [mode <octal>] [level user]",
            Self::Codes(_) => "write 200, or 200,202 or 200-204,301, with codes from 100 to 599",
        }
    }
}

/// An id of a pool, VIP or member: an opaque token that is safe in file and namespace names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// Checks the characters HAProxy allows in a proxy name (manual, 2.1), without a leading
    /// `.` or `-`, which file tools would misread.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts_well && text.len() <= 128 && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueError::Id(text.to_owned()))
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads an address without port, zone or brackets.
pub(in crate::config) fn address(text: &str) -> Result<IpAddr, ValueError> {
    text.parse().map_err(|_| ValueError::Address(text.to_owned()))
}

/// A TCP or UDP port, 1..=65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(NonZeroU16);

impl Port {
    /// The port in host byte order.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl TryFrom<i64> for Port {
    type Error = ValueError;

    fn try_from(number: i64) -> Result<Self, ValueError> {
        let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
        port.map(Self).ok_or(ValueError::Port(number))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A member's share of new connections, 0..=256; 0 takes none (drain).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

impl Weight {
    /// The weight as a number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<i64> for Weight {
    type Error = ValueError;

    fn try_from(number: i64) -> Result<Self, ValueError> {
        let weight = u16::try_from(number).ok().filter(|weight| *weight <= 256);
        weight.map(Self).ok_or(ValueError::Weight(number))
    }
}

/// Probes in a row that take a member down, or bring it up, 1..=10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries(u8);

impl Retries {
    /// The number of probes.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<i64> for Retries {
    type Error = ValueError;

    fn try_from(number: i64) -> Result<Self, ValueError> {
        let retries = u8::try_from(number).ok().filter(|n| (1..=10).contains(n));
        retries.map(Self).ok_or(ValueError::Retries(number))
    }
}

/// A time the operator writes in seconds; kept in whole milliseconds, 1 ms to 24 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds {
    millis: u32,
}

impl Seconds {
    const MAX_MILLIS: u32 = 2_073_600_000;

    /// A time of whole milliseconds.
    pub fn from_millis(millis: u64) -> Result<Self, ValueError> {
        match u32::try_from(millis) {
            Ok(millis @ 1..=Self::MAX_MILLIS) => Ok(Self { millis }),
            Ok(_) | Err(_) => Err(ValueError::Seconds(millis as f64 / 1000.0)),
        }
    }

    /// The time as the standard library has it.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.millis as u64)
    }

    /// The time in seconds, exact to the millisecond.
    pub fn as_f64(self) -> f64 {
        f64::from(self.millis) / 1000.0
    }
}

impl TryFrom<f64> for Seconds {
    type Error = ValueError;

    fn try_from(seconds: f64) -> Result<Self, ValueError> {
        let millis = (seconds * 1000.0).round();
        if millis >= 1.0 && millis <= f64::from(Self::MAX_MILLIS) {
            Ok(Self { millis: millis as u32 })
        } else {
            Err(ValueError::Seconds(seconds))
        }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_f64().fmt(f)
    }
}

/// Most connections of a pool at a time, ending ones included; 1..=16777216.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxConnections(u32);

impl MaxConnections {
    /// The number of connections.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for MaxConnections {
    type Error = ValueError;

    fn try_from(number: i64) -> Result<Self, ValueError> {
        let most = u32::try_from(number).ok().filter(|n| (1..=1 << 24).contains(n));
        most.map(Self).ok_or(ValueError::MaxConnections(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_lbaas_ends_them() {
        assert_eq!(Port::try_from(0), Err(ValueError::Port(0)));
        assert_eq!(Port::try_from(65535).unwrap().get(), 65535);
        assert_eq!(Port::try_from(65536), Err(ValueError::Port(65536)));
        assert_eq!(Weight::try_from(-1), Err(ValueError::Weight(-1)));
        assert_eq!(Weight::try_from(256).unwrap().get(), 256);
        assert_eq!(Weight::try_from(257), Err(ValueError::Weight(257)));
        assert_eq!(Retries::try_from(0), Err(ValueError::Retries(0)));
        assert_eq!(Retries::try_from(11), Err(ValueError::Retries(11)));
    }

    #[test]
    fn seconds_keep_milliseconds_and_refuse_what_is_no_time() {
        assert_eq!(Seconds::try_from(0.01).unwrap(), Seconds::from_millis(10).unwrap());
        assert_eq!(Seconds::from_millis(1500).unwrap().to_string(), "1.5");
        assert_eq!(Seconds::from_millis(5000).unwrap().to_string(), "5");
        for wrong in [0.0, -1.0, 2_073_600.1, f64::INFINITY, f64::NAN] {
            assert!(Seconds::try_from(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_id_is_safe_in_a_path() {
        assert!(Id::new("574a31da-a28a-449f-8c9d-3d3687c3c02a").is_ok());
        assert!(Id::new("pool:listener").is_ok());
        for wrong in ["", ".", "..", "-f", "a/b", "a b", "a\u{0}", "é", &"a".repeat(129)] {
            assert!(Id::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
