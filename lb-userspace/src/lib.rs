//! qlb's user space: configuration, the datapath's loader, the controller and its reports.
//!
//! The binary `qlb` is a thin command line over this library; the tests use it directly.

pub mod agent;
pub mod cli;
pub mod config;
pub mod control;
pub mod datapath;
pub mod haproxy;

pub mod monitor;
pub mod node;
mod once;
pub mod registry;
pub mod report;
