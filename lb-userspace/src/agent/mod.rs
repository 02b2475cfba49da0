//! The agent: one process for a node, which serves every pool of the desired state.
//!
//! It may end at any time. Everything it has to know is on the disk (`desired`), in the records and pins of the registry,
//! or on the node; whoever comes next finds it there. It is asked and told through its API (`api`), on a Unix socket.

pub mod api;
pub mod client;
pub mod gc;
pub mod plan;
pub mod privileges;
pub mod view;

mod background;
mod company;
mod desired;
mod edit;
mod engine;
mod error;
mod monitors;
mod run;
mod socket;
mod stand_in;
mod takeover;
mod watch;

pub use background::Talk;
pub use desired::StoreError;
pub use error::AgentError;
pub use run::{AgentOptions, run};
pub use socket::{SOCKET, SocketOptions};
pub use stand_in::StandIn;
