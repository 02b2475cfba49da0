//! The decision about a connection without any of its effects.

use crate::{
    counter::Counter,
    dry::Dry,
    forward::{
        Desk, admit, is_segment, key_of, known,
        open::{self, Unconnected, Wish},
        reserve::{self, Goal},
        udp,
    },
    packet::{EditError, Packet},
    ports::Syn,
    route::{Answer, Choice, Lost},
    state::{Flow, Mode, NOBODY, Pool},
    tables::Tables,
    verdict::{Direction, DropReason, PassReason, Verdict},
    wire::Segment,
};

/// What [`super::forward`] would make of the packet, a client's SYN or datagram: who would get the connection,
/// and why. Nothing is changed, not even a count. The answer is written over the last bytes of the frame, which has
/// room for an [`Answer`] behind the packet.
///
/// Whether conntrack has room is not known without trying. A connection that is ending and makes way is
/// still of its member's count.
///
/// # Errors
/// When the frame is too short.
#[inline(always)]
pub fn route<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Result<(), EditError> {
    let written = tables.at_desk(|desk| {
        desk.clear();
        // Whoever asks sends a segment.
        let outcome = if is_segment(packet, &mut desk.segment) {
            if !desk.segment.is_udp() {
                desk.goal.syn = Syn::of(packet, tables, &desk.segment);
            }
            ask(&Dry::of(tables), desk)
        } else {
            Ok(Verdict::Pass(PassReason::Malformed))
        };
        desk.answer.outcome = Counter::from(outcome).number();
        let at = packet.len().checked_sub(size_of::<Answer>()).ok_or(EditError)?;
        packet.write(at, &desk.answer)
    });
    written.unwrap_or(Err(EditError))
}

#[inline(always)]
fn ask<T: Tables>(dry: &Dry<'_, T>, desk: &mut Desk) -> Result<Verdict, DropReason> {
    let Desk { segment, key, wish, goal, answer, .. } = desk;
    *key = key_of(dry, segment);
    wish.client = *key;
    let mut make_way = 0;
    if let Some(flow) = dry.flow(key).filter(|flow| !flow.is_left_behind()) {
        let ends = segment.opens() && known::is_over(&flow);
        let moves = !ends
            && segment.is_udp()
            && udp::may_wish(dry, &flow)
            && udp::wishes(dry, key, &flow, wish);
        if !ends && !moves {
            return Ok(Verdict::Forward(stays(&flow, answer)));
        }
        if moves {
            answer.replaces = if wish.moves != 0 { Answer::MOVES } else { Answer::RETRIES };
        } else {
            if flow.mode() == Mode::Nat {
                wish.former = flow.rewrite.to;
            }
            answer.replaces = Answer::MAKES_WAY;
            make_way = !flow.phase.get().is_closed() as u32;
        }
    }
    if let Some(reason) = open::is_stray(dry, key, segment) {
        return Ok(Verdict::Pass(reason));
    }
    match open(dry, segment, make_way, wish, goal, answer) {
        Ok(()) => Ok(Verdict::Forward(Direction::ToMember)),
        Err(_) if wish.tries != 0 => {
            // Nobody else takes what its member does not.
            *answer = Answer::default();
            let flow = dry.flow(key).ok_or(DropReason::Inconsistent)?;
            Ok(Verdict::Forward(stays(&flow, answer)))
        }
        Err(Unconnected::Declined(declined)) => declined,
        Err(Unconnected::Stays) => Err(DropReason::Inconsistent),
    }
}

/// A packet goes along its connection.
#[inline(always)]
fn stays(flow: &Flow, answer: &mut Answer) -> Direction {
    answer.choice = Choice::Known.number();
    (answer.member, answer.pool) = (flow.member, flow.pool());
    answer.outgoing = flow.rewrite.to;
    flow.direction()
}

/// The same steps as [`super::open::open`]. `make_way` is how many connections that the listener counts are ending for it.
#[inline(always)]
fn open<T: Tables>(
    dry: &Dry<'_, T>,
    segment: &Segment,
    make_way: u32,
    wish: &mut Wish,
    goal: &mut Goal,
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
    let first = goal.slot.member;
    answer.member = first;
    answer.choice = choice(dry, goal, had_before, answer.due).number();
    goal.former = wish.former;
    reserve::source(dry, wish, &pool, goal)?;
    answer.outgoing = goal.outgoing;
    if goal.slot.member != first {
        answer.member = goal.slot.member;
        (answer.due, answer.due_lost) = (dry.due(), lost(dry, &pool, goal, dry.due()));
        answer.choice = choice(dry, goal, false, answer.due).number();
    }
    Ok(())
}

/// Why the goal's member is the one.
#[inline(always)]
fn choice<T: Tables>(dry: &Dry<'_, T>, goal: &Goal, had_before: bool, due: u32) -> Choice {
    if had_before {
        Choice::Persistence
    } else if is_ejected(dry, goal, goal.slot.member) {
        Choice::LastResort
    } else if due != NOBODY {
        Choice::Next
    } else {
        Choice::Method
    }
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
