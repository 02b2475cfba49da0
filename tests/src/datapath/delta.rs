//! What has changed, in words.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use lb_common::state::{MemberStats, Mode, PhaseBits, Rest};
use lb_common::wire::ipv4::UDP;

use super::snapshot::direction;
use super::{
    Age, CLIENT_SEQ, Conn, Entry, Fragments, LISTENER, Member, POOL, Port, Snapshot, Stuck, Way,
    member,
};

/// Everything that differs between two moments, one line each: counters, members, entries.
///
/// `A>` is the client's entry of the connection named `A`, `A<` the member's. `+` is an entry as
/// it should be right after opening, `-` one that has gone, `~` a changed one; `seen` means that a
/// packet touched it. A member's entry comes and goes with its NAT port, which is told of when it neither is
/// in use nor rests quiet. `10.0.0.9 to 1/2` is a client that is kept on the second member of index 1
/// from now on, `again` one that came to its member again.
#[must_use]
pub fn delta(before: &Snapshot, after: &Snapshot, conns: &[Conn]) -> Vec<String> {
    let mut lines = Vec::new();
    for ((name, old), (_, new)) in before.counters.iter().zip(&after.counters) {
        lines.extend(change(name, *old, *new));
    }
    for (index, (old, new)) in before.members.iter().zip(&after.members).enumerate() {
        let words = members(old, new);
        if !words.is_empty() {
            lines.push(format!("member {index}: {}", words.join(" ")));
        }
    }

    lines.extend(listener(before, after));
    if before.budget != after.budget {
        lines.push(format!("budget {:?}", after.budget));
    }
    for client in before.sticky.keys().chain(after.sticky.keys()).collect::<BTreeSet<_>>() {
        lines.extend(stuck(*client, before.sticky.get(client), after.sticky.get(client)));
    }

    let named = conns.iter().flat_map(ends).map(|(key, _)| key);
    let others = before.flows.keys().chain(after.flows.keys()).copied();
    let mut done: Vec<Way> = Vec::new();
    for key in named.chain(others) {
        if !done.contains(&key) {
            done.push(key);
            lines.extend(flow(key, before.flows.get(&key), after.flows.get(&key), conns));
            lines.extend(port(key, before, after, conns));
        }
    }
    for key in before.fragments.keys().chain(after.fragments.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (before.fragments.get(key), after.fragments.get(key));
        if old == new {
            continue;
        }
        let (direction, id) = *key;
        let entry = after.flows.get(&direction).or_else(|| before.flows.get(&direction));
        let of = entry.map_or_else(|| "nobody".into(), |entry| name(direction, entry, conns));
        lines.push(match new {
            None => format!("fragments of {of}: {id} gone"),
            Some(Fragments { id: now, until: Age::Now }) => {
                format!("fragments of {of}: {id} as {now}")
            }
            Some(other) => format!("fragments of {of}: {id} {other:?}"),
        });
    }
    let homeless = |key: &&Way| after.flows.get(key).is_none_or(|f| !f.from_member);
    lines.extend(after.ports.keys().filter(homeless).map(|key| format!("{key:?}: port alone")));
    lines
}

/// What becomes of a NAT port other than to be in use by a connection, or to rest quiet when that is closed.
fn port(key: Way, before: &Snapshot, after: &Snapshot, conns: &[Conn]) -> Option<String> {
    let entry = after.flows.get(&key).filter(|entry| entry.from_member)?;
    let same = before.flows.get(&key).is_some_and(|old| old.rewrite == entry.rewrite);
    let what = oddity(key, entry, after)?;
    let was = before.flows.get(&key).and_then(|old| oddity(key, old, before)).filter(|_| same);
    (was != Some(what)).then(|| format!("{}: port {what}", name(key, entry, conns)))
}

