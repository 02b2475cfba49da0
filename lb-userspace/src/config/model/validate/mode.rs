//! The rules that come with a pool's mode.

use super::Check;
use crate::config::field::FieldPath;
use crate::config::model::{LbMethod, Mode, PoolSpec};

impl Check {
    pub(super) fn mode(&mut self, path: &FieldPath, pool: &PoolSpec) {
        let mode = pool.mode;
        if mode != Mode::Nat && !pool.snat_addresses.is_empty() {
            let message = format!("snat_addresses are of no use with `mode: {mode}`");
            let help = "members see their clients as the source: remove them, or write `mode: nat`";
            self.fail(path.key("snat_addresses"), message, help);
        }
        if mode == Mode::Dsr {
            self.direct(path, pool);
        }
    }

    /// The node changes no packet and sees no answer.
    fn direct(&mut self, path: &FieldPath, pool: &PoolSpec) {
        if pool.protocol.is_udp() {
            let message = "a UDP pool cannot have `mode: dsr`: only an answer tells a flow from a \
                           flood, and answers are not seen";
            let help = "write `mode: dnat`, by which members see their clients, too";
            self.fail(path.key("mode"), message.to_owned(), help);
        }
        if pool.lb_method == LbMethod::LeastResponseTime {
            let message =
                "LEAST_RESPONSE_TIME does not go with `mode: dsr`, where answers are not seen";
            let help = "use another lb_method, such as LEAST_CONNECTIONS, or write `mode: dnat`";
            self.fail(path.key("lb_method"), message.to_owned(), help);
        }
        let Some(vip) = &pool.vip else { return };
        for (index, member) in pool.members.iter().enumerate() {
            if member.port != vip.port {
                let message = format!(
                    "port {} of member `{}` is not the VIP's {}, and `mode: dsr` leaves ports as they are",
                    member.port, member.id, vip.port
                );
                let help = format!(
                    "write {}, let the member listen there, or write `mode: dnat`",
                    vip.port
                );
                self.fail(path.key("members").index(index).key("port"), message, help);
            }
        }
    }
}
