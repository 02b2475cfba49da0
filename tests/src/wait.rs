use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// How often a condition is looked at. Short against any deadline, long against a context switch.
const INTERVAL: Duration = Duration::from_millis(10);

/// Waits until `condition` holds.
///
/// # Errors
/// [`Error::NeverTrue`] with `what` when `deadline` has passed; the condition is looked at once
/// more after it, so a machine that was busy elsewhere does not fail a true condition.
pub fn wait_until(
    mut condition: impl FnMut() -> bool,
    deadline: Duration,
    what: &str,
) -> Result<(), Error> {
    wait_for(|| if condition() { Ok(()) } else { Err(String::new()) }, deadline, what)
}

/// Waits until `attempt` yields a value; its last refusal ends up in the error.
///
/// # Errors
/// As for [`wait_until`].
pub fn wait_for<T, E: std::fmt::Display>(
    mut attempt: impl FnMut() -> Result<T, E>,
    deadline: Duration,
    what: &str,
) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        let late = start.elapsed() >= deadline;
        match attempt() {
            Ok(value) => return Ok(value),
            Err(refusal) if late => {
                let detail = match refusal.to_string() {
                    empty if empty.is_empty() => empty,
                    text => format!(" (last: {text})"),
                };
                return Err(Error::NeverTrue { what: what.to_owned(), after: deadline, detail });
            }
            Err(_) => thread::sleep(INTERVAL),
        }
    }
}
