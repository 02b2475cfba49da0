//! Chapter: the network node and everybody on it.

use std::net::SocketAddr;

use super::json::Json;
use super::table::Table;
use super::{Failure, Story};
use crate::topology::{Host, Layout, LbaasNode, PoolNet, SSH_POOL, SeedPool, WEB_POOL};
use crate::{Nginx, SshKeys, Sshd};

/// Two pools on one node, with their servers. Fields drop in order: servers before their hosts.
#[derive(Debug)]
pub(super) struct Node {
    _sshd: Vec<Sshd>,
    _nginx: Vec<Nginx>,
    pub(super) keys: SshKeys,
    pub(super) ssh: PoolNet,
    pub(super) web: PoolNet,
}

impl Node {
    pub(super) fn build(story: &mut Story) -> Result<Self, Failure> {
        story.paper.chapter("A network node: the bridge br-int and who is plugged into it")?;
        let node = LbaasNode::new()?;
        let ssh = node.deploy(&SSH_POOL, &Layout::ONE_ARM)?;
        story.interrupt.check()?;
        let web = node.deploy(&WEB_POOL, &Layout::ONE_ARM)?;
        story.interrupt.check()?;
        let keys = SshKeys::generate()?;
        let sshd = start(&ssh, |host, at, name| Sshd::start(&host.namespace, name, at, &keys))?;
        let nginx = start(&web, |host, at, name| Nginx::start(&host.namespace, name, at, 0))?;
        let this = Self { _sshd: sshd, _nginx: nginx, keys, ssh, web };
        this.show(story)?;
        Ok(this)
    }

    /// Everything here is read back from the kernel.
    fn show(&self, story: &mut Story) -> Result<(), Failure> {
        let mut table = Table::new(["device", "MAC", "MTU", "address", "namespace", "role"]);
        for (net, member) in [(&self.ssh, "member, sshd"), (&self.web, "member, nginx")] {
            let clients = net.clients.iter().map(|host| (host, "client"));
            let members = net.members.iter().map(|host| (host, member));
            let vip = std::iter::once((&net.vip, "VIP"));
            for (host, role) in vip.chain(members).chain(clients) {
                let [mac, mtu, address] = plugged(host)?;
                let device = host.plugged().device.clone();
                table.row([device, mac, mtu, address, host.name().into(), role.into()]);
            }
        }
        story.paper.table(&table)?;
        let found = plugged(&self.ssh.vip)?;
        let expected = ["fa:16:3e:68:77:37", "1500", "10.0.0.250/24"];
        story.claim(found == expected, "the VIP's device is the tutorial's", || found.join(" "))
    }
}

/// Members are known by their address, which is what their servers answer with.
fn start<T>(
    net: &PoolNet,
    server: impl Fn(&Host, SocketAddr, &str) -> Result<T, crate::Error>,
) -> Result<Vec<T>, Failure> {
    let hosts = net.members.iter().enumerate();
    hosts
        .map(|(index, host)| {
            let address = host.address().to_string();
            Ok(server(host, net.member_socket(index), &address)?)
        })
        .collect()
}

/// MAC address, MTU and address of a host's device.
fn plugged(host: &Host) -> Result<[String; 3], Failure> {
    let ip = ["-json", "address", "show", "dev", &host.plugged().device];
    let command = host.namespace.command("ip").args(ip);
    let line = command.line();
    let value = serde_json::from_str(&command.stdout()?).unwrap_or_default();
    let json = Json { command: &line, value: &value };
    let address = json.text("/0/addr_info/0/local")?;
    let prefix = json.number("/0/addr_info/0/prefixlen")?;
    let mtu = json.number("/0/mtu")?.to_string();
    Ok([json.text("/0/address")?, mtu, format!("{address}/{prefix}")])
}

/// The first eight characters, as people say pool ids.
pub(super) fn short(pool: &SeedPool) -> &'static str {
    pool.id.get(..8).unwrap_or(pool.id)
}
