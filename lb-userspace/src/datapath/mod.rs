//! The BPF datapath as user space sees it: load, attach, fill, read, reap, ask.
//!
//! Only this module names BPF programs and maps. It knows nothing of YAML, namespaces'
//! names or where state is kept; whoever calls it has entered the right namespace.

mod attach;
mod audit;
mod clients;
mod clsact;
mod counters;
mod drain;
mod error;
mod events;
mod install;
mod maps;
mod object;
mod order;
mod ports;
mod probe;
mod reaper;
mod router;
mod tcx;
mod walk;
mod xdp;

pub use attach::{Attach, Hook, HookChoice};
pub(crate) use attach::{detach, detach_early, is_attached};
pub use audit::{Audit, audit};
pub use counters::counters;
pub use drain::Ending;
pub use error::DatapathError;
pub use events::Events;
pub use install::{Failover, Listener, Network, Target, install};
pub use maps::{Connection, Maps};
pub use object::{Datapath, OBJECT, Options};
pub use ports::{PortUse, Ports};
pub use probe::{Seen, examine};
pub use reaper::{Inlet, Reaper};
pub use router::Router;

/// The pool's index in maps that serve one pool.
pub(crate) const POOL: u32 = 0;
