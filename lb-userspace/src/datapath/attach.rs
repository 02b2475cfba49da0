//! The program on the VIP's device: TC ingress, by tcx where the kernel has it (6.6), else as a
//! clsact filter.
//!
//! A tcx link is pinned, so the attachment outlives its process. A clsact filter outlives it
//! anyway.

use std::path::Path;

use aya::programs::{
    Link as _, LinkOrder, ProgramError, SchedClassifier, TcAttachType,
    links::{FdLink, PinnedLink},
    tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle, qdisc_add_clsact},
};
use serde::{Deserialize, Serialize};

use super::DatapathError;
use crate::node::{has_filter, remove_clsact};

/// Name of the pinned link.
const LINK: &str = "link";

/// Which hook to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum HookChoice {
    /// tcx, and clsact where the kernel has no tcx.
    #[default]
    Auto,
    /// tcx only.
    Tcx,
    /// A clsact filter, as before Linux 6.6.
    Clsact,
}

/// The hook a program is attached by, and what finds the attachment again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Hook {
    /// A pinned tcx link.
    Tcx,
    /// A filter of the clsact qdisc.
    Clsact {
        /// Priority of the filter.
        priority: u16,
        /// Handle of the filter.
        handle: u32,
        /// Whether the qdisc came with the filter and should go with it.
        qdisc_added: bool,
    },
}

impl Hook {
    /// `tcx` or `clsact`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact { .. } => "clsact",
        }
    }
}

/// A program on a device. Dropping it leaves the program there.
#[derive(Debug)]
pub struct Attachment {
    device: String,
    hook: Hook,
}

impl Attachment {
    pub(super) fn new(
        program: &mut SchedClassifier,
        device: &str,
        choice: HookChoice,
        pins: &Path,
        before: Option<&Hook>,
    ) -> Result<Self, DatapathError> {
        let attached = |hook| Self { device: device.to_owned(), hook };
        match (choice, before) {
            (HookChoice::Auto | HookChoice::Tcx, Some(Hook::Tcx))
                if take_over(program, device, pins).is_ok() =>
            {
                return Ok(attached(Hook::Tcx));
            }
            (HookChoice::Auto | HookChoice::Tcx, Some(Hook::Tcx)) => {
                // The device was unplugged meanwhile: the link is an empty shell.
                retire(device, before, pins)?;
            }
            (HookChoice::Clsact, Some(Hook::Clsact { qdisc_added, .. })) => {
                let hook = by_clsact(program, device, *qdisc_added)?;
                remove_filter(device, before)?;
                return Ok(attached(hook));
            }
            (HookChoice::Clsact, _) => {
                let hook = by_clsact(program, device, false)?;
                retire(device, before, pins)?;
                return Ok(attached(hook));
            }
            (HookChoice::Auto | HookChoice::Tcx, _) => {}
        }
        let hook = match by_tcx(program, device, pins) {
            Ok(()) => Hook::Tcx,
            Err(DatapathError::Attach { .. }) if choice == HookChoice::Auto => {
                let hook = by_clsact(program, device, false)?;
                remove_filter(device, before)?;
                return Ok(attached(hook));
            }
            Err(error) => return Err(error),
        };
        retire(device, before.filter(|before| **before != Hook::Tcx), pins)?;
        Ok(attached(hook))
    }

    /// How the program is attached.
    pub const fn hook(&self) -> Hook {
        self.hook
    }

    /// Takes the program off the device of the current namespace.
    ///
    /// # Errors
    /// When the kernel refuses. A device that is gone took its programs along; that is fine.
    pub fn detach(self, pins: &Path) -> Result<(), DatapathError> {
        retire(&self.device, Some(&self.hook), pins)
    }
}

fn by_tcx(program: &mut SchedClassifier, device: &str, pins: &Path) -> Result<(), DatapathError> {
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    let id = program
        .attach_with_options(device, TcAttachType::Ingress, options)
        .map_err(|source| refused(device, "tcx", source))?;
    let link = program.take_link(id).map_err(|source| refused(device, "tcx", source))?;
    pin(FdLink::try_from(link)?, pins)
}

