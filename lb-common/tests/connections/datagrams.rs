//! What is different where the listener speaks UDP.

use std::net::SocketAddrV4;

use lb_common::state::State;
use lb_common::tables::Tables as _;
use lb_common::verdict::Direction;
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
            frame::tcp(src, dst, flags, payload)
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

    /// No more flows wait for an answer than have a place.
    pub(crate) fn check_places(&self) {
        let flows = self.tables.flows.borrow();
        let clients = flows.values().filter(|flow| !flow.is_from_member());
        let waiting = clients.filter(|flow| flow.phase.get().state() == State::Opening).count();
        assert!(!self.is_udp() || waiting <= PLACES as usize + 1, "{waiting} without an answer");
    }
}
