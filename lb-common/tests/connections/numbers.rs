//! Where the numbers of connections begin, and what a handshake comes to.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_common::state::State;
use lb_common::tables::Tables as _;
use lb_common::verdict::{Direction, DropReason, Verdict};

use crate::frame::{self, Bases};
use crate::world::{LISTENER, World};

impl World {
    /// The client whose connection packets with these ends are of.
    pub(crate) fn who(&self, ends: (SocketAddrV4, SocketAddrV4)) -> SocketAddrV4 {
        match self.tables.flow(&self.key(ends)) {
            Some(flow) if flow.is_from_member() => {
                let to = flow.rewrite.to;
                SocketAddrV4::new(Ipv4Addr::from_bits(to.dst.to_v4().get()), to.dport.get())
            }
            _ => ends.0,
        }
    }

    /// Where the numbers of the connection begin that packets with these ends are of.
    pub(crate) fn base(&self, ends: (SocketAddrV4, SocketAddrV4)) -> Bases {
        self.bases.borrow().get(&self.who(ends)).copied().unwrap_or_default()
    }

    /// A client that has sent its SYN, has seen it accepted and says so has a connection, whatever came before.
    pub(crate) fn shake(&self, input: &[u8], verdict: Result<Verdict, DropReason>) {
        let ends = frame::ends(input);
        let (client, bases) = (self.who(ends), self.base(ends));
        let Ok(Verdict::Forward(direction)) = verdict else { return };
        let mut agreed = self.agreed.borrow_mut();
        if frame::opens(input) && ends.1 == LISTENER {
            agreed.insert(client, (bases.client, None));
        }
        let Some((asked, answered)) = agreed.get_mut(&client) else { return };
        let is_its = || {
            self.tables
                .flow(&self.key((client, LISTENER)))
                .is_some_and(|flow| flow.answers(&self.key(ends)))
        };
        if frame::accepts(input)
            && direction == Direction::ToClient
            && *asked == bases.client
            && is_its()
        {
            *answered = Some(bases);
        }
        if frame::acknowledges(input) && ends.1 == LISTENER && *answered == Some(bases) {
            let flow = self.tables.flow(&self.key(ends)).unwrap();
            assert_ne!(flow.phase.get().state(), State::Opening, "{client} has a connection");
        }
    }
}