fn pin(link: FdLink, pins: &Path) -> Result<(), DatapathError> {
    let path = pins.join(LINK);
    // The pin, not this handle, keeps the link from here on.
    link.pin(&path).map(drop).map_err(|source| DatapathError::Pin { path, source })
}

/// Replaces the program behind the pinned link: one packet sees the old one, the next the new.
fn take_over(
    program: &mut SchedClassifier,
    device: &str,
    pins: &Path,
) -> Result<(), DatapathError> {
    let link = PinnedLink::from_pin(pins.join(LINK))?;
    let link = SchedClassifierLink::try_from(FdLink::from(link))?;
    let id = program.attach_to_link(link).map_err(|source| refused(device, "tcx", source))?;
    let link = program.take_link(id).map_err(|source| refused(device, "tcx", source))?;
    // The pin still holds the link; this handle is not needed.
    drop(FdLink::try_from(link)?);
    Ok(())
}

fn by_clsact(
    program: &mut SchedClassifier,
    device: &str,
    ours: bool,
) -> Result<Hook, DatapathError> {
    // An error is most often that there is one already. Any other shows when attaching fails.
    let qdisc_added = qdisc_add_clsact(device).is_ok() || ours;
    let options = TcAttachOptions::Netlink(NlOptions::default());
    let id = program
        .attach_with_options(device, TcAttachType::Ingress, options)
        .map_err(|source| refused(device, "clsact", source))?;
    let link = program.take_link(id).map_err(|source| refused(device, "clsact", source))?;
    let parts = (|| Ok::<_, ProgramError>((link.priority()?, link.handle()?)))();
    let (priority, handle) = parts.map_err(|source| refused(device, "clsact", source))?;
    // Dropping the link would remove the filter, which is to outlive this process.
    std::mem::forget(link);
    Ok(Hook::Clsact { priority, handle: handle.into(), qdisc_added })
}

/// Removes an attachment, if there is one.
fn retire(device: &str, hook: Option<&Hook>, pins: &Path) -> Result<(), DatapathError> {
    match hook {
        None => Ok(()),
        Some(Hook::Tcx) => {
            let path = pins.join(LINK);
            let Ok(link) = PinnedLink::from_pin(&path) else { return Ok(()) };
            let link = link.unpin().map_err(|source| DatapathError::Unpin { path, source })?;
            link.detach().map_err(|source| refused(device, "tcx", source))
        }
        Some(Hook::Clsact { qdisc_added, .. }) => {
            remove_filter(device, hook)?;
            if *qdisc_added {
                remove_clsact(device)?;
            }
            Ok(())
        }
    }
}

/// Removes a clsact filter, if there is one, and leaves the qdisc.
fn remove_filter(device: &str, hook: Option<&Hook>) -> Result<(), DatapathError> {
    let Some(Hook::Clsact { priority, handle, .. }) = hook else { return Ok(()) };
    let (ingress, handle) = (TcAttachType::Ingress, TcHandle::from(*handle));
    match SchedClassifierLink::attached(device, ingress, *priority, handle, None) {
        Ok(link) => link.detach().map_err(|source| refused(device, "clsact", source)),
        Err(_) => Ok(()),
    }
}

/// Whether the program is still on `device` of the current namespace. It is not when the
/// device was unplugged meanwhile, even if another one came in its place.
pub(crate) fn is_attached(device: &str, hook: &Hook, pins: &Path) -> Result<bool, DatapathError> {
    match hook {
        Hook::Tcx => {
            let Ok(link) = PinnedLink::from_pin(pins.join(LINK)) else { return Ok(false) };
            let program = FdLink::from(link).info()?.program_id();
            let (_, there) = SchedClassifier::query_tcx(device, TcAttachType::Ingress)
                .map_err(|source| refused(device, "tcx", source))?;
            Ok(there.iter().any(|info| info.id() == program))
        }
        Hook::Clsact { priority, handle, .. } => Ok(has_filter(device, *priority, *handle)?),
    }
}

fn refused(device: &str, hook: &'static str, source: ProgramError) -> DatapathError {
    DatapathError::Attach { device: device.to_owned(), hook, source: Box::new(source) }
}