fn oddity(key: Way, entry: &Entry, snapshot: &Snapshot) -> Option<&'static str> {
    let (vip, client) = direction(&entry.rewrite.to);
    let (answers, protocol) = key;
    let is_closed = match snapshot.flows.get(&((client, vip), protocol)) {
        Some(client) if direction(&client.rewrite.to) == (answers.1, answers.0) => {
            client.phase.is_closed()
        }
        _ => true,
    };
    match (snapshot.ports.get(&key), is_closed) {
        (Some(Port::Busy), false) | (Some(Port::Resting(Rest::Quiet)), true) => None,
        (Some(Port::Busy), true) => Some("busy"),
        (Some(Port::Resting(Rest::Quiet)), false) => Some("quiet"),
        (Some(Port::Resting(Rest::Waiting)), _) => Some("waiting"),
        (Some(Port::Confused), _) => Some("confused"),
        (None, _) if entry.mode != Mode::Nat => None,
        (None, _) => Some("free"),
    }
}

fn change(name: &str, old: u64, new: u64) -> Option<String> {
    let by = new.wrapping_sub(old).cast_signed();
    (by != 0).then(|| format!("{name} {by:+}"))
}

/// How far a sequence number moved, or what it is if it was none before.
fn number(name: &str, old: u32, new: u32) -> Option<String> {
    match (old, new) {
        _ if old == new => None,
        (0, new) => Some(format!("{name} {new}")),
        (old, new) => Some(format!("{name} {:+}", new.wrapping_sub(old).cast_signed())),
    }
}

fn members(old: &Member, new: &Member) -> Vec<String> {
    let fields = |member: &Member| {
        let MemberStats { connections, packets_in, packets_out, bytes_in, bytes_out, failed } =
            member.stats;
        [
            ("active", u64::from(member.active)),
            ("connections", connections),
            ("packets_in", packets_in),
            ("packets_out", packets_out),
            ("bytes_in", bytes_in),
            ("bytes_out", bytes_out),
            ("failed", failed),
            ("failures", u64::from(member.failures)),
        ]
    };
    let pairs = fields(old).into_iter().zip(fields(new));
    let mut words: Vec<_> =
        pairs.filter_map(|((name, old), (_, new))| change(name, old, new)).collect();
    if old.out != new.out {
        words.push(format!("out {:?}", new.out));
    }
    // The stamp moves with the count, and with nothing else.
    let moved = (old.stamp != new.stamp, old.active != new.active);
    if moved.0 != moved.1 {
        words.push(format!("stamp {} => {}", old.stamp, new.stamp));
    }
    words
}

/// The listener's count moves with its members' and never alone.
fn listener(before: &Snapshot, after: &Snapshot) -> Option<String> {
    let sum = |snapshot: &Snapshot| {
        snapshot.members.iter().fold(0_u32, |sum, member| sum.wrapping_add(member.active))
    };
    let alone = |snapshot: &Snapshot| snapshot.active.wrapping_sub(sum(snapshot));
    let (old, new) = (before.active, after.active);
    (alone(before) != alone(after)).then(|| format!("listener: active {old} => {new}"))
}

fn stuck(client: IpAddr, old: Option<&Stuck>, new: Option<&Stuck>) -> Option<String> {
    let Some(new) = new else { return old.map(|_| format!("{client} is forgotten")) };
    match old {
        Some(old) if old == new => None,
        Some(old) if Stuck { used: Age::Now, ..*old } == *new => Some(format!("{client} again")),
        _ if (new.since, new.used) == (Age::Now, Age::Now) => {
            let Stuck { member, incarnation, .. } = new;
            Some(format!("{client} to {member}/{incarnation}"))
        }
        _ => Some(format!("{client} {old:?} => {new:?}")),
    }
}

fn flow(key: Way, old: Option<&Entry>, new: Option<&Entry>, conns: &[Conn]) -> Option<String> {
    match (old, new) {
        (None, None) => None,
        (Some(old), None) => Some(format!("- {}", name(key, old, conns))),
        (None, Some(new)) => Some(added(key, new, conns)),
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) if old.opened != new.opened => {
            Some(format!("- {} {}", name(key, old, conns), added(key, new, conns)))
        }
        (Some(old), Some(new)) => {
            Some(format!("~ {}: {}", name(key, old, conns), changed(old, new)))
        }
    }
}

