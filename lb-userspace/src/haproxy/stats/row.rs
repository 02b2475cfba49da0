//! The rows of a pool: frontend, servers, backend.

use super::column::Row;
use super::snapshot::{Load, Member, Payload, Snapshot};
use crate::haproxy::health::Health;

/// HAProxy's number of the only process.
const PROCESS: u32 = 1;

/// Kinds of rows, by their number in the column `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Frontend = 0,
    Backend = 1,
    Server = 2,
}

/// A frontend; `iid` is its number among the proxies.
pub(super) fn frontend(pool: &Snapshot, iid: usize) -> Row {
    let mut row = begin(&pool.frontend, "FRONTEND", Kind::Frontend, iid, 0, pool.mode);
    let total = pool.load.total + pool.refused;
    load(&mut row, Load { total, ..pool.load });
    payload(&mut row, pool.payload());
    row.set("slim", pool.limit);
    row.zero(["dreq", "dresp", "ereq", "rate_lim", "dses"]);
    row.set("status", "OPEN");
    row.set("conn_rate", pool.load.rate);
    row.set("conn_rate_max", pool.load.rate_peak);
    row.set("conn_tot", total);
    row.set("dcon", pool.denied);
    row
}

/// A server, the member number `sid`.
pub(super) fn server(pool: &Snapshot, member: &Member, iid: usize, sid: usize) -> Row {
    let mut row = begin(&pool.backend, &member.id, Kind::Server, iid, sid, pool.mode);
    load(&mut row, member.load);
    payload(&mut row, member.payload);
    row.zero(["qcur", "qmax", "dresp", "wretr"]);
    row.know("slim", member.limit);
    row.set("status", member.status());
    row.set("weight", member.weight);
    row.set("uweight", member.weight);
    row.set("act", u8::from(!member.backup));
    row.set("bck", u8::from(member.backup));
    row.set("lbtot", member.load.total);
    let (failed, redispatched) = failures(pool, member);
    row.know("econ", failed);
    row.know("wredis", redispatched);
    row.know("eresp", pool.tallied.then_some(member.tally.response_errors));
    row.know("srv_abrt", pool.tallied.then_some(member.tally.server_aborts));
    row.know("cli_abrt", pool.tallied.then_some(member.tally.client_aborts));
    if let (true, Some(found)) = (member.admin_state_up, &member.health) {
        health(&mut row, found);
    }
    row
}

/// A backend.
pub(super) fn backend(pool: &Snapshot, iid: usize) -> Row {
    let mut row = begin(&pool.backend, "BACKEND", Kind::Backend, iid, 0, pool.mode);
    load(&mut row, Load { total: pool.load.total + pool.refused, ..pool.load });
    payload(&mut row, pool.payload());
    row.zero(["qcur", "qmax", "dreq", "dresp", "wretr"]);
    row.set("econ", pool.errors());
    row.set("wredis", pool.redispatched);
    let tally = pool.tally();
    row.know("eresp", tally.map(|tally| tally.response_errors));
    row.know("srv_abrt", tally.map(|tally| tally.server_aborts));
    row.know("cli_abrt", tally.map(|tally| tally.client_aborts));
    let usable = |backup| move |member: &&Member| member.is_usable() && member.backup == backup;
    let weigh = |backup| -> u32 {
        pool.members.iter().filter(usable(backup)).map(|member| u32::from(member.weight)).sum()
    };
    let weight = if weigh(false) > 0 { weigh(false) } else { weigh(true) };
    row.set("weight", weight);
    row.set("uweight", weight);
    row.set("act", pool.members.iter().filter(usable(false)).count());
    row.set("bck", pool.members.iter().filter(usable(true)).count());
    let present = pool.members.iter().any(|member| !member.removed);
    row.set("status", if weight > 0 || !present { "UP" } else { "DOWN" });
    row.set("lbtot", pool.members.iter().map(|member| member.load.total).sum::<u64>());
    row
}

/// Of connections that a member did not accept: those that ended so, and those that went to another one. Only a
/// reader of events can tell, unless all of the pool are one or the other.
fn failures(pool: &Snapshot, member: &Member) -> (Option<u64>, Option<u64>) {
    if pool.tallied {
        return (Some(member.tally.failed), Some(member.tally.redispatched));
    }
    match (pool.failed, pool.redispatched) {
        (_, 0) => (Some(member.failed), Some(0)),
        (0, _) => (Some(0), Some(member.failed)),
        (_, _) => (None, None),
    }
}

fn begin(proxy: &str, name: &str, kind: Kind, iid: usize, sid: usize, mode: &str) -> Row {
    let mut row = Row::default();
    row.set("pxname", proxy);
    row.set("svname", name);
    row.set("pid", PROCESS);
    row.set("iid", iid);
    row.set("sid", sid);
    row.set("type", kind as u8);
    row.set("mode", mode);
    row
}

fn load(row: &mut Row, load: Load) {
    row.set("scur", load.active);
    row.set("smax", load.peak);
    row.set("stot", load.total);
    row.set("rate", load.rate);
    row.set("rate_max", load.rate_peak);
}

fn payload(row: &mut Row, payload: Payload) {
    row.set("bin", payload.bytes_in);
    row.set("bout", payload.bytes_out);
}

fn health(row: &mut Row, health: &Health) {
    row.set("chkfail", health.failures);
    row.set("chkdown", health.downs);
    row.set("lastchg", health.since.as_secs());
    if let Some(check) = &health.check {
        row.set("check_status", &check.status);
        row.know("check_code", check.code);
        row.set("check_duration", check.duration.as_millis());
        row.set("last_chk", &check.info);
    }
}
