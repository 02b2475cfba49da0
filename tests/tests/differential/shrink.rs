//! From a story that fails to a shorter one that fails (delta debugging; Zeller and Hildebrandt,
//! "Simplifying and Isolating Failure-Inducing Input", 2002).

use lb_tests::datapath::Action;

use crate::replay::Both;

/// Replays at most.
const REPLAYS: usize = 400;

/// A part of `told`, in order, that still makes a difference.
pub(crate) fn shrink(both: &mut Both, mut told: Vec<Action>) -> Vec<Action> {
    let mut left = REPLAYS;
    let mut chunk = told.len() / 2;
    while chunk > 0 {
        let mut start = 0;
        while start < told.len() && left > 0 {
            left -= 1;
            let end = (start + chunk).min(told.len());
            let mut fewer = told.clone();
            fewer.drain(start..end);
            match failing_prefix(both, &fewer) {
                Some(len) => {
                    fewer.truncate(len);
                    told = fewer;
                }
                None => start = end,
            }
        }
        chunk /= 2;
    }
    told
}

/// How many actions it takes to make a difference.
fn failing_prefix(both: &mut Both, actions: &[Action]) -> Option<usize> {
    both.restart();
    actions.iter().position(|action| both.act(action).is_err()).map(|last| last + 1)
}
