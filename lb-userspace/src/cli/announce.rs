//! `qlb announce`.

use std::io::Write;

use serde_json::Value;

use super::agent_args::Form;
use super::things::{ANNOUNCEMENTS, list};
use crate::agent::client::{Client, ClientError, part};
use crate::control::{Rounds, announce_served};
use crate::node::enter_root_mounts;
use crate::registry::Registry;

/// Has addresses announced: by the agent, which may be asked by whoever may write to its socket, or here if there is none. The
/// exit code says whether neighbours were told of each.
pub(super) fn execute(
    registry: &Registry,
    client: &Client,
    pool: Option<&str>,
    rounds: Rounds,
    form: Form,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let at = pool.map(|pool| format!("/pools/{}", part(pool))).unwrap_or_default();
    let path = format!("/v1{at}/announce?rounds={}", rounds.0);
    let found = match client.send("POST", &path, &Value::Null) {
        Err(ClientError::Unreachable { .. }) if registry.agent().is_none() => {
            enter_root_mounts()?;
            serde_json::to_value(announce_served(&registry.find_or_list(pool)?, rounds))?
        }
        found => found?,
    };
    ANNOUNCEMENTS.print(&found, form, true, None, out)?;
    let is_silent = |row: &Value| row["mac"].is_null();
    Ok(u8::from(list(&found["announcements"]).iter().any(is_silent)))
}
