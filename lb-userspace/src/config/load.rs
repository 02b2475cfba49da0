//! One way in for every command's FILE: qlb YAML or a HAProxy conf, told apart by content.

use std::path::Path;

use super::error::{ConfigError, Pos, Source};
use super::haproxy::{self, Finding, Import, ImportOptions, Verdict};
use super::model::PoolSpec;
use super::yaml;

/// Choices of the operator for reading a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// For HAProxy confs: replace cookie persistence by persistence on the client address.
    pub persistence_fallback_source_ip: bool,
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// qlb's own YAML.
    Yaml,
    /// A HAProxy configuration.
    Haproxy,
}

/// A configuration that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The format the file was read as.
    pub format: Format,
    /// The pools; they satisfy [`super::model::validate`].
    pub pools: Vec<PoolSpec>,
    /// Whether HAProxy would go to the background with its conf.
    pub daemon: bool,
    /// Remarks of the HAProxy import; none for YAML.
    pub findings: Vec<Finding>,
}

impl Loaded {
    /// The worst verdict of all findings; native for YAML.
    pub fn verdict(&self) -> Verdict {
        haproxy::worst(&self.findings)
    }
}

/// Reads the file at `path`.
///
/// # Errors
/// [`ConfigError::Read`] when the file cannot be read; otherwise as [`parse`].
pub fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, ConfigError> {
    let bytes = std::fs::read(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&path.display().to_string(), &bytes, options)
}

/// Reads a file's content. `file` is its name: errors show it, and its extension decides
/// where the content does not.
///
/// # Errors
/// [`ConfigError::Invalid`] for a text that is not a valid configuration.
pub fn parse(file: &str, bytes: &[u8], options: &LoadOptions) -> Result<Loaded, ConfigError> {
    let text = text(file, bytes)?;
    match format(file, text)? {
        Format::Yaml => {
            let pools = yaml::parse(file, text)?;
            Ok(Loaded { format: Format::Yaml, pools, daemon: false, findings: Vec::new() })
        }
        Format::Haproxy => {
            let options = ImportOptions {
                persistence_fallback_source_ip: options.persistence_fallback_source_ip,
            };
            let Import { pools, daemon, findings } = haproxy::import(file, text, options)?;
            Ok(Loaded { format: Format::Haproxy, pools, daemon, findings })
        }
    }
}

fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, ConfigError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let start = before.rfind('\n').map_or(0, |index| index + 1);
        let at = Pos {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        };
        let source = Source { file, text: &String::from_utf8_lossy(bytes) };
        let help = "save the file as UTF-8 text".to_owned();
        source.diagnostic(Some(at), "this byte is not UTF-8 text".to_owned(), help)
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The first line that says something decides: HAProxy starts with a bare section keyword,
/// YAML with a key, a list or a document marker.
fn format(file: &str, text: &str) -> Result<Format, ConfigError> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(line) = lines.find(|line| !line.starts_with('#')) else {
        let help = "write a `pools:` list, or name another file".to_owned();
        let message = "the file declares nothing".to_owned();
        return Err(Source { file, text }.diagnostic(None, message, help).into());
    };
    let word = line.split_whitespace().next().unwrap_or_default();
    if haproxy::starts_section(word) {
        return Ok(Format::Haproxy);
    }
    let yaml_line = word.ends_with(':') || word.starts_with(['-', '{', '[', '%', '"', '\'']);
    let yaml_name = [".yaml", ".yml"].iter().any(|extension| file.ends_with(extension));
    Ok(if yaml_line || yaml_name { Format::Yaml } else { Format::Haproxy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        assert_eq!(format("x.yaml", "# c\n\nglobal\n\tdaemon").unwrap(), Format::Haproxy);
        assert_eq!(format("x.conf", "pools: []").unwrap(), Format::Yaml);
        assert_eq!(format("conf", "---\npools: []").unwrap(), Format::Yaml);
    }

    #[test]
    fn the_name_decides_where_the_content_does_not() {
        assert_eq!(format("x.yml", "hello").unwrap(), Format::Yaml);
        assert_eq!(format("conf", "daemon").unwrap(), Format::Haproxy);
    }

    #[test]
    fn bytes_that_are_not_text_are_pointed_at() {
        let error = parse("x", b"global\n\tda\xffemon", &LoadOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with("x:2:4: this byte is not UTF-8 text\n"), "{error}");
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let loaded = parse("x", b"\xef\xbb\xbfpools: []", &LoadOptions::default()).unwrap();
        assert_eq!((loaded.format, loaded.pools.len()), (Format::Yaml, 0));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Path::new("/nonexistent/conf"), &LoadOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/conf: cannot read the file"));
    }
}
