//! A configuration file of any content.

use lb_userspace::config::{LoadOptions, parse, report, yaml};

/// Reads bytes as `qlb check` does, which also says what would be served. The first byte chooses name and options of the file.
///
/// # Panics
/// If a pool that was read is not what its own YAML says.
pub fn importer(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let options = LoadOptions { persistence_fallback_source_ip: choice & 1 != 0 };
    let file = if choice & 2 != 0 { "pool.yaml" } else { "conf" };
    let loaded = match parse(file, text, &options) {
        Ok(loaded) => loaded,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut out = Vec::new();
    report::check(&mut out, file, &loaded).expect("a vector takes everything");
    let text = yaml::print(&loaded.pools).expect("pools that were read can be written");
    let again = yaml::parse("again", &text).expect("what was written can be read");
    assert_eq!(again, loaded.pools, "{text}");
}
