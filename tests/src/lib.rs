//! The harness of the qlb tests and demonstration.
//!
//! Everything happens inside a [`sandbox`]: private mount, network, PID and UTS namespaces that the
//! kernel takes away with the process, however it ends. Inside, a [`topology`] of network
//! namespaces, veth pairs and a bridge stands in for an OpenStack network node, real servers
//! ([`Sshd`], [`Nginx`]) or small exact ones ([`tcp`]) play the members, and [`Qlb`] drives the
//! `qlb` program as an operator would. Every value removes in its `Drop` what it made.

pub mod bench;
mod bpf;
pub mod capture;
pub mod chain;
pub mod counters;
pub mod datapath;
pub mod demo;
pub mod dns;
mod error;
pub mod ethtool;
pub mod fuzz;
mod haproxy;
mod iperf;
mod link;
pub mod memory;
mod namespace;
mod net;
mod nginx;
mod process;
mod qlb;
pub mod sandbox;
mod ssh;
mod ssh_session;
pub mod steps;
pub mod sysctl;
pub mod tcp;
pub mod topology;
mod wait;

pub use error::Error;
pub use haproxy::haproxy;
pub use iperf::iperf3_server;
pub use link::{Bridge, Cidr, Plug, Port, Veth};
pub use namespace::{Namespace, NsCommand};
pub use nginx::{Nginx, Response, curl};
pub use process::Process;
pub use qlb::Qlb;
pub use ssh::{SshKeys, Sshd, ssh_command, ssh_login};
pub use ssh_session::SshSession;
pub use wait::{wait_for, wait_until};
