//! HAProxy with the conf that Neutron writes.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;

use super::error::Error;
use super::field::Field;
use super::peer::{Found, Peer};
use crate::Qlb;

/// The seed's conf of a TCP pool; its proxies give way to those of the bench.
const CONF: &str = include_str!("../../../../examples/574a31da-a28a-449f-8c9d-3d3687c3c02a/conf");

pub(super) fn start(field: &Field, _: &Qlb, number: u8) -> Result<Found, Error> {
    const NAME: &str = "haproxy";
    let vip = field.vip(number, NAME)?;
    let dir = tempfile::tempdir().map_err(Error::Files)?;
    let mut conf = head(&dir.path().join("sock").display().to_string());
    conf.push_str(&proxies("web", vip.web, &field.web()));
    conf.push_str(&proxies("bulk", vip.bulk, &[field.bulk()]));
    let file = dir.path().join("conf");
    fs::write(&file, conf).map_err(Error::Files)?;
    let process = crate::haproxy(&vip.host.namespace, &file, &[], &[vip.web, vip.bulk])?;
    let version = vip.host.namespace.command("haproxy").arg("-v").stdout()?;
    let version = version.split_whitespace().nth(2).unwrap_or("?").to_owned();
    let what = format!("HAProxy {version}, mode tcp, Neutron's conf, one thread");
    let mut peer = Peer::at(NAME, what, vip);
    peer.processes.push(process);
    peer._keep.push(Box::new(dir));
    Ok(Found::Ready(Box::new(peer)))
}

/// What stands before the proxies, with a socket that can be made here. One thread, as the HAProxy that Neutron began
/// with had no others.
fn head(socket: &str) -> String {
    let lines = CONF.lines().take_while(|line| !line.starts_with("frontend"));
    let mut text = String::new();
    for line in lines {
        let line = match line.strip_prefix("\tstats socket ").and_then(|of| of.split_once(' ')) {
            Some((_, mode)) => format!("\tstats socket {socket} {mode}"),
            None => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
        if line == "global" {
            text.push_str("\tnbthread 1\n");
        }
    }
    text
}

fn proxies(name: &str, at: SocketAddr, members: &[SocketAddr]) -> String {
    let mut text = format!(
        "frontend {name}-vip\n\toption tcplog\n\tbind {at}\n\tmode tcp\n\
         \tdefault_backend {name}\nbackend {name}\n\tmode tcp\n\tbalance roundrobin\n"
    );
    for (index, member) in members.iter().enumerate() {
        let _ = writeln!(text, "\tserver m{index} {member} weight 1");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn the_head_is_neutrons_but_for_the_socket() {
        let head = head("/tmp/s");
        assert!(head.starts_with("global\n\tnbthread 1\n\tdaemon\n"), "{head}");
        assert!(head.contains("\n\tstats socket /tmp/s mode 0666 level user\n"), "{head}");
        assert!(head.ends_with("\ttimeout server 50000\n"), "{head}");
    }
}
