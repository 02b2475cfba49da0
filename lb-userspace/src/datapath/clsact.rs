//! The hook of kernels before 6.6: a filter of the clsact qdisc, which outlives its process
//! anyway.

use aya::programs::{
    Link as _, ProgramError, SchedClassifier, TcAttachType,
    tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle, qdisc_add_clsact},
};

use super::DatapathError;
use super::attach::{Hook, refused};

/// Name of the hook in messages.
const CLSACT: &str = "clsact";

/// Adds a filter, and the qdisc if there is none. `ours` says that the qdisc was added by qlb.
pub(super) fn attach(
    program: &mut SchedClassifier,
    device: &str,
    ours: bool,
    side: TcAttachType,
) -> Result<Hook, DatapathError> {
    // An error is most often that there is one already. Any other shows when attaching fails.
    let qdisc_added = qdisc_add_clsact(device).is_ok() || ours;
    let options = TcAttachOptions::Netlink(NlOptions::default());
    let id = program
        .attach_with_options(device, side, options)
        .map_err(|source| refused(device, CLSACT, source))?;
    let link = program.take_link(id).map_err(|source| refused(device, CLSACT, source))?;
    let parts = (|| Ok::<_, ProgramError>((link.priority()?, link.handle()?)))();
    let (priority, handle) = parts.map_err(|source| refused(device, CLSACT, source))?;
    // Dropping the link would remove the filter, which is to outlive this process.
    std::mem::forget(link);
    Ok(Hook::Clsact { priority, handle: handle.into(), qdisc_added })
}

/// Removes a filter, if it is there, and leaves the qdisc.
pub(super) fn detach(
    device: &str,
    side: TcAttachType,
    priority: u16,
    handle: u32,
) -> Result<(), DatapathError> {
    match SchedClassifierLink::attached(device, side, priority, TcHandle::from(handle), None) {
        Ok(link) => link.detach().map_err(|source| refused(device, CLSACT, source)),
        Err(_) => Ok(()),
    }
}
