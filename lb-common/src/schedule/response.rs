//! How long members take to accept a connection.
//!
//! From the SYN that a member is sent to its SYN-ACK, as a moving average that believes a bad sample at
//! once and good ones by an eighth each (the gain of RFC 6298, section 2), so that a member that slows
//! down is left alone early. What nobody measures counts half every ten seconds: a member that was slow
//! gets another chance, with one connection first.

use crate::{state::Load, tables::Tables};

/// Nanoseconds in a microsecond, the unit of the average.
const UNIT: u64 = 1_000;
/// Longest time that is told from longer ones, in microseconds: four seconds.
const LONGEST: u64 = 1 << 22;
/// A better sample counts one part in so many.
const GAIN: u32 = 8;

/// Binary digits behind the point of a logarithm.
const DIGITS: u32 = 20;
/// The smallest part of a logarithm in nanoseconds: an average counts half after `1 << DIGITS` of them.
const TICK: u64 = 10_000_000_000 >> DIGITS;

/// Standings of members that were measured begin here: behind those that nobody has tried. There are 21 years until the next.
const KNOWN: u64 = 1 << 46;
/// Behind all that were measured: nobody knows yet, and somebody is finding out.
const UNKNOWN: u64 = 1 << 47;
/// The lowest bits of [`Load::standing`] count its changes.
const CHANGES: u32 = 16;

/// The logarithm to base 2 of a number that is not zero, in units of `1 / (1 << DIGITS)`, wrong by 0.01 at most; never less for
/// more. Without branches, of which the BPF verifier would follow each.
#[inline(always)]
const fn log2(number: u32) -> u64 {
    // What a parabola adds to the straight line between two powers of two, at its highest 0.086 (times 4 and 1,024).
    const CURVE: u64 = 352;
    let zeros = number.leading_zeros();
    let whole = (31 - zeros) as u64;
    let part = ((number << zeros << 1) >> (32 - DIGITS)) as u64;
    let above = (part * ((1 << DIGITS) - part)) >> DIGITS;
    (whole << DIGITS) + part + ((above * CURVE) >> 10)
}

/// What a weight, which is not zero, adds to the standing of its member, for all time: the logarithm of how often the heaviest
/// contains it.
pub(super) const fn handicap(weight: u32, heaviest: u32) -> u32 {
    // Below 2^25.
    log2(heaviest).saturating_sub(log2(weight)) as u32
}

/// Where a member stands among others: those with less are to be had first.
#[inline(always)]
pub(super) fn standing(load: &Load) -> u64 {
    load.standing.get() >> CHANGES
}

/// Where it stands now. The product of its average, faded, with its connections and a new one is what counts; as averages all
/// fade alike, the logarithm of that product as it would be at the beginning of time puts members into the same order for good.
#[inline(always)]
fn stands(load: &Load) -> u64 {
    let (active, average) = (load.active.get(), load.response.get());
    let waiting = log2(active.wrapping_add(1));
    if average != 0 {
        KNOWN + load.measured.get() / TICK + log2(average) + waiting
    } else if active != 0 {
        UNKNOWN + waiting
    } else {
        // One connection is to find out.
        0
    }
}

/// Takes note of where a member stands, after something has changed; and before that of the nanoseconds that it took to accept a
/// connection, unless that is zero.
///
/// As matches of the tournament are played ([`super::tournament`]): if two attempts fail, somebody else's has seen the change.
/// Both are made in any case, because the BPF verifier would follow each way. Has the BPF stack for itself meanwhile.
#[inline(never)]
pub(super) fn stand<T: Tables>(tables: &T, load: &Load, elapsed: u64) {
    const MASK: u64 = (1 << CHANGES) - 1;
    if elapsed != 0 {
        measured(tables, load, elapsed);
    } else {
        renew(load, tables.now());
    }
    let attempt = || {
        // A reading that those of what has changed cannot overtake.
        let before = tables.add64(&load.standing, 0);
        let after = stands(load) << CHANGES | (before.wrapping_add(1) & MASK);
        tables.exchange64(&load.standing, before, after);
    };
    attempt();
    attempt();
}

/// The time in microseconds that the member is expected to take; zero if it is not known.
#[inline(always)]
fn expected(load: &Load, now: u64) -> u32 {
    let average = load.response.get();
    let ticks = now.saturating_sub(load.measured.get()) / TICK;
    let halved = (average as u64) >> (ticks >> DIGITS).min(31);
    // Straight from one half to the next.
    let part = (halved * (ticks & ((1 << DIGITS) - 1))) >> (DIGITS + 1);
    if average == 0 { 0 } else { (halved - part).max(1) as u32 }
}

/// Brings an average up to date that has lost half and more: it has faded to a microsecond at the least, so that a member that
/// nobody has tried for long gets connections until they outweigh that, and not all.
#[inline(always)]
fn renew(load: &Load, now: u64) {
    if (now.saturating_sub(load.measured.get()) / TICK) >> DIGITS != 0 {
        load.response.set(expected(load, now));
        load.measured.set(now);
    }
}

/// Takes the time in nanoseconds that the member took into its average.
#[inline(always)]
fn measured<T: Tables>(tables: &T, load: &Load, elapsed: u64) {
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
    fn logarithms_are_right_and_grow() {
        let mut before = 0;
        let mut right = |number: u32| {
            let found = log2(number);
            let wrong = found as f64 / f64::from(1 << DIGITS) - f64::from(number).log2();
            assert!(wrong.abs() < 0.01 && found >= before, "{number}: {found}");
            before = found;
        };
        (1..=70_000).for_each(&mut right);
        (70_001..=u32::MAX).step_by(9_973).for_each(&mut right);
        right(u32::MAX);
    }

    #[test]
    fn what_was_slow_is_forgotten_by_halves_but_never_unknown() {
        let (tables, load) = (HostTables::default(), Load::default());
        assert_eq!(expected(&load, 50 * SECOND), 0);
        measured(&tables, &load, 800_000);
        assert_eq!(expected(&load, 5 * SECOND), 600);
        assert_eq!(expected(&load, 10 * SECOND), 400);
        assert_eq!(expected(&load, 35 * SECOND), 75);
        assert_eq!(expected(&load, 10_000 * SECOND), 1);
    }
}
