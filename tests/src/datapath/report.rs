//! Showing packets to whoever has to find out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use super::{Action, Error};

/// Link type of Ethernet (draft-ietf-opsawg-pcaplinktype).
const ETHERNET: u32 = 1;

/// The frame as lines of 16 bytes behind their offset.
#[must_use]
pub fn hexdump(frame: &[u8]) -> String {
    let mut text = String::new();
    for (line, bytes) in frame.chunks(16).enumerate() {
        let _ = write!(text, "\n  {:04x} ", line * 16);
        for byte in bytes {
            let _ = write!(text, " {byte:02x}");
        }
    }
    text
}

/// Writes the frames among `actions` to a new file in a directory, in the classic format
/// (draft-ietf-opsawg-pcap); the time stamps count the actions. The sandbox's /tmp is no good place:
/// it goes with the sandbox.
///
/// # Errors
/// When the file cannot be written.
pub fn write_pcap(directory: &Path, actions: &[Action]) -> Result<PathBuf, Error> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("qlb-{}-{number}.pcap", process::id()));

    let mut file = Vec::new();
    let words = |file: &mut Vec<u8>, words: [u32; 4]| {
        file.extend(words.into_iter().flat_map(u32::to_le_bytes));
    };
    words(&mut file, [0xa1b2_c3d4, 0x0004_0002, 0, 0]);
    file.extend([65_535, ETHERNET].into_iter().flat_map(u32::to_le_bytes));
    for (second, action) in (0..).zip(actions) {
        match action {
            Action::Frame(frame) | Action::Gso(frame, _) => {
                let len = frame.len() as u32;
                words(&mut file, [second, 0, len, len]);
                file.extend(frame);
            }
            Action::Install(..)
            | Action::ForgetPool(_)
            | Action::Eject(..)
            | Action::Drain(..)
            | Action::Spend(_)
            | Action::Settle
            | Action::Stamp(_)
            | Action::Sweep => {}
        }
    }
    fs::write(&path, file)
        .map_err(|source| Error::Capture { path: path.display().to_string(), source })?;
    Ok(path)
}
