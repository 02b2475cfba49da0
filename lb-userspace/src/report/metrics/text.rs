//! The text format of Prometheus (exposition format 0.0.4).

use std::fmt::{Display, Write as _};

/// What a family measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A family of series: name, kind and help.
pub(super) type Family = (&'static str, Kind, &'static str);

/// Families, one after the other.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a family.
    pub(super) fn family(&mut self, (name, kind, help): Family) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a series to the family that has begun.
    pub(super) fn series(
        &mut self,
        (name, ..): Family,
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{after} {value}");
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        self.0
    }
}