/// The connection that this is an entry of, among those that may have the same client.
fn name(key: Way, entry: &Entry, conns: &[Conn]) -> String {
    for conn in conns {
        for ((end, fresh), arrow) in ends(conn).zip([">", "<"]) {
            if end == key && fresh.rewrite == entry.rewrite {
                return format!("{}{arrow}", conn.name);
            }
        }
    }
    let ((source, destination), _) = key;
    format!("{source}>{destination}")
}

fn added(key: Way, entry: &Entry, conns: &[Conn]) -> String {
    let name = name(key, entry, conns);
    let fresh = conns.iter().flat_map(ends).any(|(end, fresh)| {
        // Data in a SYN is counted and numbered; a flow knows the set of its pool, whichever that is.
        let next = match key.1 {
            UDP => fresh.next,
            _ => entry.next.wrapping_sub(entry.payload as u32),
        };
        end == key && fresh == Entry { payload: 0, next, ..*entry }
    });
    match (fresh, entry.payload) {
        (true, 0) => format!("+ {name}"),
        (true, payload) => format!("+ {name} payload {payload}"),
        (false, _) => format!("+ {name} {entry:?}"),
    }
}

/// The entries of a connection right after opening, the client's first.
fn ends(conn: &Conn) -> impl Iterator<Item = (Way, Entry)> + use<> {
    use lb_common::{addr::Tuple, be::Be16, nat::Rewrite};

    let tuple = |((src, dst), _): Way| Tuple {
        src: src.ip().into(),
        dst: dst.ip().into(),
        sport: Be16::new(src.port()),
        dport: Be16::new(dst.port()),
    };
    let conn = *conn;
    let entry = |from, to, from_member| {
        let (from, to) = ((from, conn.protocol), (to, conn.protocol));
        let entry = Entry {
            rewrite: Rewrite::new(&tuple(from), &tuple(to)),
            member: conn.member,
            pool: POOL,
            mode: conn.mode,
            from_member,
            phase: PhaseBits::NONE,
            payload: 0,
            seen: Age::Now,
            news: Age::Now,
            opened: Age::Now,
            next: match (conn.protocol, from_member) {
                (_, true) => 0,
                (UDP, false) => 1,
                (_, false) => CLIENT_SEQ,
            },
            acked: 0,
            stamp: 0,
        };
        (from, entry)
    };
    let ends = [conn.client, LISTENER, conn.vip(), member(conn.member)];
    let [client, listener, vip, member] = ends.map(SocketAddr::V4);
    let answers = entry((member, vip), (listener, client), true);
    let answers = (conn.mode != Mode::Dsr).then_some(answers);
    [entry((client, listener), (vip, member), false)].into_iter().chain(answers)
}

fn changed(old: &Entry, new: &Entry) -> String {
    let mut words = Vec::new();
    if old.seen != new.seen && new.seen == Age::Now {
        words.push("seen".to_owned());
    } else if old.seen != new.seen {
        words.push(format!("seen {:?}", new.seen));
    }
    if old.news != new.news && new.news == Age::Now {
        words.push("news".to_owned());
    } else if old.news != new.news {
        words.push(format!("news {:?}", new.news));
    }
    words.extend(change("payload", old.payload, new.payload));
    words.extend(number("next", old.next, new.next));
    words.extend(number("acked", old.acked, new.acked));
    if new.stamp != old.stamp {
        words.push(format!("stamp {}", new.stamp));
    }
    let mut phase = old.phase;
    for &(fact, name) in PhaseBits::NAMED {
        if new.phase.contains(fact) && !old.phase.contains(fact) {
            words.push(name.to_owned());
            phase = phase.with(fact);
        }
    }
    let Entry { seen, news, payload, next, acked, stamp, .. } = *new;
    let rest = Entry { seen, news, payload, next, acked, stamp, phase, ..*old };
    if rest != *new {
        words.push(format!("{old:?} => {new:?}"));
    }
    words.join(" ")
}
