//! What is said about a connection before it opens, held against what then happens.

use std::net::SocketAddrV4;
use std::rc::Rc;

use lb_common::counter::{Counter, Event};
use lb_common::route::{Answer, Choice};
use lb_common::state::{Flow, State};
use lb_common::tables::Tables as _;
use lb_common::verdict::{Direction, DropReason, RefuseReason, Verdict};

use crate::frame;
use crate::world::{LISTENER, World};

/// What was said about a connection before it opened.
pub(crate) struct Asked {
    answer: Answer,
    /// Whether one on the same client port was about to end.
    ending: bool,
    /// Connections opened so far.
    opened: u64,
}

impl World {
    /// What is said about a client's SYN before it comes in. To ask changes nothing.
    pub(crate) fn ask(&self, frame: &[u8]) -> Option<Asked> {
        let (src, dst) = frame::ends(frame);
        if dst != LISTENER || !frame::opens(frame) {
            return None;
        }
        // Whether a SYN begins anew where the last connection has not opened, its number tells, and a question
        // has none.
        let counted = |flow: Rc<Flow>| match flow.phase.get().state() {
            State::Closing => true,
            State::Opening => flow.is_direct(),
            State::Established | State::Closed => false,
        };
        let ask = || {
            let answer = self.tables.ask(frame);
            // A count of the test's own.
            self.tables.looked_at.set(0);
            answer
        };
        let stuck = format!("{:?}", self.tables.sticky);
        let nodes = format!("{:?}", self.tables.nodes);
        let answer = ask();
        // What is looked up is made, so only the first question can be told from the second.
        let before = format!("{:?}", self.tables);
        assert_eq!(ask(), answer);
        assert_eq!(format!("{:?}", self.tables), before);
        assert_eq!(format!("{:?}", self.tables.sticky), stuck);
        assert_eq!(format!("{:?}", self.tables.nodes), nodes);
        let ending = self.tables.flow(&self.key((src, dst))).is_some_and(counted);
        Some(Asked { answer, ending, opened: self.opened() })
    }

    /// Connections that were given to a member so far, whether or not as new ones.
    fn opened(&self) -> u64 {
        let again = if self.is_udp() { self.count(Event::RedispatchedRefused) } else { 0 };
        self.count(Event::Opened) + self.count(Event::FlowMoved) + again
    }

    /// What was said is what happened.
    pub(crate) fn compare(
        &self,
        asked: Option<Asked>,
        ends: (SocketAddrV4, SocketAddrV4),
        verdict: Result<Verdict, DropReason>,
    ) {
        // A connection that makes way still counts when the question is asked.
        let Some(Asked { answer, ending: false, opened }) = asked else { return };
        let full = verdict == Ok(Verdict::Refuse(RefuseReason::TableFull));
        if full && self.tables.capacity != 0 {
            return;
        }
        let known = answer.choice == Choice::Known.number();
        if known && verdict == Ok(Verdict::Forward(Direction::ToClient)) {
            // The client is asked what it means by it.
            return;
        }
        assert_eq!(answer.outcome, Counter::from(verdict).number(), "{answer:?}");
        let forwarded = verdict == Ok(Verdict::Forward(Direction::ToMember));
        if self.tables.capacity != 0 && answer.replaces == Answer::RETRIES {
            return;
        }
        assert_eq!(self.opened() != opened, forwarded && !known, "{answer:?}");
        if forwarded && !known {
            let flow = self.tables.flow(&self.key(ends)).unwrap();
            assert_eq!((flow.member, flow.rewrite.to), (answer.member, answer.outgoing));
        }
    }
}
