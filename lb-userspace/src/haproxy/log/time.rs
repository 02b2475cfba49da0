//! Times as log lines have them, in the machine's time zone.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The time of day `since_1970`, for people on this machine.
fn local(since_1970: Duration, zone: &TimeZone) -> Zoned {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    let nanos = since_1970.subsec_nanos() as i32;
    Timestamp::new(seconds, nanos).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

/// As in the header of BSD syslog: `Nov  5 20:09:58` (RFC 3164 section 4.1.2).
pub(super) fn header(since_1970: Duration, zone: &TimeZone) -> String {
    local(since_1970, zone).strftime("%b %e %H:%M:%S").to_string()
}

/// As HAProxy writes when a connection came: `25/Nov/2026:20:09:58.040`.
pub(super) fn accept(since_1970: Duration, zone: &TimeZone) -> String {
    local(since_1970, zone).strftime("%d/%b/%Y:%H:%M:%S.%3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_haproxy_writes_them() {
        let at = Duration::from_millis(1_794_167_398_040);
        assert_eq!(header(at, &TimeZone::UTC), "Nov  8 19:49:58");
        assert_eq!(accept(at, &TimeZone::UTC), "08/Nov/2026:19:49:58.040");
        let east = TimeZone::fixed(jiff::tz::offset(8));
        assert_eq!(accept(at, &east), "09/Nov/2026:03:49:58.040");
    }
}
