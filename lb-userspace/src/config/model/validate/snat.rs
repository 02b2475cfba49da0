//! Rules about the source addresses of a pool.

use std::collections::HashSet;

use lb_common::state::MAX_SNAT;

use super::Check;
use crate::config::field::FieldPath;
use crate::config::model::PoolSpec;

impl Check {
    pub(super) fn snat_addresses(&mut self, path: &FieldPath, pool: &PoolSpec) {
        let field = path.key("snat_addresses");
        let count = pool.snat_addresses.len();
        if count > MAX_SNAT {
            let message = format!("{count} source addresses are more than {MAX_SNAT}");
            self.fail(field.clone(), message, "remove some, or spread members over several pools");
        }
        let mut seen = HashSet::new();
        for (index, address) in pool.snat_addresses.iter().enumerate() {
            let at = field.index(index);
            self.host(at.clone(), *address);
            let vip = pool.vip.as_ref().map(|vip| vip.address);
            let is_member = pool.members.iter().any(|member| member.address == *address);
            let is_new = seen.insert(address);
            let what = if vip == Some(*address) {
                "the VIP, which is a source address anyway"
            } else if is_member {
                "a member's address"
            } else if !is_new {
                "in the list twice"
            } else if vip.is_some_and(|vip| vip.is_ipv4() != address.is_ipv4()) {
                "of another address family than the VIP"
            } else {
                continue;
            };
            let help = "write further addresses of the VIP's device, or none";
            self.fail(at, format!("the source address {address} is {what}"), help);
        }
    }
}
