//! How long members take to accept a connection.
//!
//! From the SYN that a member is sent to its SYN-ACK, as a moving average that believes a bad sample at
//! once and good ones by an eighth each (the gain of RFC 6298, section 2), so that a member that slows
//! down is left alone early. What nobody measures is halved every ten seconds: a member that was slow
//! gets another chance.

use crate::{state::Load, tables::Tables};

/// Nanoseconds in a microsecond, the unit of the average.
const UNIT: u64 = 1_000;
/// Longest time that is told from longer ones, in microseconds: four seconds.
const LONGEST: u64 = 1 << 22;
/// An average counts half after so many nanoseconds.
const HALVED_AFTER: u64 = 10_000_000_000;
/// A better sample counts one part in so many.
const GAIN: u32 = 8;

/// The time in microseconds that the member is expected to take; zero if it is not known.
#[inline(always)]
pub(super) fn expected(load: &Load, now: u64) -> u32 {
    let average = load.response.get();
    let halvings = now.saturating_sub(load.measured.get()) / HALVED_AFTER;
    if average == 0 || halvings == 0 { average } else { (average >> halvings.min(31)).max(1) }
}

/// Takes the time in nanoseconds that the member took into its average.
#[inline(always)]
pub(super) fn measured<T: Tables>(tables: &T, load: &Load, elapsed: u64) {
    let now = tables.now();
    let sample = (elapsed / UNIT).clamp(1, LONGEST) as u32;
    let before = expected(load, now);
    let better = before.saturating_sub(sample);
    load.response.set(if better == 0 { sample } else { before - better.div_ceil(GAIN) });
    load.measured.set(now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostTables;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn bad_news_travel_fast_and_good_news_slowly() {
        let (tables, load) = (HostTables::default(), Load::default());
        tables.now.set(100 * SECOND);
        let after = |elapsed| {
            measured(&tables, &load, elapsed);
            expected(&load, tables.now())
        };
        assert_eq!(after(80_000), 80);
        assert_eq!(after(800_000), 800);
        assert_eq!(after(0), 700);
        assert_eq!(after(900 * SECOND), LONGEST as u32);
        (0..200).for_each(|_| _ = after(80_000));
        assert_eq!(after(80_000), 80);
    }

    #[test]
    fn what_was_slow_is_forgotten_by_halves_but_never_unknown() {
        let (tables, load) = (HostTables::default(), Load::default());
        assert_eq!(expected(&load, 50 * SECOND), 0);
        measured(&tables, &load, 800_000);
        assert_eq!(expected(&load, 9 * SECOND), 800);
        assert_eq!(expected(&load, 10 * SECOND), 400);
        assert_eq!(expected(&load, 39 * SECOND), 100);
        assert_eq!(expected(&load, 10_000 * SECOND), 1);
    }
}
