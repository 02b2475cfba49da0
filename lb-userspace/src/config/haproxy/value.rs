//! Ids, numbers, times and endpoints as HAProxy writes them.

use std::net::IpAddr;

use super::fault::{Fault, Read};
use super::lexer::Word;
use crate::config::error::Pos;
use crate::config::model::{Id, Port, address};

/// The word that names a proxy or server, as an id.
pub(super) fn id(word: &Word) -> Read<Id> {
    Id::new(&word.text).map_err(Fault::value(word))
}

/// An address and port in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: IpAddr,
    pub(super) port: Port,
}

/// Reads `IP:port`. IPv6 has no brackets in Neutron's files, so the port follows the last
/// colon; brackets are accepted too.
pub(super) fn endpoint(word: &Word) -> Read<Endpoint> {
    let Some((host, port)) = word.text.rsplit_once(':') else {
        let message = format!("`{}` has no port", word.text);
        return Err(Fault::new(word.at, message, "write <address>:<port>, such as 10.0.0.2:80"));
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let offset = host.chars().count() + 1;
    let port =
        Word { text: port.to_owned(), at: Pos { column: word.at.column + offset, ..word.at } };
    Ok(Endpoint {
        address: address(bare).map_err(Fault::value(word))?,
        port: integer(&port)?.try_into().map_err(Fault::value(&port))?,
    })
}

/// The port of a server when it is an offset, `+N` or `-N` (HAProxy manual, 5.2 `server`).
pub(super) fn port_offset(word: &Word) -> Option<&str> {
    let (_, port) = word.text.rsplit_once(':')?;
    let number = port.strip_prefix(['+', '-'])?;
    is_digits(number).then_some(port)
}

/// Reads a whole number. A sign is no part of one: before a port it has a meaning of its own.
pub(super) fn integer(word: &Word) -> Read<i64> {
    word.text.parse().ok().filter(|_| is_digits(&word.text)).ok_or_else(|| {
        let message = format!("`{}` is not a number in plain digits", word.text);
        Fault::new(word.at, message, "write digits only")
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Reads a count, 0..=4294967295.
pub(super) fn count(word: &Word) -> Read<u32> {
    let number = integer(word)?;
    u32::try_from(number).map_err(|_| {
        let message = format!("{number} is not in 0..=4294967295");
        Fault::new(word.at, message, "write a smaller number")
    })
}

/// Reads a size (HAProxy manual, 2.4): a number, with k, m or g for powers of 1024.
pub(super) fn size(word: &Word) -> Read<u64> {
    let digits = word.text.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.text.len());
    let (number, unit) = word.text.split_at(digits);
    let shift = match unit {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        _ => None,
    };
    let size = shift.and_then(|shift| number.parse::<u64>().ok()?.checked_mul(1 << shift));
    size.ok_or_else(|| {
        let message = format!("`{}` is not a size", word.text);
        Fault::new(word.at, message, "write a number, such as 10240 or 10k")
    })
}

/// A time and whether its unit was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// Milliseconds, rounded up.
    pub(super) millis: u32,
    pub(super) has_unit: bool,
}

/// Reads a time (HAProxy manual, 2.4): a number with us, ms, s, m, h or d; ms by default.
pub(super) fn time(word: &Word) -> Read<Time> {
    let digits = word.text.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.text.len());
    let (number, unit) = word.text.split_at(digits);
    let millis = number.parse::<u64>().ok().and_then(|number| match unit {
        "us" => Some(number.div_ceil(1000)),
        "" | "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    });
    let millis = millis.and_then(|millis| u32::try_from(millis).ok()).ok_or_else(|| {
        let message = format!("`{}` is not a time of up to 24 days", word.text);
        Fault::new(
            word.at,
            message,
            "write a number with us, ms, s, m, h or d, such as 5s; ms is the default",
        )
    })?;
    Ok(Time { millis, has_unit: !unit.is_empty() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word {
        Word { text: text.to_owned(), at: Pos { line: 1, column: 10 } }
    }

    #[test]
    fn ipv6_is_split_at_the_last_colon_with_or_without_brackets() {
        let bare = endpoint(&word("2001:db8::20:443")).unwrap();
        assert_eq!((bare.address.to_string().as_str(), bare.port.get()), ("2001:db8::20", 443));
        assert_eq!(endpoint(&word("[2001:db8::20]:443")).unwrap(), bare);
    }

    #[test]
    fn a_bad_port_is_pointed_at_and_a_bad_address_too() {
        assert_eq!(endpoint(&word("10.0.0.1:0")).unwrap_err().at.column, 19);
        assert_eq!(endpoint(&word("10.0.0.300:80")).unwrap_err().at.column, 10);
        for wrong in
            ["10.0.0.1", "10.0.0.1:", ":80", "*:80", "host:80", "10.0.0.1:80-90", "[::1:80"]
        {
            assert!(endpoint(&word(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size(&word("10k")).unwrap(), 10_240);
        assert_eq!(size(&word("7")).unwrap(), 7);
        assert_eq!(size(&word("2g")).unwrap(), 2 << 30);
        for wrong in ["", "k", "10K", "10kk", "-1", "99999999999999999999", "99999999999999999g"] {
            assert!(size(&word(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_milliseconds_unless_they_say_otherwise() {
        assert_eq!(time(&word("10")).unwrap(), Time { millis: 10, has_unit: false });
        assert_eq!(time(&word("5s")).unwrap(), Time { millis: 5_000, has_unit: true });
        assert_eq!(time(&word("1500us")).unwrap().millis, 2);
        assert_eq!(time(&word("1d")).unwrap().millis, 86_400_000);
        for wrong in ["", "s", "5 s", "-1", "5w", "99999999999999999999", "99999999d"] {
            assert!(time(&word(wrong)).is_err(), "{wrong}");
        }
    }
}
