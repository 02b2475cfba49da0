//! wrk: as many requests as go, on connections that stay or on a new one for each.

use std::time::Duration;

use super::error::Error;
use super::peer::Peer;
use crate::{Namespace, Process};

/// Connections of each of the two programs.
const CONNECTIONS: u32 = 16;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Requests {
    /// On connections that stay.
    Kept,
    /// Each on a connection of its own, which the member closes.
    New,
}

impl Requests {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kept => "wrk",
            Self::New => "wrk with Connection: close",
        }
    }
}

/// Answers in a second of two wrk, each with one half of the connections.
///
/// # Errors
/// When one ends with an error, or counts any.
pub(super) fn run(
    client: &Namespace,
    peer: &Peer,
    requests: Requests,
    duration: Duration,
) -> Result<f64, Error> {
    let start = |at: std::net::SocketAddr| {
        let mut command = client.command("wrk").args(["-t1", "--timeout", "10s"]);
        command = command.arg(format!("-c{CONNECTIONS}")).arg(format!("-d{}s", duration.as_secs()));
        if requests == Requests::New {
            command = command.args(["-H", "Connection: close"]);
        }
        Process::spawn(command.arg(format!("http://{at}/")))
    };
    let mut running = peer.web.map(start).into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut sum = 0.0;
    for wrk in &mut running {
        let status = wrk.wait(duration + super::field::SOON)?;
        let said = wrk.stdout();
        let wrong = |found: String| Error::Load { peer: peer.name, load: requests.name(), found };
        if !status.success() {
            return Err(wrong(format!("{status}: {}", wrk.stderr())));
        }
        sum += answers(&said).map_err(wrong)?;
    }
    Ok(sum)
}

/// Reads what wrk says at its end.
fn answers(said: &str) -> Result<f64, String> {
    let line = |start: &str| said.lines().map(str::trim).find_map(|line| line.strip_prefix(start));
    for bad in ["Socket errors:", "Non-2xx or 3xx responses:"] {
        if let Some(count) = line(bad) {
            return Err(format!("{bad}{count}"));
        }
    }
    let rate = line("Requests/sec:").and_then(|rate| rate.trim().parse().ok());
    rate.ok_or_else(|| format!("no rate in {said}"))
}

#[cfg(test)]
mod tests {
    use super::answers;

    #[test]
    fn the_rate_counts_if_nothing_went_wrong() {
        assert_eq!(answers("  20 requests in 1s\nRequests/sec:  18233.80\n"), Ok(18233.8));
        let errors = "  Socket errors: connect 0, read 3, write 0, timeout 0\nRequests/sec: 1.0\n";
        let said = "Socket errors: connect 0, read 3, write 0, timeout 0";
        assert_eq!(answers(errors), Err(said.to_owned()));
        assert!(answers("").is_err());
    }
}
