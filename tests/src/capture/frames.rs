//! The frames of a capture file (draft-ietf-opsawg-pcap).

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::error::Context;

/// Lengths of the headers of a file and of each frame in it.
const FILE_HEADER: usize = 24;
const FRAME_HEADER: usize = 16;

/// A frame that was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When, since the epoch.
    pub at: Duration,
    /// What is kept of it.
    pub bytes: Vec<u8>,
}

/// Every whole frame in a file that may still be written.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub(super) fn read(pcap: &Path) -> Result<Vec<Frame>, Error> {
    let file = fs::read(pcap).context(|| format!("reading {}", pcap.display()))?;
    let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some((header, body)) = rest.split_at_checked(FRAME_HEADER) {
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let Some((bytes, next)) = body.split_at_checked(word(8) as usize) else { break };
        let at = Duration::from_secs(word(0).into()) + Duration::from_micros(word(4).into());
        frames.push(Frame { at, bytes: bytes.to_vec() });
        rest = next;
    }
    Ok(frames)
}
