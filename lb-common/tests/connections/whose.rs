//! Whose an entry is, and whether a packet's answer finds back.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_common::state::Mode;
use lb_common::tables::Tables as _;
use lb_common::verdict::Verdict;

use crate::frame;
use crate::world::{LISTENER, World};

impl World {
    /// The client of the connection that reaches its member with these ends.
    pub(crate) fn client_of(
        &self,
        (vip, member): (SocketAddrV4, SocketAddrV4),
    ) -> (SocketAddrV4, SocketAddrV4) {
        let key = self.key((member, vip));
        let to = self.tables.flow(&key).unwrap().rewrite.to;
        (SocketAddrV4::new(Ipv4Addr::from_bits(to.dst.to_v4().get()), to.dport.get()), LISTENER)
    }

    /// The mode of the connection whose client's packets have these ends.
    pub(crate) fn mode_of(&self, ends: (SocketAddrV4, SocketAddrV4)) -> Option<Mode> {
        let flow = self.tables.flow(&self.key(ends)).filter(|flow| !flow.is_from_member());
        flow.map(|flow| flow.mode())
    }

    pub(crate) fn is_known(&self, ends: (SocketAddrV4, SocketAddrV4)) -> bool {
        self.tables.flow(&self.key(ends)).is_some()
    }

    /// Whether packets with these ends belong to a connection that has both entries.
    pub(crate) fn is_whole(&self, ends: (SocketAddrV4, SocketAddrV4)) -> bool {
        let key = self.key(ends);
        let flows = self.tables.flows.borrow();
        let peer = flows[&key].peer_key(&key);
        flows.get(&peer).is_some_and(|flow| !flow.is_direct() && flow.peer_key(&peer) == key)
    }

    /// What came out, sent back, arrives where it began, unless the packet was an orphan's. An
    /// answer without flags changes no connection.
    pub(crate) fn reverse(&self, output: &[u8], began: (SocketAddrV4, SocketAddrV4)) {
        let (src, dst) = frame::ends(output);
        let (before, stats) = (self.active(), self.tables.stats.borrow().clone());
        let base = self.base((dst, src));
        let (verdict, back) = self.run(frame::tcp_from(base, dst, src, 0, 0));
        if self.is_whole(began) {
            assert!(matches!(verdict, Ok(Verdict::Forward(_))), "{began:?} back {verdict:?}");
            assert_eq!(frame::ends(&back), (began.1, began.0));
        }
        *self.tables.stats.borrow_mut() = stats;
        assert_eq!(self.active(), before);
    }
}
