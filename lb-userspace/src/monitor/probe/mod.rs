//! Probes: one exchange with one member, from the VIP.

mod http;
mod ping;
mod socket;
mod tcp;
mod tls;
mod tls_hello;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio_rustls::rustls::ClientConfig;

use super::result::{CheckStatus, Outcome};
use crate::config::PoolSpec;
use crate::config::model::{MonitorCheck, MonitorSpec, Verify};
use crate::node::Place;
pub(super) use socket::Nets;
pub(super) use tls::config as tls_config;

/// Why a monitor cannot be run at all.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// The authorities that certificates are to be checked against.
    #[error("cannot read certificate authorities from {}: {why}; name a PEM file in ca_file", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The thread of the monitors cannot be started.
    #[error("cannot start the monitors")]
    Start(#[from] std::io::Error),
}

/// Makes sure that the files of a pool's monitors can be used.
///
/// # Errors
/// When one cannot.
pub fn check_authorities(pool: &PoolSpec) -> Result<(), MonitorError> {
    pool.monitors.iter().try_for_each(|monitor| tls::config(monitor).map(drop))
}

/// What is to be done with one member, again and again.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) monitor: MonitorSpec,
    /// The namespace that it leaves from.
    pub(super) place: Place,
    /// The VIP.
    pub(super) source: IpAddr,
    pub(super) to: SocketAddr,
    /// How long a connection may take to be made.
    pub(super) connect: Duration,
    tls: Option<Arc<ClientConfig>>,
}

impl PartialEq for Probe {
    fn eq(&self, other: &Self) -> bool {
        let same = |probe: &Self| (probe.source, probe.to, probe.connect);
        same(self) == same(other) && self.monitor == other.monitor && self.place == other.place
    }
}

impl Probe {
    /// `tls` is [`tls_config`] of the monitor.
    pub(super) fn new(
        monitor: &MonitorSpec,
        place: &Place,
        source: IpAddr,
        to: SocketAddr,
        connect: Duration,
        tls: Option<Arc<ClientConfig>>,
    ) -> Self {
        let (monitor, place) = (monitor.clone(), place.clone());
        // As HAProxy: the smaller of `timeout connect` and `inter`.
        let connect = connect.min(monitor.delay.as_duration());
        Self { monitor, place, source, to, connect, tls }
    }

    pub(super) const fn type_name(&self) -> &'static str {
        self.monitor.check.type_name()
    }

    /// Probes once.
    pub(super) async fn run(&self, nets: &Nets) -> Outcome {
        let start = Instant::now();
        let outcome = match &self.monitor.check {
            MonitorCheck::Tcp => tcp::probe(self, nets).await,
            MonitorCheck::Http(http) => http::probe(self, http, nets).await,
            MonitorCheck::Https(http, Verify::None | Verify::Required(_)) => {
                tls::probe(self, http, nets).await
            }
            MonitorCheck::TlsHello => tls_hello::probe(self, nets).await,
            MonitorCheck::Ping => ping::probe(self, nets).await,
            MonitorCheck::UdpConnect => udp::probe(self, nets).await,
        };
        let outcome = outcome.unwrap_or_else(|failed| failed);
        outcome.after(start.elapsed())
    }

    /// How long an answer may take.
    fn patience(&self) -> Duration {
        self.monitor.timeout.as_duration()
    }
}

/// What a probe has come to, whether it went to its end or not.
type Probed = Result<Outcome, Outcome>;

/// A probe that could not be sent because of this side.
fn unsent(error: &std::io::Error) -> Outcome {
    Outcome::of(CheckStatus::SockErr, words(error))
}

/// An error without its number.
fn words(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
