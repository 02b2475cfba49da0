//! Configuration: what the operator declares, from qlb YAML or from a HAProxy conf that
//! Neutron LBaaS wrote, as one validated model.
//!
//! Pure apart from [`load`], which reads the named file. Nothing here knows about maps,
//! namespaces or sockets; [`servable`] is the one statement of what the datapath can do.

pub mod error;
pub mod field;
pub mod haproxy;
pub mod model;
pub mod report;
pub mod yaml;

mod load;
mod servable;

pub use error::{ConfigError, Diagnostic, Pos};
pub use haproxy::{Finding, Import, Verdict};
pub use load::{Format, LoadOptions, Loaded, load, parse};
pub use model::PoolSpec;
pub use servable::{Notice, Refusal, servable, unserved_address};
pub use yaml::{MonitorSchema, PoolSchema, PoolsSchema};
