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
mod enter;
mod error;
mod events;
mod ids;
mod install;
mod maps;
mod object;
mod options;
mod order;
mod parts;
mod ports;
mod probe;
mod reaper;
mod router;
mod tcx;
mod walk;
mod xdp;

pub use attach::{Attach, Hook, HookChoice, Post};
pub(crate) use attach::{attach, detach, detach_early, is_attached};
pub use audit::{Audit, audit};
pub use counters::counters;
pub use drain::Ending;
pub use enter::{Enter, Entrances};
pub use error::DatapathError;
pub use events::Events;
pub use install::{Failover, Listener, Network, Target, install, uninstall};
pub use maps::{Connection, Maps, Totals};
pub use object::{Datapath, OBJECT};
pub use options::Options;
pub use parts::Set;
pub use ports::{PortUse, PortUses, Ports};
pub use probe::{Seen, examine};
pub use reaper::{Due, Inlet, Reaper};
pub use router::Router;
