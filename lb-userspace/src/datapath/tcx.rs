//! The tcx hook: a link, pinned so that the attachment outlives its process.

use std::path::Path;

use aya::programs::{
    Link as _, LinkOrder, SchedClassifier,
    links::{FdLink, PinnedLink},
    tc::{SchedClassifierLink, TcAttachOptions},
};

use super::DatapathError;
use super::attach::{Post, refused};

/// Name of the hook in messages.
const TCX: &str = "tcx";

pub(super) fn attach(
    program: &mut SchedClassifier,
    device: &str,
    pins: &Path,
    post: Post,
) -> Result<(), DatapathError> {
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    let id = program
        .attach_with_options(device, post.side(), options)
        .map_err(|source| refused(device, TCX, source))?;
    let link = program.take_link(id).map_err(|source| refused(device, TCX, source))?;
    let path = pins.join(post.link());
    // The pin, not this handle, keeps the link from here on.
    let pinned = FdLink::try_from(link)?.pin(&path);
    pinned.map(drop).map_err(|source| DatapathError::Pin { path, source })
}

/// Replaces the program behind the pinned link: one packet sees the old one, the next the new.
pub(super) fn take_over(
    program: &mut SchedClassifier,
    device: &str,
    pins: &Path,
    post: Post,
) -> Result<(), DatapathError> {
    let link = PinnedLink::from_pin(pins.join(post.link()))?;
    let link = SchedClassifierLink::try_from(FdLink::from(link))?;
    let id = program.attach_to_link(link).map_err(|source| refused(device, TCX, source))?;
    let link = program.take_link(id).map_err(|source| refused(device, TCX, source))?;
    // The pin still holds the link; this handle is not needed.
    drop(FdLink::try_from(link)?);
    Ok(())
}

/// Detaches and unpins the link, if there is one.
pub(super) fn detach(pins: &Path, post: Post) -> Result<(), DatapathError> {
    let path = pins.join(post.link());
    let Ok(link) = PinnedLink::from_pin(&path) else { return Ok(()) };
    let link = link.unpin().map_err(|source| DatapathError::Unpin { path, source })?;
    link.detach().map_err(|source| refused("of the pinned link", TCX, source))
}

/// Whether the pinned link's program is on `device`.
pub(super) fn is_attached(device: &str, pins: &Path, post: Post) -> Result<bool, DatapathError> {
    let Ok(link) = PinnedLink::from_pin(pins.join(post.link())) else { return Ok(false) };
    let program = FdLink::from(link).info()?.program_id();
    let (_, there) = SchedClassifier::query_tcx(device, post.side())
        .map_err(|source| refused(device, TCX, source))?;
    Ok(there.iter().any(|info| info.id() == program))
}
