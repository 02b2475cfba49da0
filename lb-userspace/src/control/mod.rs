//! The controller: brings pools up, changes their members, expires their connections, takes
//! them down.

mod error;
mod member;
mod plan;
mod run;
mod serve;

pub use error::ControlError;
pub use member::{MemberChange, change_member, new_member};
pub use run::{RunOptions, run};
pub use serve::{ServeOptions, Serving};
