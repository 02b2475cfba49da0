//! The BPF datapath as user space sees it: load, attach, fill, read, reap.
//!
//! Only this module names BPF programs and maps. It knows nothing of YAML, namespaces'
//! names or where state is kept; whoever calls it has entered the right namespace.

mod attach;
mod counters;
mod error;
mod install;
mod maps;
mod object;
mod reaper;

pub(crate) use attach::is_attached;
pub use attach::{Attachment, Hook, HookChoice};
pub use counters::counters;
pub use error::DatapathError;
pub use install::{Listener, Target, install};
pub use maps::{Connection, Maps};
pub use object::{Datapath, Options};
pub use reaper::Reaper;
