//! The decision about a connection without any of its effects.

use crate::{
    counter::Counter,
    dry::Dry,
    forward::{
        Desk, admit, key_of, known,
        open::{self, Unconnected, Wish},
        reserve::{self, Goal},
        udp,
    },
    packet::Packet,
    route::{Answer, Choice, Lost},
    state::{NOBODY, Pool},
    tables::Tables,
    verdict::{Direction, DropReason, Verdict},
    wire::{self, Segment},
};

/// What [`super::forward`] would make of the packet, a client's SYN or datagram: who would get the connection, and why.
/// Nothing is changed, not even a count.
///
/// Whether conntrack has room is not known without trying. A connection that is ending and makes way is
/// still of its member's count.
#[inline(always)]
pub fn route<P: Packet, T: Tables>(packet: &P, tables: &T) -> Answer {
    let mut answer = Answer::default();
    let outcome = tables.at_desk(|desk| {
        *desk = Desk::default();
        match wire::parse(packet, &mut desk.segment) {
            Ok(()) => ask(&Dry::of(tables), desk, &mut answer),
            Err(reason) => Ok(Verdict::Pass(reason)),
        }
    });
    let outcome = outcome.unwrap_or(Err(DropReason::Inconsistent));
    answer.outcome = Counter::from(outcome).number();
    answer
}

#[inline(always)]
fn ask<T: Tables>(
    dry: &Dry<'_, T>,
    desk: &mut Desk,
    answer: &mut Answer,
) -> Result<Verdict, DropReason> {
    let Desk { segment, wish, goal, .. } = desk;
    wish.client = key_of(dry, segment);
    let key = &wish.client;
    let mut make_way = 0;
    if let Some(flow) = dry.flow(key) {
        let phase = flow.phase.get();
        let (ends, moves) = if segment.is_udp() {
            let is_client = !flow.is_from_member();
            let moves = is_client && !phase.is_closed() && udp::has_lost_member(dry, &flow).0;
            (is_client && phase.is_closed(), moves)
        } else {
            (known::is_superseded(&flow, segment), false)
        };
        if !ends && !moves {
            answer.choice = Choice::Known.number();
            (answer.member, answer.pool) = (flow.member, flow.pool());
            answer.outgoing = flow.rewrite.to;
            let to_member = !flow.is_from_member();
            let direction = if to_member { Direction::ToMember } else { Direction::ToClient };
            return Ok(Verdict::Forward(direction));
        }
        if moves {
            // It keeps what it has until it has another member.
            wish.moves = 1;
            answer.replaces = Answer::MOVES;
        } else {
            dry.forget(flow.peer_key(key));
            answer.replaces = Answer::MAKES_WAY;
            make_way = !phase.is_closed() as u32;
        }
    }
    if let Some(reason) = open::is_stray(dry, key, segment) {
        return Ok(Verdict::Pass(reason));
    }
    match open(dry, segment, wish, goal, make_way, answer) {
        Ok(()) => Ok(Verdict::Forward(Direction::ToMember)),
        Err(Unconnected::Declined(declined)) => declined,
        Err(Unconnected::Stays) => Err(DropReason::Inconsistent),
    }
}

/// The same steps as [`super::open::open`]. `make_way` is how many connections that the listener counts are ending for it.
#[inline(always)]
fn open<T: Tables>(
    dry: &Dry<'_, T>,
    segment: &Segment,
    wish: &Wish,
    goal: &mut Goal,
    make_way: u32,
    answer: &mut Answer,
) -> Result<(), Unconnected> {
    let inconsistent = || Unconnected::Declined(Err(DropReason::Inconsistent));
    let Some(vip) = dry.vip(&open::listener(&wish.client)) else { return Err(inconsistent()) };
    if wish.is_new() {
        open::check(dry, &vip, wish, segment)?;
    }
    let Some(pool) = dry.pool(vip.pool) else { return Err(inconsistent()) };
    answer.pool = vip.pool;
    if wish.is_new() {
        admit::enter(dry, &vip, make_way)?;
    }

    let chosen = open::choose(dry, &vip, &pool, wish, goal);
    (answer.kept, answer.due) = (dry.kept(), dry.due());
    answer.kept_lost = lost(dry, &pool, goal, answer.kept);
    answer.due_lost = lost(dry, &pool, goal, answer.due);
    let had_before = chosen?;
    answer.member = goal.slot.member;
    answer.choice = if had_before {
        Choice::Persistence
    } else if is_ejected(dry, goal, answer.member) {
        Choice::LastResort
    } else if answer.due != NOBODY {
        Choice::Next
    } else {
        Choice::Method
    }
    .number();
    reserve::port(dry, &wish.client, &pool, goal)?;
    answer.outgoing = goal.outgoing;
    Ok(())
}

/// Why a member cannot have the connection; zero if there is no such member.
#[inline(never)]
fn lost<T: Tables>(dry: &Dry<'_, T>, pool: &Pool, goal: &Goal, member: u32) -> u32 {
    if member == NOBODY {
        return 0;
    }
    let (Some(slot), Some(load)) = (dry.slot(&pool.part(goal.pool, member)), dry.load(member))
    else {
        return Lost::Other.number();
    };
    if slot.limit != 0 && load.active.get() >= slot.limit {
        Lost::Full.number()
    } else if load.out_until.get() > goal.now {
        Lost::Ejected.number()
    } else {
        Lost::Other.number()
    }
}

#[inline(always)]
fn is_ejected<T: Tables>(dry: &Dry<'_, T>, goal: &Goal, member: u32) -> bool {
    dry.load(member).is_some_and(|load| load.out_until.get() > goal.now)
}
