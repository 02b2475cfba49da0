//! How many connections there were at each event.

use std::collections::HashMap;

use lb_common::state::{Event, Happening};

use crate::haproxy::desk::Active;

/// How often it is looked for a moment at which nothing happens; there is one between almost any two events.
const TRIES: usize = 5;

/// Connections of the pool and its members at the moment of an event.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pool: i64,
    members: HashMap<u32, i64>,
    /// Whether they began with a moment of which all events were known.
    exact: bool,
}

impl Counts {
    /// Begins with what there was before these events, if so many connections are there behind them.
    pub(super) fn begin(&mut self, events: &[Event], active: Active, exact: bool) {
        let members: HashMap<u32, i64> =
            active.0.into_iter().map(|(index, active)| (index, active as i64)).collect();
        *self = Self { pool: members.values().sum(), members, exact };
        events.iter().rev().for_each(|event| self.change(event, -1));
    }

    /// Goes over an event, forwards with a step of 1.
    pub(super) fn change(&mut self, event: &Event, step: i64) {
        let mut member = |index, step| *self.members.entry(index).or_default() += step;
        match event.happening() {
            Some(Happening::Open) => {
                member(event.member, step);
                self.pool += step;
            }
            Some(Happening::Close) => {
                member(event.member, -step);
                self.pool -= step;
            }
            Some(Happening::Redispatch) => {
                member(event.previous, -step);
                member(event.member, step);
            }
            Some(Happening::Refuse) | None => {}
        }
    }

    /// Connections of the pool.
    pub(super) fn pool(&self) -> u64 {
        self.pool.max(0) as u64
    }

    /// Connections of a member.
    pub(super) fn member(&self, index: u32) -> u64 {
        self.members.get(&index).copied().unwrap_or(0).max(0) as u64
    }

    /// Whether nothing is counted twice or left out, as far as no event was lost.
    pub(super) const fn is_exact(&self) -> bool {
        self.exact
    }
}

/// Counts connections at a moment at which all that has happened is in `events`, which get what has come meanwhile. Who
/// is counted before its event is read would be counted again with it. Answers with the last count, and whether there
/// was such a moment.
///
/// # Errors
/// Those of `count` and `rest`.
pub(super) fn settle<E>(
    events: &mut Vec<Event>,
    mut count: impl FnMut() -> Result<Active, E>,
    mut rest: impl FnMut() -> Result<Vec<Event>, E>,
) -> Result<(Active, bool), E> {
    let mut active = count()?;
    for _ in 0..TRIES {
        let more = rest()?;
        let quiet = more.is_empty();
        events.extend(more);
        let before = std::mem::replace(&mut active, count()?);
        if quiet && before == active {
            return Ok((active, true));
        }
    }
    Ok((active, false))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn open() -> Event {
        Event { kind: Happening::Open.number(), ..Event::default() }
    }

    fn active(count: u64) -> Active {
        Active([(0, count)].into_iter().collect())
    }

    /// Counts and events as they come; the last ones stay.
    fn settled(counts: &[u64], rests: &[usize]) -> (usize, u64, bool) {
        let (mut counts, mut rests) = (counts.to_vec(), rests.to_vec());
        let next = |list: &mut Vec<u64>| if list.len() > 1 { list.remove(0) } else { list[0] };
        let mut events = vec![open()];
        let (counted, exact) = settle::<Infallible>(
            &mut events,
            || Ok(active(next(&mut counts))),
            || Ok(vec![open(); rests.pop().unwrap_or(0)]),
        )
        .unwrap();
        let mut told = Counts::default();
        told.begin(&events, counted, exact);
        events.iter().for_each(|event| told.change(event, 1));
        (events.len(), told.pool(), told.is_exact())
    }

    #[test]
    fn nobody_is_counted_whose_event_is_yet_to_come() {
        assert_eq!(settled(&[1], &[]), (1, 1, true));
        // A second one was counted, its event came after those that had been read.
        assert_eq!(settled(&[2], &[1]), (2, 2, true));
        // It came between the two counts.
        assert_eq!(settled(&[1, 2], &[0, 1, 0]), (2, 2, true));
    }

    #[test]
    fn without_a_quiet_moment_nothing_is_certain() {
        let (events, _, exact) = settled(&[1, 2, 3, 4, 5, 6, 7], &[1, 1, 1, 1, 1]);
        assert_eq!((events, exact), (6, false));
    }
}
