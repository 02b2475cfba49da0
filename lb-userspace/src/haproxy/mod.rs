//! What makes qlb look like the HAProxy process of a pool: its stats socket, its log lines, its command line.
//!
//! Its conf is read by [`crate::config::haproxy`].

pub mod health;
pub mod stats;

mod attend;
mod command;
mod desk;
mod log;
mod socket;

pub use attend::{Attendance, Sockets};
pub use command::{Options, command, stand, stands_in};
pub use desk::Desk;
pub use socket::SocketError;
