//! What was read before: a record is parsed again when it was written again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Served, Stamp};

/// Pools as their records were; shared by all copies.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<Mutex<All>>);

/// By the pools' ids, each with the stamp of its record.
type All = HashMap<String, (Stamp, Arc<Served>)>;

impl Known {
    /// The pool as it was when its record had this stamp.
    pub(super) fn get(&self, pool: &str, stamp: Option<Stamp>) -> Option<Arc<Served>> {
        let all = self.lock();
        let known = all.get(pool).filter(|(known, _)| Some(*known) == stamp);
        known.map(|(_, served)| Arc::clone(served))
    }

    /// Takes note of a pool as its record with this stamp has it; forgets one that has none.
    pub(super) fn note(&self, pool: &str, stamp: Option<Stamp>, served: Option<&Arc<Served>>) {
        match (stamp, served) {
            (Some(stamp), Some(served)) => {
                self.lock().insert(pool.to_owned(), (stamp, Arc::clone(served)));
            }
            _ => drop(self.lock().remove(pool)),
        }
    }

    /// What is behind the lock is whole after each change.
    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
