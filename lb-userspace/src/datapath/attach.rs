//! The programs at the VIP's device: on hooks of TC, by tcx where the kernel has it (6.6), else as a
//! clsact filter. Either outlives the process that attached it.
//!
//! Everything here is about the current namespace; a device is known by its index, which a
//! rename does not change.

use std::path::Path;

use aya::programs::{ProgramError, SchedClassifier, TcAttachType};
use serde::{Deserialize, Serialize};

use super::{DatapathError, clsact, tcx, xdp};
use crate::node::{Device, device_name, has_filter, remove_empty_clsact};

/// Where a program stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Post {
    /// Where frames come in by the VIP's device: the program that decides about all of them.
    Ingress,
    /// Where frames leave by the outer end of the VIP's device, a veth, to come in there: the one that lets some of them go by.
    Outer,
    /// Where frames leave by the VIP's device: the one that learns next hops for that.
    Learner,
}

impl Post {
    /// The side of the device.
    pub(super) const fn side(self) -> TcAttachType {
        match self {
            Self::Ingress => TcAttachType::Ingress,
            Self::Outer | Self::Learner => TcAttachType::Egress,
        }
    }

    /// Name of the pinned link.
    pub(super) const fn link(self) -> &'static str {
        match self {
            Self::Ingress => "link",
            Self::Outer => "outer",
            Self::Learner => "learner",
        }
    }
}

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
        /// Whether qlb added the qdisc, so that it goes with the last filter.
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

    /// Whether the device's qdisc was added by qlb.
    pub const fn added_qdisc(&self) -> bool {
        matches!(self, Self::Clsact { qdisc_added: true, .. })
    }
}

/// How to attach.
#[derive(Clone, Copy, Debug)]
pub struct Attach<'a> {
    /// Where the program is to stand.
    pub post: Post,
    /// Which hook to use.
    pub choice: HookChoice,
    /// The attachment on the same device to take over from.
    pub before: Option<&'a Hook>,
    /// Whether a clsact qdisc that is there was added by qlb.
    pub qdisc_ours: bool,
}

/// Puts `program` on `device`, pinned below `pins` where the hook allows it; where there was an attachment before, no packet
/// misses both.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn attach(
    program: &mut SchedClassifier,
    device: &Device,
    pins: &Path,
    how: Attach<'_>,
) -> Result<Hook, DatapathError> {
    let (name, post) = (device.name.as_str(), how.post);
    let may_be_tcx = how.choice != HookChoice::Clsact;
    // By its pin: who was killed may not have noted what it had put there.
    let hook = if may_be_tcx && tcx::take_over(program, name, pins, post).is_ok() {
        Hook::Tcx
    } else {
        if may_be_tcx {
            // The device was unplugged meanwhile: the link, if there is one, is an empty shell.
            tcx::detach(pins, post)?;
        }
        match how.choice {
            HookChoice::Clsact => clsact::attach(program, name, how.qdisc_ours, post.side())?,
            HookChoice::Tcx => tcx::attach(program, name, pins, post).map(|()| Hook::Tcx)?,
            HookChoice::Auto => match tcx::attach(program, name, pins, post) {
                Ok(()) => Hook::Tcx,
                Err(DatapathError::Attach { .. }) => {
                    clsact::attach(program, name, how.qdisc_ours, post.side())?
                }
                Err(error) => return Err(error),
            },
        }
    };
    if let Some(before @ Hook::Clsact { .. }) = how.before {
        detach(device.index, before, pins, post)?;
    }
    if hook != Hook::Tcx {
        tcx::detach(pins, post)?;
    }
    Ok(hook)
}

/// Takes the XDP program off its device, if there is one, wherever that is.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn detach_early(pins: &Path) -> Result<(), DatapathError> {
    xdp::detach(pins)
}

/// Takes the program off a device, if it is there: a device that is gone took its programs along.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn detach(
    device: u32,
    hook: &Hook,
    pins: &Path,
    post: Post,
) -> Result<(), DatapathError> {
    match hook {
        Hook::Tcx => tcx::detach(pins, post),
        Hook::Clsact { priority, handle, qdisc_added } => {
            let Some(name) = device_name(device) else { return Ok(()) };
            clsact::detach(&name, post.side(), *priority, *handle)?;
            if *qdisc_added {
                remove_empty_clsact(device)?;
            }
            Ok(())
        }
    }
}

/// Whether the program that decides is still on the device. It is not when the device was unplugged
/// meanwhile, even if another one came in its place.
pub(crate) fn is_attached(device: u32, hook: &Hook, pins: &Path) -> Result<bool, DatapathError> {
    let Some(name) = device_name(device) else { return Ok(false) };
    match hook {
        Hook::Tcx => tcx::is_attached(&name, pins, Post::Ingress),
        Hook::Clsact { priority, handle, .. } => Ok(has_filter(device, *priority, *handle)?),
    }
}

pub(super) fn refused(device: &str, hook: &'static str, source: ProgramError) -> DatapathError {
    DatapathError::Attach { device: device.to_owned(), hook, source: Box::new(source) }
}
