//! What is different where the listener speaks UDP.

use std::net::SocketAddrV4;

use lb_common::state::{PhaseBits, State};
use lb_common::tables::Tables as _;
use lb_common::verdict::{Direction, PassReason, Verdict};
use lb_common::wire::ipv4;

use crate::frame;
use crate::world::{PLACES, World};

impl World {
    pub(crate) const fn is_udp(&self) -> bool {
        self.protocol == ipv4::UDP
    }

    /// What a client or a member of this world sends.
    pub(crate) fn frame(
        &self,
        src: SocketAddrV4,
        dst: SocketAddrV4,
        flags: u8,
        payload: usize,
    ) -> Vec<u8> {
        if self.is_udp() {
            frame::udp(src, dst, payload)
        } else {
            frame::tcp_from(self.base((src, dst)), src, dst, flags, payload)
        }
    }

    /// A datagram goes to a member that is there, and one that a member has sent makes its flow answered. To try
    /// the other direction would be another datagram.
    pub(crate) fn check_way(&self, ends: (SocketAddrV4, SocketAddrV4), direction: Direction) {
        let key = self.key(ends);
        let flow = self.tables.flow(&key).unwrap();
        if direction == Direction::ToMember {
            assert!(self.present.borrow().contains(&flow.member), "{ends:?} to one that is gone");
        } else if self.is_whole(ends) {
            let state = self.tables.flow(&flow.peer_key(&key)).unwrap().phase.get().state();
            assert!([State::Established, State::Closed].contains(&state), "{ends:?} {state:?}");
        }
    }

    /// An error says that nobody is at the second of these ends. If the flow is known, its client hears of it, and
    /// one that is not answered notes it.
    pub(crate) fn unreachable(&self, (vip, member): (SocketAddrV4, SocketAddrV4)) {
        let key = self.key((member, vip));
        let flow = self.tables.flow(&key).filter(|_| self.is_whole((member, vip)));
        let before = self.active();
        let (verdict, _) = self.run(frame::unreachable(vip, member));
        let Some(flow) = flow else {
            assert_eq!(verdict, Ok(Verdict::Pass(PassReason::ErrorUnknown)), "{vip} {member}");
            return;
        };
        assert_eq!(verdict, Ok(Verdict::Forward(Direction::ToClient)), "{vip} {member}");
        let phase = self.tables.flow(&flow.peer_key(&key)).unwrap().phase.get();
        let state = phase.state();
        assert!(state != State::Opening || phase.contains(PhaseBits::UNREACHABLE), "{phase:?}");
        assert_eq!(self.active(), before, "nothing moves yet");
    }

    /// No more flows wait for an answer than have a place.
    pub(crate) fn check_places(&self) {
        let flows = self.tables.flows.borrow();
        let clients = flows.values().filter(|flow| !flow.is_from_member());
        let waiting = clients.filter(|flow| flow.phase.get().state() == State::Opening).count();
        assert!(!self.is_udp() || waiting <= PLACES as usize + 1, "{waiting} without an answer");
    }
}
