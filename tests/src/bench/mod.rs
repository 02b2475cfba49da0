//! Measurements that are printed, and are no tests.

pub mod arena;
mod machine;
pub mod packets;
