//! Groups lines into sections (HAProxy manual, 2 and 4). The indentation means nothing: a
//! line whose first word names a section starts one.

use super::fault::{Fault, Read};
use super::lexer::{Line, Word};

/// The sections Neutron and Octavia write, and the rest of HAProxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Global,
    Defaults,
    Frontend,
    Backend,
    /// Stick-table peers: Octavia's active-standby pairs have them.
    Peers,
    /// A section qlb has no use for; all its lines are reported.
    Other,
}

/// A section line and the lines up to the next one.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) kind: Kind,
    pub(super) header: Line,
    pub(super) lines: Vec<Line>,
}

impl Section {
    /// The name after the section keyword.
    pub(super) fn name(&self) -> Read<&Word> {
        let keyword = self.header.keyword();
        self.header.words.get(1).ok_or_else(|| {
            let message = format!("the {} has no name", keyword.text);
            Fault::new(keyword.at, message, format!("write `{} <id>`", keyword.text))
        })
    }
}

/// The kind of section that `word` starts.
pub(super) fn kind(word: &str) -> Option<Kind> {
    match word {
        "global" => Some(Kind::Global),
        "defaults" => Some(Kind::Defaults),
        "frontend" => Some(Kind::Frontend),
        "backend" => Some(Kind::Backend),
        "peers" => Some(Kind::Peers),
        "listen" | "userlist" | "resolvers" | "mailers" | "program" | "cache" | "http-errors"
        | "ring" | "log-forward" | "fcgi-app" | "ruleset" => Some(Kind::Other),
        _ => None,
    }
}

/// The sections of a file, in order.
pub(super) fn split(lines: Vec<Line>) -> Read<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    for line in lines {
        if let Some(kind) = kind(&line.keyword().text) {
            sections.push(Section { kind, header: line, lines: Vec::new() });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push(line);
        } else {
            let keyword = line.keyword();
            let message = format!("keyword `{}` stands outside a section", keyword.text);
            let help = "start with a section line: global, defaults, frontend <id> or backend <id>";
            return Err(Fault::new(keyword.at, message, help));
        }
    }
    Ok(sections)
}
