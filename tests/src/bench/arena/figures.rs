//! What was measured, and what a reader is told of it.

use std::collections::BTreeMap;

/// A figure. More is better of rates, less of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    NewConnections,
    Requests,
    Bulk,
    KeptHalf,
    KeptMost,
    NewHalf,
    NewMost,
    OwnPerConnection,
    MachinePerConnection,
    OwnPerGigabyte,
    MachinePerGigabyte,
}

impl Figure {
    pub(super) const ALL: [Self; 11] = [
        Self::NewConnections,
        Self::Requests,
        Self::Bulk,
        Self::KeptHalf,
        Self::KeptMost,
        Self::NewHalf,
        Self::NewMost,
        Self::OwnPerConnection,
        Self::MachinePerConnection,
        Self::OwnPerGigabyte,
        Self::MachinePerGigabyte,
    ];

    /// Its key in JSON.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::NewConnections => "new_connections_per_second",
            Self::Requests => "requests_per_second",
            Self::Bulk => "bulk_gigabits_per_second",
            Self::KeptHalf => "request_p50_microseconds",
            Self::KeptMost => "request_p99_microseconds",
            Self::NewHalf => "connection_p50_microseconds",
            Self::NewMost => "connection_p99_microseconds",
            Self::OwnPerConnection => "balancer_microseconds_per_connection",
            Self::MachinePerConnection => "machine_microseconds_per_connection",
            Self::OwnPerGigabyte => "balancer_milliseconds_per_gigabyte",
            Self::MachinePerGigabyte => "machine_milliseconds_per_gigabyte",
        }
    }

    /// What it says above its table.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::NewConnections => "New connections in a second, a request on each",
            Self::Requests => "Requests in a second, on 32 connections that stay",
            Self::Bulk => "Bulk transfer, Gbit/s on one connection",
            Self::KeptHalf => "Request on a connection that stays, at a fixed rate: p50, us",
            Self::KeptMost => "The same: p99, us",
            Self::NewHalf => "Request on a connection of its own, at a fixed rate: p50, us",
            Self::NewMost => "The same: p99, us",
            Self::OwnPerConnection => "The balancer's own CPU for a connection, us",
            Self::MachinePerConnection => "The whole machine's CPU for a connection, us",
            Self::OwnPerGigabyte => "The balancer's own CPU for a gigabyte, ms",
            Self::MachinePerGigabyte => "The whole machine's CPU for a gigabyte, ms",
        }
    }
}

/// A value for each round, in their order.
pub(super) type Rounds = Vec<f64>;

/// Values by peer, in the order in which peers are told of.
#[derive(Debug, Default)]
pub(super) struct Figures(pub(super) BTreeMap<(Figure, usize), Rounds>);

impl Figures {
    pub(super) fn add(&mut self, figure: Figure, peer: usize, value: f64) {
        self.0.entry((figure, peer)).or_default().push(value);
    }

    /// Median of a peer's values; none if it has none.
    pub(super) fn median(&self, figure: Figure, peer: usize) -> Option<f64> {
        self.0.get(&(figure, peer)).and_then(|values| Spread::of(values)).map(|it| it.median)
    }

    /// A peer's values by those of the first one in the same round.
    pub(super) fn ratio(&self, figure: Figure, peer: usize) -> Option<Spread> {
        let (of, to) = (self.0.get(&(figure, peer))?, self.0.get(&(figure, 0))?);
        let ratios: Vec<f64> =
            of.iter().zip(to).filter(|(_, to)| **to > 0.0).map(|(of, to)| of / to).collect();
        Spread::of(&ratios)
    }
}

/// Median and extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Some(Self { median, least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let mut figures = Figures::default();
        for (direct, other) in [(100.0, 50.0), (200.0, 150.0), (10.0, 6.0)] {
            figures.add(Figure::Bulk, 0, direct);
            figures.add(Figure::Bulk, 1, other);
        }
        let ratio = Spread { median: 0.6, least: 0.5, most: 0.75 };
        assert_eq!(figures.ratio(Figure::Bulk, 1), Some(ratio));
        assert_eq!(figures.median(Figure::Bulk, 1), Some(50.0));
        assert_eq!(figures.ratio(Figure::Requests, 1), None);
    }

    #[test]
    fn the_median_of_two_lies_between() {
        let spread = Spread { median: 1.5, least: 1.0, most: 2.0 };
        assert_eq!(Spread::of(&[2.0, 1.0]), Some(spread));
        assert_eq!(Spread::of(&[]), None);
    }
}
