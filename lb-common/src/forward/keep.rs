//! The client's own address and port, for connections whose members see them ([`Mode::Dnat`],
//! [`Mode::Dsr`]).
//!
//! Where answers come across the node, their key has nothing of the VIP: the client may use the port
//! towards the same member by another VIP. The insertion of the member's entry decides who has it.

use crate::{
    forward::{
        open::Wish,
        reserve::{FOUND, FULL, Goal, TAKEN, insert},
    },
    schedule::{self, Ask, Avoid},
    state::{FlowKey, Mode, Pool},
    tables::{InsertError, Step, Tables},
};

/// Takes the client's own address and port towards the goal's member, or towards another one, which is then
/// the goal.
#[inline(never)]
pub(super) fn client<T: Tables>(tables: &T, wish: &mut Wish, pool: &Pool, goal: &mut Goal) -> u32 {
    goal.kept = TAKEN;
    // As many members as a connection can avoid.
    tables.repeat(Avoid::ROOM, &mut Keep { wish, pool, goal });
    goal.kept
}

struct Keep<'a> {
    wish: &'a mut Wish,
    pool: &'a Pool,
    goal: &'a mut Goal,
}

impl<T: Tables> Step<T> for Keep<'_> {
    /// Goes on with another member, if there is one that was not tried.
    #[inline(always)]
    fn step(&mut self, tables: &T, _index: u32) -> bool {
        let Self { wish, pool, goal } = self;
        goal.kept = towards_goal(tables, &wish.client, goal);
        if goal.kept != TAKEN {
            return false;
        }
        tables.overlook(goal.slot.member, false);
        wish.avoid = wish.avoid.with(goal.slot.member);
        let ask = Ask::new(&wish.client.tuple, goal.now, wish.avoid);
        let Some(slot) = schedule::pick_other(tables, goal.pool, pool, &ask) else { return false };
        goal.slot = *slot;
        true
    }
}

#[inline(never)]
fn towards_goal<T: Tables>(tables: &T, key: &FlowKey, goal: &mut Goal) -> u32 {
    let Goal { slot, outgoing, answers, .. } = &mut *goal;
    outgoing.src = key.tuple.src;
    outgoing.sport = key.tuple.sport;
    outgoing.dst = slot.address;
    outgoing.dport = slot.port;
    answers.tuple.src = slot.address;
    answers.tuple.sport = slot.port;
    answers.tuple.dst = key.tuple.src;
    answers.tuple.dport = key.tuple.sport;
    answers.zone = key.zone;
    answers.protocol = key.protocol;
    // No host takes its own address for another one's.
    if goal.slot.address == key.tuple.src {
        return TAKEN;
    }
    if goal.mode == Mode::Dsr {
        return FOUND;
    }
    let mut inserted = insert(tables, key, goal);
    if inserted == Err(InsertError::Exists) && take_over(tables, key, &goal.answers) {
        inserted = insert(tables, key, goal);
    }
    match inserted {
        Ok(()) => FOUND,
        Err(InsertError::Exists) => TAKEN,
        Err(InsertError::Full) => FULL,
    }
}

/// Removes the member's entry with the key `answers` if it is not needed: the client with `key` would not
/// ask if its connection were open, and nobody else has a connection that is.
#[inline(never)]
fn take_over<T: Tables>(tables: &T, key: &FlowKey, answers: &FlowKey) -> bool {
    let Some(entry) = tables.flow(answers) else { return true };
    let owner = entry.peer_key(answers);
    if owner != *key
        && let Some(client) = tables.flow(&owner).filter(|client| client.answers(answers))
    {
        if !client.phase.get().is_closed() {
            return false;
        }
        tables.remove_flow(&owner);
    }
    tables.remove_flow(answers);
    true
}

/// Removes the member's entry of a connection of the client with `key` that did not come to be. Another CPU
/// may have opened the same one with a copy of the same SYN.
#[inline(never)]
pub(super) fn give_back<T: Tables>(tables: &T, key: &FlowKey, answers: &FlowKey) {
    if !tables.flow(key).is_some_and(|client| client.answers(answers)) {
        tables.remove_flow(answers);
    }
}
