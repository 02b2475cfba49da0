//! New connections.

use crate::{
    addr::Tuple,
    counter::Event,
    event,
    forward::{Path, admit, known, persist},
    nat::{PORT_TRIES, Ports, Rewrite},
    schedule::{self, Ask, Avoid},
    state::{Flow, FlowKey, Pool, Slot, Vip, VipKey},
    tables::{InsertError, Tables},
    verdict::{Direction, DropReason, PassReason, RefuseReason, Verdict},
    wire::Segment,
};

/// What becomes of a segment that opens no connection.
type Declined = Result<Verdict, DropReason>;

/// Opens a connection for a segment of no known one, if it asks a listener to.
#[inline(always)]
pub(super) fn open<T: Tables>(
    tables: &T,
    key: &FlowKey,
    segment: &Segment,
) -> Result<Path, Declined> {
    let listener = VipKey::new(key.tuple.dst, key.tuple.dport, key.zone, key.protocol);
    let Some(vip) = tables.vip(&listener) else {
        return Err(Ok(Verdict::Pass(PassReason::NotVip)));
    };
    if !segment.flags.opens() {
        return Err(Ok(Verdict::Pass(PassReason::NoConnection)));
    }
    admit::check_client(tables, &vip, key.tuple.src)?;
    if vip.enabled == 0 {
        return Err(refuse(RefuseReason::Disabled));
    }
    let Some(pool) = tables.pool(vip.pool) else {
        return Err(Err(DropReason::Inconsistent));
    };
    admit::enter(tables, &vip)?;
    let connected = connect(tables, key, segment, &vip, &pool);
    if connected.is_err() {
        admit::leave(tables, &vip);
    }
    connected.or_else(|unconnected| match unconnected {
        Unconnected::Declined(declined) => Err(declined),
        Unconnected::Outrun => match tables.flow(key) {
            Some(flow) => Ok(known::follow(tables, key, &flow, segment)),
            None => Err(refuse(RefuseReason::TableFull)),
        },
    })
}

/// Why an admitted segment opened no connection.
enum Unconnected {
    Declined(Declined),
    /// Another CPU was faster with a copy of the same SYN: its choice stands.
    Outrun,
}

impl From<Declined> for Unconnected {
    #[inline(always)]
    fn from(declined: Declined) -> Self {
        Self::Declined(declined)
    }
}

/// Gives a connection that the listener has counted to a member.
#[inline(always)]
fn connect<T: Tables>(
    tables: &T,
    key: &FlowKey,
    segment: &Segment,
    vip: &Vip,
    pool: &Pool,
) -> Result<Path, Unconnected> {
    let (index, client, now) = (vip.pool, key.tuple.src, tables.now());
    let slot = match persist::recall(tables, vip, pool, client, now) {
        Some(slot) => slot,
        None => {
            let ask = Ask { tuple: key.tuple, now, avoid: Avoid::NONE };
            schedule::pick(tables, index, pool, &ask).map_err(refuse)?
        }
    };
    let outgoing = reserve_port(tables, key, index, pool, &slot, now)?;
    let rewrite = Rewrite::new(&key.tuple, &outgoing);
    let mut flow = Flow::new(rewrite, slot.member, index, false, now);
    flow.opened = tables.exact_now();
    // Data in a SYN (TCP Fast Open, RFC 7413).
    flow.payload.set(segment.payload.into());
    flow.next.set(segment.end().get());
    match tables.insert_flow(key, flow) {
        Ok(()) => {
            schedule::opened(tables, index, slot.member);
            persist::remember(tables, vip, client, slot.member, now);
            tables.count(Event::Opened.into());
            event::opened(tables, key, &outgoing, index, slot.member);
            tables.account_connection(slot.member);
            tables.account(slot.member, Direction::ToMember, segment.payload);
            Ok(Path { rewrite, direction: Direction::ToMember })
        }
        Err(InsertError::Full) => {
            tables.remove_flow(&member_key(key, &outgoing));
            Err(refuse(RefuseReason::TableFull).into())
        }
        Err(InsertError::Exists) => {
            tables.remove_flow(&member_key(key, &outgoing));
            Err(Unconnected::Outrun)
        }
    }
}

/// Finds a free NAT port towards the member by inserting the entry for its answers: the
/// insertion itself decides, so two connections can never share one. Returns the
/// tuple of packets to the member.
#[inline(always)]
fn reserve_port<T: Tables>(
    tables: &T,
    key: &FlowKey,
    index: u32,
    pool: &Pool,
    slot: &Slot,
    now: u64,
) -> Result<Tuple, Declined> {
    let ports = Ports::new(pool, &key.tuple);
    let incoming = key.tuple.reversed();
    for attempt in 0..PORT_TRIES {
        let outgoing = Tuple {
            src: key.tuple.dst,
            dst: slot.address,
            sport: ports.get(attempt),
            dport: slot.port,
        };
        // Answers must never look like a client's packets to the listener.
        if outgoing.sport == key.tuple.dport {
            continue;
        }
        let answers = outgoing.reversed();
        let flow = Flow::new(Rewrite::new(&answers, &incoming), slot.member, index, true, now);
        match tables.insert_flow(&member_key(key, &outgoing), flow) {
            Ok(()) => return Ok(outgoing),
            Err(InsertError::Exists) => tables.count(Event::PortTaken.into()),
            Err(InsertError::Full) => return Err(refuse(RefuseReason::TableFull)),
        }
    }
    Err(refuse(RefuseReason::NoPort))
}

/// The key of a member's answers to packets with the `outgoing` tuple.
#[inline(always)]
fn member_key(key: &FlowKey, outgoing: &Tuple) -> FlowKey {
    FlowKey::new(outgoing.reversed(), key.zone, key.protocol)
}

#[inline(always)]
fn refuse(reason: RefuseReason) -> Declined {
    Ok(Verdict::Refuse(reason))
}
