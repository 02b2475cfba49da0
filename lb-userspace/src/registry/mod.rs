//! What is served on this node: one record for each pool, beside the pins of its maps.
//!
//! ```text
//! /run/qlb/lock                    taken while anything here changes
//! /run/qlb/bpf/<device>/           pinned maps and link (a bpffs), of all pools at a device
//! /run/qlb/bpf/node/               pinned maps that devices share, and their links, by device
//! /run/qlb/devices/<device>/<pool> empty: which pools are at a device
//! /run/qlb/node/<pool>             empty: which pools are at devices that share maps
//! /run/qlb/ledger                  which places in those were given out
//! /run/qlb/events-<device|node>    a socket of the process that reads their events and passes them on
//! /run/qlb/listener-<device|node>  locked by the process that reads their events, with its pid
//! /run/qlb/pools/<pool>/record     the pool as it is served
//! /run/qlb/pools/<pool>/health     what its monitors have found
//! /run/qlb/pools/<pool>/controller locked by the process that reaps, with its pid
//! /run/qlb/pools/<pool>/agent      there if the pool is of the agent's desired state
//! /run/qlb/agent.lock              locked by the agent, with its pid
//! /run/qlb/stand-ins/<pid>.json    pools that are served for as long as that process lives
//! ```
//!
//! Maps and record are all there is: a controller that dies is replaced by another one that
//! reads them.

mod directory;
mod error;
mod file;
mod health;
mod known;
mod ledger;
mod leftover;
mod lock;
mod lookup;
mod owner;
mod record;
mod stand_in;

pub use directory::Registry;
pub use error::RegistryError;
pub use health::Stamp;
pub use ledger::Ledger;
pub use leftover::Leftover;
pub use lock::Lock;
pub use lookup::Served;
pub use record::{MemberRecord, Outer, Past, Record};
