//! Which client is kept on which member.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lb_common::state::{Sticky, StickyKey};
use serde::Serialize;

use super::survey::{Walks, by_pool};
use super::{API_VERSION, Report, Table};
use crate::config::PoolSpec;
use crate::config::model::{Seconds, SessionPersistence};
use crate::datapath::{DatapathError, Maps};
use crate::registry::{MemberRecord, Served};

/// What `qlb persistence` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PersistenceList {
    api_version: &'static str,
    clients: Vec<Row>,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    pool: String,
    /// The client's address, without the bits that the granularity leaves out.
    client: IpAddr,
    member: String,
    member_address: SocketAddr,
    /// Since the client came to the member.
    age_seconds: f64,
    /// Until the client is forgotten if it opens no connection; null for never.
    expires_seconds: Option<f64>,
}

/// The clients of pools that are served, by address. Those whose time is over or whose member is gone
/// are left out: they would be scheduled anew. `now` is the monotonic clock.
///
/// # Errors
/// When a map cannot be read.
pub fn persistence(
    served: &[(Served, Arc<Maps>)],
    now: Duration,
) -> Result<PersistenceList, DatapathError> {
    let (mut rows, mut walks) = (Vec::new(), Walks::new());
    for (served, maps) in served {
        let Some(timeout) = timeout(&served.pool) else { continue };
        let members = usable(served);
        let all = walks.of(maps, |maps| Ok(by_pool(maps.sticky()?, |(key, _)| key.pool)))?;
        let own = all.get(&served.record.index).into_iter().flatten();
        let entries = own.filter_map(|(key, sticky)| {
            let member = members.get(&(sticky.member, sticky.incarnation))?;
            row(served.pool.id.as_str(), member, (key, sticky), timeout, now)
        });
        let first = rows.len();
        rows.extend(entries);
        if let Some(new) = rows.get_mut(first..) {
            new.sort_by_key(|row: &Row| row.client);
        }
    }
    Ok(PersistenceList { api_version: API_VERSION, clients: rows })
}

/// The timeout of a pool with persistence; none inside for never.
fn timeout(pool: &PoolSpec) -> Option<Option<Seconds>> {
    match &pool.session_persistence {
        Some(SessionPersistence::SourceIp { timeout, .. }) => Some(*timeout),
        None | Some(SessionPersistence::HttpCookie | SessionPersistence::AppCookie { .. }) => None,
    }
}

/// The members that clients may come back to, by index and incarnation.
fn usable(served: &Served) -> HashMap<(u32, u32), &MemberRecord> {
    let Served { record, pool } = served;
    let up =
        |id: &str| pool.members.iter().any(|spec| spec.id.as_str() == id && spec.admin_state_up);
    let members = record.members.iter().filter(|member| !member.removed && up(&member.id));
    members.map(|member| ((member.index, member.incarnation), member)).collect()
}

fn row(
    pool: &str,
    member: &MemberRecord,
    (key, sticky): (&StickyKey, &Sticky),
    timeout: Option<Seconds>,
    now: Duration,
) -> Option<Row> {
    let since = |nanos: u64| now.saturating_sub(Duration::from_nanos(nanos));
    let left = match timeout {
        Some(timeout) => Some(timeout.as_duration().checked_sub(since(sticky.used.get()))?),
        None => None,
    };
    Some(Row {
        pool: pool.to_owned(),
        client: key.client.into(),
        member: member.id.clone(),
        member_address: member.endpoint,
        age_seconds: since(sticky.since).as_secs_f64(),
        expires_seconds: left.map(|left| left.as_secs_f64()),
    })
}

impl Report for PersistenceList {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["CLIENT", "MEMBER", "ADDRESS", "AGE", "EXPIRES", "POOL"]);
        for row in &self.clients {
            table.row([
                row.client.to_string(),
                row.member.clone(),
                row.member_address.to_string(),
                format!("{:.1}s", row.age_seconds),
                row.expires_seconds.map_or("never".to_owned(), |left| format!("in {left:.1}s")),
                row.pool.clone(),
            ]);
        }
        table.print("", out)
    }
}
