//! What goes along with the pools that are served: their stats sockets and logs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::sleep;

use crate::config::PoolSpec;
use crate::haproxy::{Attendance, Sockets};
use crate::registry::Registry;

/// How often it is tried again what could not be had.
const AGAIN: Duration = Duration::from_secs(1);

/// The pools that are served and want company.
pub(super) type Wanting = Arc<Vec<PoolSpec>>;

/// A way to say which pools want company.
#[must_use]
pub(super) fn connection() -> (Sender<Wanting>, Receiver<Wanting>) {
    channel(Arc::default())
}

/// Attends to the pools until nobody can say any more which.
pub(super) async fn attend(registry: Registry, mut wanting: Receiver<Wanting>) {
    // An agent takes over from the one before it, and from HAProxy that ends.
    let mut attendance = Attendance::new(&registry, Sockets::TakenOver);
    loop {
        let pools = Arc::clone(&wanting.borrow_and_update());
        attendance.follow(&pools);
        tokio::select! {
            changed = wanting.changed() => {
                if changed.is_err() {
                    break;
                }
            }
            () = sleep(AGAIN) => {}
        }
    }
    attendance.leave().await;
}

/// Whether a pool wants company.
pub(super) fn is_wanting(pool: &PoolSpec) -> bool {
    pool.stats_socket.is_some() || !pool.logs.is_empty()
}
