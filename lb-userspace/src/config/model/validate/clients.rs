//! The rules about a VIP's clients.

use std::collections::HashSet;

use super::{Check, family_name};
use crate::config::field::FieldPath;
use crate::config::model::{Cidr, PoolSpec, SessionPersistence, VipSpec};

impl Check {
    pub(super) fn allowed(&mut self, path: &FieldPath, vip: &VipSpec) {
        let Some(cidrs) = &vip.allowed_cidrs else { return };
        if cidrs.is_empty() {
            let help = "list the networks of its clients, or remove the key to serve everybody";
            self.fail(path.clone(), "no network is allowed".to_owned(), help);
        }
        if cidrs.len() > Cidr::MOST {
            let message = format!("{} networks are more than {}", cidrs.len(), Cidr::MOST);
            self.fail(path.clone(), message, "join neighbouring networks under a shorter prefix");
        }
        let mut seen = HashSet::new();
        for (index, cidr) in cidrs.iter().enumerate() {
            let at = path.index(index);
            if cidr.address().is_ipv4() != vip.address.is_ipv4() {
                let family = family_name(cidr.address());
                let message = format!("{cidr} is {family} but the VIP is not");
                self.fail(at, message, "write networks of the VIP's address family");
            } else if !seen.insert(cidr) {
                let message = format!("{cidr} is listed twice");
                self.fail(at, message, "remove one of the two");
            }
        }
    }

    pub(super) fn granularity(&mut self, path: &FieldPath, pool: &PoolSpec, vip: &VipSpec) {
        if let Some(SessionPersistence::SourceIp { granularity: Some(mask), .. }) =
            &pool.session_persistence
            && mask.is_ipv4() != vip.address.is_ipv4()
        {
            let message = format!("{mask} is no netmask of the VIP's address family");
            let path = path.key("session_persistence").key("granularity");
            self.fail(path, message, "write 255.255.255.0 for IPv4, ffff:ffff:ffff:: for IPv6");
        }
    }
}
