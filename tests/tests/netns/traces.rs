//! What `qlb` leaves on a machine: attachments, pins, records, mounts.

use std::path::Path;

use aya::programs::{ProgramError, SchedClassifier, TcAttachType};
use lb_tests::Namespace;
use lb_tests::topology::PoolNet;
use nix::libc;

const STATE: &str = "/run/qlb";

/// BPF programs at the ingress of the VIP's device, by name: those of tcx, then clsact's filters.
pub(crate) fn attachments(net: &PoolNet) -> Vec<String> {
    programs_at(&net.vip.namespace, net.vip.plugged().device.as_str())
}

/// The same at the ingress of any device.
pub(crate) fn programs_at(namespace: &Namespace, device: &str) -> Vec<String> {
    programs_on(namespace, device, TcAttachType::Ingress, "ingress")
}

/// No program at either end.
pub(crate) const NEITHER: [Vec<String>; 2] = [const { Vec::new() }; 2];

/// The same where frames leave by the VIP's device, and then by its outer end.
pub(crate) fn leaving(net: &PoolNet) -> [Vec<String>; 2] {
    let port = &net.vip.ports[0];
    let ends = [
        (&net.vip.namespace, net.vip.plugged().device.as_str()),
        (net.node.bridge().namespace(), port.host_name()),
    ];
    ends.map(|(namespace, device)| programs_on(namespace, device, TcAttachType::Egress, "egress"))
}

fn programs_on(namespace: &Namespace, device: &str, side: TcAttachType, name: &str) -> Vec<String> {
    let tcx = || match SchedClassifier::query_tcx(device, side) {
        Ok((_, programs)) => programs,
        // The kernel has no tcx.
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::EINVAL) =>
        {
            Vec::new()
        }
        Err(error) => panic!("{error}"),
    };
    let tcx = namespace.run(tcx).unwrap();
    let names = tcx.iter().map(|program| program.name_as_str().unwrap().to_owned());
    let filters = ["filter", "show", "dev", device, name];
    let filters = namespace.command("tc").args(filters).stdout().unwrap();
    let name =
        |line: &str| line.split(" direct-action").next()?.rsplit(' ').next().map(str::to_owned);
    let filters = filters.lines().filter(|line| line.contains("direct-action"));
    names.chain(filters.filter_map(name)).collect()
}

/// How an XDP program is attached to the VIP's device (`XDP_ATTACHED_*` of linux/if_link.h), if one is.
pub(crate) fn xdp_mode(net: &PoolNet) -> Option<u64> {
    let device = net.vip.plugged().device.as_str();
    let show = net.vip.namespace.command("ip").args(["-json", "link", "show", "dev", device]);
    let links: serde_json::Value = serde_json::from_str(&show.stdout().unwrap()).unwrap();
    links[0]["xdp"]["mode"].as_u64()
}

/// Whether the VIP's device has a clsact qdisc, or the bridge's node any.
pub(crate) fn has_clsact(net: &PoolNet) -> bool {
    [&net.vip.namespace, net.node.bridge().namespace()].into_iter().any(|namespace| {
        let command = namespace.command("tc").args(["qdisc", "show"]);
        command.stdout().unwrap().contains("clsact")
    })
}

/// Everything below /run/qlb.
pub(crate) fn state() -> Vec<String> {
    fn walk(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            found.push(path.display().to_string());
            if path.is_dir() {
                walk(&path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(STATE), &mut found);
    found
}

/// Mounts below /run/qlb.
pub(crate) fn mounts() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mounts").unwrap();
    text.lines().filter(|line| line.contains(STATE)).map(str::to_owned).collect()
}

/// Fails if `qlb` has left anything on the machine or in the pool's namespace.
pub(crate) fn assert_none(net: &PoolNet) {
    assert_eq!(attachments(net), [""; 0], "attachments");
    assert_eq!(leaving(net), NEITHER, "attachments");
    assert!(!has_clsact(net));
    assert_eq!(xdp_mode(net), None, "XDP");
    assert_eq!(mounts(), [""; 0], "mounts");
    assert_eq!(state(), [""; 0], "state");
}
