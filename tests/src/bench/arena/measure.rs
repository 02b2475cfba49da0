//! One peer's turn in a round.

use std::time::Duration;

use aya::sys::{Stats, enable_stats};

use super::error::Error;
use super::field::Field;
use super::figures::{Figure, Figures};
use super::peer::Peer;
use super::usage::{Spent, Usage};
use super::wrk::Requests;
use super::{bulk, pace, wrk};

/// Requests in a second where time is measured: far from what the slowest peer can do.
const REQUESTS: u32 = 2_000;
const CONNECTIONS: u32 = 500;

/// Measures a peer once, each figure for as long. Answers with the share of the machine that others took meanwhile.
///
/// # Errors
/// When a client hears something else than it should.
pub(super) fn all(
    field: &Field,
    (index, peer): (usize, &Peer),
    each: Duration,
    figures: &mut Figures,
) -> Result<f64, Error> {
    let client = field.client();
    let start = Spent::by(None)?;
    for (requests, figure) in
        [(Requests::New, Figure::NewConnections), (Requests::Kept, Figure::Requests)]
    {
        figures.add(figure, index, wrk::run(client, peer, requests, each)?);
    }
    for (requests, rate, half, most) in [
        (Requests::Kept, REQUESTS, Figure::KeptHalf, Figure::KeptMost),
        (Requests::New, CONNECTIONS, Figure::NewHalf, Figure::NewMost),
    ] {
        let latency = pace::run(client, peer, requests, rate, each)?;
        figures.add(half, index, latency.half);
        figures.add(most, index, latency.most);
    }
    let sent = bulk::run(client, peer, each)?;
    figures.add(Figure::Bulk, index, sent.rate);

    // Measuring programs costs them time, so what is measured with it is measured once more.
    let stats = enable_stats(Stats::RunTime)?;
    let (rate, used) = used(peer, || wrk::run(client, peer, Requests::New, each))?;
    let connections = rate * each.as_secs_f64();
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / connections;
    add(figures, (index, peer), Figure::OwnPerConnection, micros(used.own));
    figures.add(Figure::MachinePerConnection, index, micros(used.machine));
    let (sent, used) = self::used(peer, || bulk::run(client, peer, each))?;
    let millis = |time: Duration| time.as_secs_f64() * 1e3 / sent.bytes;
    add(figures, (index, peer), Figure::OwnPerGigabyte, millis(used.own));
    figures.add(Figure::MachinePerGigabyte, index, millis(used.machine));
    drop(stats);
    Ok(start.until(Spent::by(None)?).stolen)
}

fn used<T>(peer: &Peer, load: impl FnOnce() -> Result<T, Error>) -> Result<(T, Usage), Error> {
    let before = Spent::by(Some(peer))?;
    let done = load()?;
    Ok((done, before.until(Spent::by(Some(peer))?)))
}

/// The kernel's own work has no account, and nobody has nothing to do.
fn add(figures: &mut Figures, (index, peer): (usize, &Peer), figure: Figure, value: f64) {
    let works = !peer.processes.is_empty() || !peer.programs.is_empty();
    if peer.accounted && works {
        figures.add(figure, index, value);
    }
}
