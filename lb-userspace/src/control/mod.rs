//! The controller: brings pools up, changes their members, expires their connections, takes
//! them down.

mod candidate;
mod clients;
mod difference;
mod door;
mod error;
mod fill;
mod fleet;
mod follow;
mod member;
mod plan;
mod pressure;
mod ramp;
mod reach;
mod run;
mod serve;
mod standing;
mod stop;
mod update;

pub use door::AttachChoice;
pub use error::ControlError;
pub use follow::follow;
pub use member::{MemberChange, Settings, change_member, new_member};
pub use run::{RunOptions, run};
pub use serve::{ServeOptions, Serving};
pub use standing::{Standing, standing};
pub use stop::stop;
