//! What is served on this node: one record for each pool, beside the pins of its maps.
//!
//! ```text
//! /run/qlb/lock                    taken while anything here changes
//! /run/qlb/bpf/<pool>/             pinned maps and link (a bpffs)
//! /run/qlb/pools/<pool>/record     the pool as it is served
//! /run/qlb/pools/<pool>/controller locked by the process that reaps, with its pid
//! ```
//!
//! Maps and record are all there is: a controller that dies is replaced by another one that
//! reads them.

mod directory;
mod error;
mod lock;
mod lookup;
mod record;

pub use directory::Registry;
pub use error::RegistryError;
pub use lock::Lock;
pub use lookup::Served;
pub use record::{MemberRecord, Record};
