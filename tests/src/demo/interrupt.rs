//! Ctrl-C ends the story between two steps, so that every guard takes down what it made.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;

/// What has been asked for: the number of the signal.
#[derive(Debug, Default)]
struct Shared {
    asked: Mutex<Option<u8>>,
    changed: Condvar,
}

/// Listens for SIGINT and SIGTERM.
#[derive(Clone, Debug)]
pub(super) struct Interrupt {
    shared: Arc<Shared>,
}

impl Interrupt {
    /// Listens from now on, on a thread of its own. Only the first signal counts: one Ctrl-C may
    /// arrive twice, from the terminal and from whoever started this program.
    ///
    /// Handlers and not a blocked mask: a mask would be inherited by every program of the story.
    pub(super) fn listen() -> Result<Self, Failure> {
        let this = Self { shared: Arc::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (interrupt, terminate) = {
            let _context = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let shared = Arc::clone(&this.shared);
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || runtime.block_on(listen(interrupt, terminate, &shared)))?;
        Ok(this)
    }

    /// # Errors
    /// [`Failure::Interrupted`] once a signal has come.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.map_or(Ok(()), |signal| Err(Failure::Interrupted(signal)))
    }

    /// Waits for a signal, for ever.
    pub(super) fn wait(&self) -> Failure {
        let mut asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(signal) = *asked {
                return Failure::Interrupted(signal);
            }
            asked = self.shared.changed.wait(asked).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

async fn listen(mut interrupt: Signal, mut terminate: Signal, shared: &Shared) {
    loop {
        let number: u8 = tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
        };
        let mut asked = shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get_or_insert(number);
        shared.changed.notify_all();
    }
}
