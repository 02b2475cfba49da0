//! Health monitors: who is probed when and how, and what that makes of members.
//!
//! [`Monitors`] follows pools and probes their members from inside the pool's namespace, with the VIP as the
//! source; [`Results`] says what has come of it. What is done with that (the datapath, records, logs) is the
//! controller's business. The state machine ([`Health`]) and the words are HAProxy's.

mod crew;
mod health;
mod member;
mod probe;
mod result;
mod snapshot;
mod words;

pub use crew::{Monitors, Results};
pub use health::{Health, Moved};
pub use probe::{MonitorError, check_authorities};
pub use result::{CheckStatus, Outcome};
pub use snapshot::{MemberHealth, News, PoolHealth, Turn};
pub use words::{Standings, all_down, transition};
