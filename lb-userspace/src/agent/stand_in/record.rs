//! The note of a process that stands for pools.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Declarer;
use crate::agent::plan::document;
use crate::config::yaml;

#[derive(Serialize, Deserialize)]
struct Note {
    pid: i32,
    started: u64,
    confs: Vec<String>,
    turn: u64,
    pools: Vec<Value>,
}

pub(super) fn text(declarer: &Declarer) -> Vec<u8> {
    let Declarer { pid, started, confs, turn, pools } = declarer.clone();
    let pools = pools.iter().map(document).collect();
    // Nothing of it can fail to be written.
    serde_json::to_vec_pretty(&Note { pid, started, confs, turn, pools }).unwrap_or_default()
}

pub(super) fn parse(text: &[u8]) -> Result<Declarer, String> {
    let note: Note = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let Note { pid, started, confs, turn, pools } = note;
    let pools = serde_json::json!({ "pools": pools }).to_string();
    let pools = yaml::parse("pools", &pools).map_err(|error| error.to_string())?;
    Ok(Declarer { pid, started, confs, turn, pools })
}
