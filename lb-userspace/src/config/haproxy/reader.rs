//! Reads section after section, and collects the findings on the way.

use super::ImportOptions;
use super::assemble::{Assembled, assemble};
use super::backend::Backend;
use super::fault::{Fault, Read};
use super::finding::{Finding, Verdict};
use super::frontend::Frontend;
use super::global::Global;
use super::lexer::{Line, Word};
use super::proxy::Settings;
use super::section::{Kind, Section};
use crate::config::model::{LogTarget, ValueError};

/// State of one import.
pub(super) struct Reader {
    pub(super) options: ImportOptions,
    findings: Vec<Finding>,
}

impl Reader {
    pub(super) fn new(options: ImportOptions) -> Self {
        Self { options, findings: Vec::new() }
    }

    pub(super) fn read(mut self, sections: &[Section]) -> Read<Assembled> {
        let mut global = Global::default();
        let mut defaults = Settings::default();
        let mut frontends: Vec<Frontend> = Vec::new();
        let mut backends: Vec<Backend> = Vec::new();
        for section in sections {
            match section.kind {
                Kind::Global => global.read(section, &mut self)?,
                Kind::Defaults => defaults = Settings::read_defaults(section, &mut self)?,
                Kind::Frontend => frontends.push(Frontend::read(section, &defaults, &mut self)?),
                Kind::Backend => backends.push(Backend::read(section, &defaults, &mut self)?),
                Kind::Peers => self.peers(section),
                Kind::Other => self.other(section),
            }
        }
        let mut assembled = assemble(&global, &frontends, &backends, &mut self)?;
        assembled.findings = self.findings;
        assembled.findings.sort_by_key(|finding| finding.line);
        Ok(assembled)
    }

    pub(super) fn native(&mut self, line: usize, text: impl Into<String>) {
        self.find(line, Verdict::Native, text);
    }

    pub(super) fn degraded(&mut self, line: usize, text: impl Into<String>) {
        self.find(line, Verdict::Degraded, text);
    }

    pub(super) fn unsupported(&mut self, line: usize, text: impl Into<String>) {
        self.find(line, Verdict::Unsupported, text);
    }

    /// The target of a `log` line. One that qlb cannot reach is reported, and none.
    pub(super) fn log_target(&mut self, line: &Line) -> Option<LogTarget> {
        let target = line.tail(1).parse().map_err(|error: ValueError| {
            self.degraded(line.number(), format!("{error}; no line goes there"));
        });
        target.ok()
    }

    fn find(&mut self, line: usize, verdict: Verdict, text: impl Into<String>) {
        let text = crate::config::error::printable(&text.into());
        self.findings.push(Finding { line, verdict, text });
    }

    /// Reports a keyword nobody understood, or refuses a known one that lacks its value.
    pub(super) fn unknown(&mut self, line: &Line) -> Read<()> {
        let keyword = line.keyword();
        if let Some(usage) = usage(&line.texts()) {
            let message = format!(
                "`{}` does not belong here, or has too few or too many words",
                keyword.text
            );
            return Err(Fault::new(
                keyword.at,
                message,
                format!("write `{usage}` in the section it belongs to"),
            ));
        }
        let text = match keyword.text.as_str() {
            "redirect" | "http-request" | "http-response" | "reqadd" | "rspadd" => {
                "reads or changes HTTP, which qlb never sees; leave this pool on HAProxy"
            }
            "use_backend" | "acl" | "tcp-request" => {
                "chooses by content or rule; qlb sends a VIP to one pool"
            }
            _ => {
                "is not known to qlb; remove the line if it does not matter, or leave this pool \
                 on HAProxy"
            }
        };
        self.unsupported(line.number(), format!("`{}` {text}", line.tail(0)));
        Ok(())
    }

    /// Words after a complete keyword.
    pub(super) fn extra(&mut self, line: &Line, words: &[Word]) {
        for word in words {
            self.unsupported(
                line.number(),
                format!(
                    "`{}` on the `{}` line is not known to qlb",
                    word.text,
                    line.keyword().text
                ),
            );
        }
    }

    fn peers(&mut self, section: &Section) {
        self.degraded(
            section.header.number(),
            "the members each client sticks to are not shared with a peer; they start empty",
        );
        for line in section.lines.iter().filter(|line| line.keyword().text != "peer") {
            self.unsupported(line.number(), format!("`{}` is not known to qlb", line.tail(0)));
        }
    }

    fn other(&mut self, section: &Section) {
        let name = &section.header.keyword().text;
        self.unsupported(
            section.header.number(),
            format!(
                "section `{name}` is not imported; write it as frontend and backend, or leave it \
                 on HAProxy"
            ),
        );
        for line in &section.lines {
            self.unsupported(
                line.number(),
                format!("`{}` belongs to section `{name}`", line.tail(0)),
            );
        }
    }
}

/// How a keyword qlb understands is written, to answer a line that is not written so.
fn usage(words: &[&str]) -> Option<&'static str> {
    match words.first().copied().unwrap_or_default() {
        "bind" => Some("bind <address>:<port>"),
        "mode" => Some("mode tcp` or `mode http"),
        "balance" => Some("balance roundrobin|leastconn|source"),
        "default_backend" => Some("default_backend <pool id>"),
        "maxconn" => Some("maxconn <connections>"),
        "retries" => Some("retries <number>"),
        "timeout" => Some("timeout <name> <time>"),
        "server" => Some("server <member id> <address>:<port> [weight <weight>]"),
        "appsession" => Some("appsession <cookie name> len <length> timeout <time>"),
        "option" if words.len() == 1 => Some("option <name>"),
        "cookie" if words.len() == 1 => Some("cookie <name> insert"),
        _ => None,
    }
}
