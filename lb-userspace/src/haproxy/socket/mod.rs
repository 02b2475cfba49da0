//! The stats socket: one line in, the answer out, and the end.

mod bind;
mod command;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use bind::SocketError;

use super::desk::Desk;
use crate::config::model::StatsSocket;
use bind::Bound;

/// How long somebody may take to ask, and to read the answer (HAProxy: `stats timeout`, 10 s by default).
const PATIENCE: Duration = Duration::from_secs(10);
/// How many are heard at once; others wait. HAProxy has room for 10 (`stats maxconn`).
const SEATS: usize = 10;
/// Longest line: HAProxy's buffer.
const LONGEST: usize = 16_384;

/// The pools that somebody is told of, by id; they may change meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Behind(Arc<Mutex<Vec<String>>>);

impl Behind {
    pub(super) fn new(ids: Vec<String>) -> Self {
        Self(Arc::new(Mutex::new(ids)))
    }

    pub(super) fn set(&self, ids: Vec<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ids;
    }

    pub(super) fn get(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A stats socket that is not answered yet.
#[derive(Debug)]
pub(super) struct Prepared(Bound);

/// A stats socket that is answered until this is dropped.
#[derive(Debug)]
pub(super) struct Answering {
    task: JoinHandle<()>,
}

impl Prepared {
    /// Listens; whoever connects waits for an answer.
    pub(super) fn bind(socket: &StatsSocket, replace: bool) -> Result<Self, SocketError> {
        Bound::bind(socket, replace).map(Self)
    }

    /// Answers about these pools. To be called in a runtime.
    pub(super) fn answer(self, desk: Arc<Desk>, pools: Behind) -> Answering {
        Answering { task: tokio::spawn(accept(self.0, desk, pools)) }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Drops the socket with the task.
        self.task.abort();
    }
}

async fn accept(bound: Bound, desk: Arc<Desk>, pools: Behind) {
    let listener = match bound.listener.try_clone().and_then(UnixListener::from_std) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot answer at the stats socket");
            return;
        }
    };
    let seats = Arc::new(Semaphore::new(SEATS));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept at the stats socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (desk, pools) = (Arc::clone(&desk), pools.get());
        tokio::spawn(async move {
            // Whoever left early or was too slow does not want to know.
            let _ = timeout(PATIENCE, attend(stream, &desk, &pools)).await;
            drop(seat);
        });
    }
}

async fn attend(mut stream: UnixStream, desk: &Desk, pools: &[String]) -> std::io::Result<()> {
    let mut asked = Vec::new();
    while !asked.contains(&b'\n') && asked.len() < LONGEST {
        if stream.read_buf(&mut asked).await? == 0 {
            break;
        }
    }
    // HAProxy does not answer what is no whole line either.
    let Some(end) = asked.iter().position(|byte| *byte == b'\n') else { return Ok(()) };
    let line = String::from_utf8_lossy(&asked[..end]).into_owned();
    let answer = match desk.look(pools) {
        Ok((snapshots, info)) => command::answer(&line, &snapshots, &info),
        Err(error) => {
            tracing::warn!(error = error.chain(), "cannot answer at the stats socket");
            String::new()
        }
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
