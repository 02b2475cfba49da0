//! What the agent may do: it starts as root and keeps what its work needs. Each capability is explained in docs/agent.md.

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::AgentError;

/// What stays.
pub const KEPT: [Capability; 6] = [
    // Programs and maps.
    Capability::CAP_BPF,
    // Stats sockets and certificates in directories that are others'.
    Capability::CAP_DAC_OVERRIDE,
    // Programs on devices, netlink.
    Capability::CAP_NET_ADMIN,
    // Packet sockets for probes, echoes of monitors.
    Capability::CAP_NET_RAW,
    // Loops and pointer arithmetic that the verifier lets nobody else have.
    Capability::CAP_PERFMON,
    // Namespaces of the network, the bpffs, links by their ids.
    Capability::CAP_SYS_ADMIN,
];

/// Lets as many files be open as the system allows: each pool has some dozens of maps and programs.
pub fn raise_limits() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE)
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, most, most)
    {
        tracing::warn!("cannot have more than the usual number of files open: {error}");
    }
}

/// Gives up every capability but [`KEPT`], for good, in this thread and those that it starts. Other threads there must be none.
///
/// # Errors
/// When the kernel refuses.
pub fn drop_others() -> Result<(), AgentError> {
    let failed = |error: caps::errors::CapsError| AgentError::Privileges(error.to_string());
    let permitted = caps::read(None, CapSet::Permitted).map_err(failed)?;
    let kept: CapsHashSet = KEPT.into_iter().filter(|kept| permitted.contains(kept)).collect();
    let missing: Vec<String> =
        KEPT.iter().filter(|wanted| !kept.contains(wanted)).map(ToString::to_string).collect();
    if !missing.is_empty() {
        tracing::warn!("without {} some things will be refused", missing.join(", "));
    }
    if permitted.contains(&Capability::CAP_SETPCAP) {
        for capability in caps::runtime::thread_all_supported() {
            if !kept.contains(&capability) {
                caps::drop(None, CapSet::Bounding, capability).map_err(failed)?;
            }
        }
    }
    caps::clear(None, CapSet::Ambient).map_err(failed)?;
    caps::clear(None, CapSet::Inheritable).map_err(failed)?;
    caps::set(None, CapSet::Effective, &kept).map_err(failed)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(failed)?;
    prctl::set_no_new_privs().map_err(|errno| AgentError::Privileges(errno.to_string()))
}
