//! Values that can be typed, each with what to write instead of what cannot be.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use serde_json::Value;

use crate::config::model::{
    ExpectedCodes, MaxConnections, Port, Retries, Seconds, Timeouts, ValueError, Weight,
};
use crate::config::unserved_address;

/// A member's `max_connections`; none for no limit.
#[derive(Clone, Copy, Debug)]
pub struct Limit(pub Option<NonZeroU32>);

/// Usually an unset variable of a script, which must not stand for whatever there is.
pub(super) fn name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("the name is empty; write an id or the beginning of one".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    let address = text.parse().map_err(|_| format!("`{text}` is not an IP address"))?;
    match unserved_address("members", address) {
        None => Ok(address),
        Some(refusal) => Err(format!("{}; {}", refusal.text, refusal.alternative)),
    }
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    let socket: SocketAddr = text.parse().map_err(|_| {
        format!(
            "`{text}` is not an IP address and a port; write them as 192.0.2.1:80 or [2001:db8::1]:80"
        )
    })?;
    if let Some(refusal) = unserved_address("address", socket.ip()) {
        return Err(format!("{}; {}", refusal.text, refusal.alternative));
    }
    if socket.port() == 0 {
        return Err("port 0 is nobody's; write 1 to 65535".to_owned());
    }
    Ok(socket)
}

pub(super) fn port(text: &str) -> Result<Port, String> {
    let number = number(text).ok_or("not a port from 1 to 65535")?;
    Port::try_from(number).map_err(|error| error.to_string())
}

pub(super) fn weight(text: &str) -> Result<Weight, String> {
    let number = number(text).ok_or("not a number from 0 to 256")?;
    Weight::try_from(number).map_err(|error| error.to_string())
}

pub(super) fn limit(text: &str) -> Result<Limit, String> {
    let help = "not a number from 1 to 4294967295, or -1 for no limit; weight 0 takes none";
    match number(text).ok_or(help)? {
        -1 => Ok(Limit(None)),
        most => match u32::try_from(most).ok().and_then(NonZeroU32::new) {
            Some(most) => Ok(Limit(Some(most))),
            None => Err(help.to_owned()),
        },
    }
}

pub(super) fn millis(text: &str) -> Result<u32, String> {
    let millis = number(text).and_then(|millis| u32::try_from(millis).ok());
    let millis = millis.filter(|millis| *millis <= Timeouts::MAX);
    millis.ok_or_else(|| format!("not milliseconds from 0 to {}, which is 24 days", Timeouts::MAX))
}

/// The most connections of a VIP, -1 for no limit.
pub(super) fn connection_limit(text: &str) -> Result<i64, String> {
    let limit = number(text).filter(|limit| *limit == -1 || u32::try_from(*limit).is_ok());
    limit.ok_or_else(|| "not a number from 0 to 4294967295, or -1 for no limit".to_owned())
}

pub(super) fn max_connections(text: &str) -> Result<u32, String> {
    let number = number(text).ok_or("not a number from 1 to 16777216")?;
    MaxConnections::try_from(number).map(MaxConnections::get).map_err(|error| error.to_string())
}

/// A number whose range is the pool's to know.
pub(super) fn small(text: &str) -> Result<u32, String> {
    let number = number(text).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| "not a whole number from 0".to_owned())
}

pub(super) fn admin_state(text: &str) -> Result<bool, String> {
    match text {
        "up" | "true" => Ok(true),
        "down" | "false" => Ok(false),
        _ => Err("write up or down".to_owned()),
    }
}

/// Text that may be taken away; null when it is.
pub(super) fn optional(text: &str) -> Result<Value, String> {
    Ok(if text.is_empty() { Value::Null } else { text.into() })
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a time in seconds, such as 5 or 0.5")?;
    Seconds::try_from(seconds).map(Seconds::as_f64).map_err(|error| error.to_string())
}

pub(super) fn retries(text: &str) -> Result<u8, String> {
    let number = number(text).ok_or("not a number of probes from 1 to 10")?;
    Retries::try_from(number).map(Retries::get).map_err(|error| error.to_string())
}

pub(super) fn codes(text: &str) -> Result<String, String> {
    let wrong = |error: ValueError| format!("{error}; {}", error.help());
    text.parse::<ExpectedCodes>().map(|codes| codes.to_string()).map_err(wrong)
}

/// Where to listen: any address of the node will do.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{text}` is not an IP address and a port; write them as 127.0.0.1:9922 or [::1]:9922"
        )
    })
}

/// `+5` reads like a change by 5, which no option takes.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}
