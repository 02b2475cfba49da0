//! What the fuzz targets do with their bytes. `fuzz/` hands them bytes of libFuzzer's; the test `fuzz` those of
//! the committed corpus, and of every crash that was found.

mod importer;
mod packets;

pub use importer::importer;
pub use packets::packets;

/// A fuzz target: panics on bytes that show a bug.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: [(&str, Target); 2] = [("packets", packets), ("importer", importer)];
