//! The connection table.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lb_common::addr::Addr;
use lb_common::be::Be16;
use lb_common::state::State;
use lb_common::wire::ipv4;
use serde::Serialize;
use utoipa::ToSchema;

use super::detail::{Detail, detail};
use super::survey::{Walks, by_pool};
use super::{API_VERSION, Report, Table, human};
use crate::datapath::{Connection, DatapathError, Maps};
use crate::registry::Served;

/// What `qlb conns` prints.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionList {
    api_version: &'static str,
    connections: Vec<Row>,
}

/// A connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
struct Row {
    pool: String,
    protocol: &'static str,
    member: String,
    #[schema(value_type = String)]
    member_address: SocketAddr,
    #[schema(value_type = String)]
    client: SocketAddr,
    #[schema(value_type = String)]
    vip: SocketAddr,
    #[schema(value_type = String)]
    nat: SocketAddr,
    /// That of its pool when it was opened: `nat`, `dnat` or `dsr`.
    mode: &'static str,
    state: &'static str,
    age_seconds: f64,
    idle_seconds: f64,
    bytes_in: u64,
    /// Null where the member answers past the node.
    bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Detail>,
}

/// The connections of pools that are served, oldest first, `detailed` or not. `now` is the monotonic clock.
///
/// # Errors
/// When a map cannot be read.
pub fn connections(
    served: &[(Served, Arc<Maps>)],
    now: Duration,
    detailed: bool,
) -> Result<ConnectionList, DatapathError> {
    let (mut rows, mut walks) = (Vec::new(), Walks::new());
    for (served, maps) in served {
        let names: HashMap<u32, &str> =
            served.record.members.iter().map(|member| (member.index, member.id.as_str())).collect();
        let pool = served.pool.id.as_str();
        let all = walks.of(maps, |maps| {
            Ok(by_pool(maps.connections()?, |connection| connection.client.pool()))
        })?;
        rows.extend(all.get(&served.record.index).into_iter().flatten().map(|connection| Row {
            detail: detailed.then(|| detail(connection, now)),
            ..row(pool, &names, connection, now)
        }));
    }
    rows.sort_by(|a, b| b.age_seconds.total_cmp(&a.age_seconds).then(a.client.cmp(&b.client)));
    Ok(ConnectionList { api_version: API_VERSION, connections: rows })
}

fn row(pool: &str, names: &HashMap<u32, &str>, connection: &Connection, now: Duration) -> Row {
    let Connection { key, client, member } = connection;
    let (incoming, outgoing) = (&key.tuple, &client.rewrite.to);
    let answered = member.as_ref().map_or(0, |member| member.last_seen.get());
    let since = |nanos: u64| now.saturating_sub(Duration::from_nanos(nanos)).as_secs_f64();
    Row {
        pool: pool.to_owned(),
        protocol: transport(key.protocol),
        member: names.get(&client.member).map_or("(forgotten)", |name| *name).to_owned(),
        member_address: socket(outgoing.dst, outgoing.dport),
        client: socket(incoming.src, incoming.sport),
        vip: socket(incoming.dst, incoming.dport),
        nat: socket(outgoing.src, outgoing.sport),
        mode: client.mode().name(),
        state: match client.phase.get().state() {
            State::Opening => "OPENING",
            State::Established => "ESTABLISHED",
            State::Closing => "CLOSING",
            State::Closed => "CLOSED",
        },
        age_seconds: since(client.opened),
        idle_seconds: since(client.last_seen.get().max(answered)),
        bytes_in: client.payload.get(),
        bytes_out: (!client.is_direct())
            .then(|| member.as_ref().map_or(0, |member| member.payload.get())),
        detail: None,
    }
}

/// What the protocol with this number is called.
pub(super) const fn transport(protocol: u8) -> &'static str {
    match protocol {
        ipv4::TCP => "TCP",
        ipv4::UDP => "UDP",
        _ => "other",
    }
}

pub(super) fn socket(address: Addr, port: Be16) -> SocketAddr {
    SocketAddr::new(address.into(), port.get())
}

impl Report for ConnectionList {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new([
            "PROTO", "CLIENT", "VIP", "SEEN AS", "MEMBER", "MODE", "STATE", "AGE", "IDLE", "IN",
            "OUT",
        ]);
        for row in &self.connections {
            table.row([
                row.protocol.to_owned(),
                row.client.to_string(),
                row.vip.to_string(),
                row.nat.to_string(),
                row.member_address.to_string(),
                row.mode.to_owned(),
                row.state.to_owned(),
                format!("{:.1}s", row.age_seconds),
                format!("{:.1}s", row.idle_seconds),
                human(row.bytes_in),
                row.bytes_out.map_or("-".to_owned(), human),
            ]);
        }
        let details = self.connections.iter().map(|row| row.detail.as_ref());
        let lines = table.lines();
        for (line, detail) in lines.iter().zip([None].into_iter().chain(details)) {
            writeln!(out, "{line}")?;
            detail.map_or(Ok(()), |detail| detail.print(out))?;
        }
        Ok(())
    }
}
