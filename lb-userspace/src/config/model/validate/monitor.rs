//! What monitors can be.

use std::net::IpAddr;

use super::Check;
use crate::config::field::FieldPath;
use crate::config::model::{MemberSpec, MonitorSpec, PoolSpec, Verify};

impl Check {
    pub(super) fn monitors(&mut self, path: &FieldPath, pool: &PoolSpec) {
        for (index, monitor) in pool.monitors.iter().enumerate() {
            // As it stands in the file: one has the short key, several are a list.
            let at = match pool.monitors.len() {
                1 => path.key("monitor"),
                _ => path.key("monitors").index(index),
            };
            self.monitor(&at, monitor);
            if !monitor.check.suits(pool.protocol) {
                let (kind, protocol) = (monitor.check.type_name(), pool.protocol);
                let message = format!("a {kind} monitor does not suit a pool of {protocol}");
                let help = if pool.protocol.is_udp() {
                    "write UDP-CONNECT, PING, TCP or HTTP"
                } else {
                    "write TCP, HTTP, HTTPS, TLS-HELLO or PING"
                };
                self.fail(at.key("type"), message, help);
            }
        }
    }

    /// Where a member is probed. The VIP is the source, so the families have to agree.
    pub(super) fn monitored(
        &mut self,
        path: &FieldPath,
        member: &MemberSpec,
        family: Option<IpAddr>,
    ) {
        let Some(address) = member.monitor_address else { return };
        self.host(path.key("monitor_address"), address);
        if family.is_some_and(|family| family.is_ipv4() != address.is_ipv4()) {
            let message = format!("monitor_address {address} is not of the VIP's family");
            let help = "probes come from the VIP: write an address of its family";
            self.fail(path.key("monitor_address"), message, help);
        }
    }

    fn monitor(&mut self, path: &FieldPath, monitor: &MonitorSpec) {
        if monitor.timeout > monitor.delay {
            let message = format!(
                "the timeout of {} s is longer than the delay of {} s",
                monitor.timeout, monitor.delay
            );
            let help = "a probe must end before the next begins: lower timeout or raise delay";
            self.fail(path.key("timeout"), message, help);
        }
        if let crate::config::model::MonitorCheck::Https(_, Verify::Required(Some(file))) =
            &monitor.check
            && !file.is_absolute()
        {
            let message = format!("ca_file {} is not an absolute path", file.display());
            self.fail(path.key("ca_file"), message, "write the path from the root, with a `/`");
        }
        let Some(http) = monitor.check.http() else { return };
        let method = &http.http_method;
        if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
            let message = format!("`{method}` is not an HTTP method");
            let help = "write it in capitals, such as GET or HEAD";
            self.fail(path.key("http_method"), message, help);
        }
        let target = &http.url_path;
        if !target.starts_with('/') || !target.bytes().all(|b| b.is_ascii_graphic()) {
            let message = format!("`{target}` is not the path of a URL");
            let help = "start with `/`, and write spaces and other bytes as %20";
            self.fail(path.key("url_path"), message, help);
        }
        if let Some(name) = &http.domain_name
            && !is_domain(name)
        {
            let message = format!("`{name}` is not a domain name");
            let help = "write letters, digits, `-` and `.`, such as www.example.com";
            self.fail(path.key("domain_name"), message, help);
        }
    }
}

/// A name of hosts (RFC 1123 section 2.1), which cannot end the header it stands in.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}
