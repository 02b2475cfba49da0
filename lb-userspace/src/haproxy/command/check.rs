//! Confs as HAProxy checks them: what is wrong, line by line, in its format.

use std::io::{self, Write as _};

use super::Options;
use crate::config::{self, ConfigError, LoadOptions, Loaded, PoolSpec, Verdict, servable};

/// Something is wrong, and was said.
#[derive(Debug)]
pub(super) struct Fatal;

/// Says something as HAProxy does.
pub(super) fn say(quiet: bool, level: &str, text: &str) {
    if !quiet {
        // Whoever closed stderr does not want to know.
        let label = format!("[{level}]");
        let _ = writeln!(io::stderr(), "{label:<10} ({}) : {text}", std::process::id());
    }
}

/// Confs that are in order.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) pools: Vec<PoolSpec>,
    /// Whether one of them says `daemon`.
    pub(super) daemon: bool,
    /// Whether something is served otherwise than HAProxy would, which was said.
    pub(super) warned: bool,
}

/// Reads the confs. What is served otherwise than HAProxy would is said once. A backend that no frontend leads to serves nobody, there as here.
pub(super) fn read(options: &Options) -> Result<Checked, Fatal> {
    let mut reader = Reader { quiet: options.quiet, warned: false, fatal: false };
    let mut pools: Vec<PoolSpec> = Vec::new();
    let mut daemon = false;
    for path in &options.files {
        let file = path.display().to_string();
        let before = reader.fatal;
        match config::load(path, &LoadOptions::default()) {
            Ok(loaded) => {
                daemon |= loaded.daemon;
                pools.extend(reader.findings(&file, loaded));
            }
            Err(error) => reader.invalid(&error),
        }
        if reader.fatal && !before {
            reader.alert(&format!("config : Error(s) found in configuration file : {file}"));
        }
    }
    let unsupported = reader.fatal;
    // A line that was refused is not to be refused once more.
    for pool in pools.iter().filter(|_| !unsupported) {
        match servable(pool, &pools) {
            Ok(notices) => {
                for notice in notices {
                    reader.warn(&format!("config : backend '{}' : {notice}.", pool.id));
                }
            }
            Err(refusals) => {
                for refusal in refusals {
                    reader.alert(&format!("config : backend '{}' : {refusal}.", pool.id));
                }
            }
        }
    }
    if pools.is_empty() && !unsupported {
        reader.alert("config : no frontend leads to a backend; there is nothing to serve.");
    }
    if reader.fatal {
        reader.alert("config : Fatal errors found in configuration.");
        return Err(Fatal);
    }
    Ok(Checked { pools, daemon, warned: reader.warned })
}

struct Reader {
    quiet: bool,
    warned: bool,
    fatal: bool,
}

impl Reader {
    fn alert(&mut self, text: &str) {
        self.fatal = true;
        say(self.quiet, "ALERT", text);
    }

    fn warn(&mut self, text: &str) {
        self.warned = true;
        say(self.quiet, "WARNING", text);
    }

    fn findings(&mut self, file: &str, loaded: Loaded) -> Vec<PoolSpec> {
        for finding in &loaded.findings {
            let text = format!("config : parsing [{file}:{}] : {}.", finding.line, finding.text);
            match finding.verdict {
                Verdict::Native => {}
                Verdict::Degraded => self.warn(&text),
                Verdict::Unsupported => self.alert(&text),
            }
        }
        loaded.pools.into_iter().filter(|pool| pool.vip.is_some()).collect()
    }

    fn invalid(&mut self, error: &ConfigError) {
        match error {
            ConfigError::Invalid(diagnostics) => {
                for wrong in diagnostics {
                    let line = wrong.at.map(|at| format!(":{}", at.line)).unwrap_or_default();
                    self.alert(&format!(
                        "config : parsing [{}{line}] : {}; {}.",
                        wrong.file, wrong.message, wrong.help
                    ));
                }
            }
            ConfigError::Read { path, source } => self.alert(&format!(
                "config : Cannot open configuration file/directory {} : {source}",
                path.display()
            )),
            ConfigError::Render(_) => self.alert(&format!("config : {error}")),
        }
    }
}
