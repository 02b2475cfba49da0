//! What operators read: the same facts as a table for people and as JSON for programs.
//!
//! Printers write into any `Write`, so tests read the bytes.

mod announcements;
mod conns;
mod detail;
mod drops;
mod events;
mod lbaas;
mod member;
mod metrics;
mod persistence;
mod ports;
mod route;
mod status;
mod survey;
mod table;
mod time;

use std::io::{self, Write};

use serde::Serialize;

pub use announcements::{Announcement, Announcements};
pub use conns::{ConnectionList, connections};
pub use drops::{Drops, drops};
pub use events::{Clocks, Line, Lines, event, termination};
pub use lbaas::{Facts, Lbaas, MemberFacts, Seen, Statistics, lbaas};
pub use member::{Member, MemberList, members};
pub use metrics::{AgentFacts, agent_metrics, metrics};
pub use persistence::{PersistenceList, persistence};
pub use ports::{PortList, ports};
pub use route::{Route, route};
pub use status::{Status, status};
pub use table::Table;
pub(crate) use time::rfc3339;

/// Version of the JSON of every command.
pub const API_VERSION: &str = "qlb/v1";

/// How a command prints its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// A report that can be printed both ways.
pub trait Report: Serialize {
    /// Prints the table.
    ///
    /// # Errors
    /// When `out` cannot be written.
    fn table(&self, out: &mut dyn Write) -> io::Result<()>;

    /// Prints the report as asked.
    ///
    /// # Errors
    /// When `out` cannot be written.
    fn print(&self, output: Output, out: &mut dyn Write) -> io::Result<()> {
        match output {
            Output::Table => self.table(out),
            Output::Json => {
                serde_json::to_writer_pretty(&mut *out, self)?;
                writeln!(out)
            }
        }
    }
}

/// Bytes for people: 1536 is 1.5K.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["", "K", "M", "G", "T", "P"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 10.0);
    format!("{value:.digits$}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        let shown: Vec<String> =
            [0, 999, 1024, 1536, 10_240, 5 << 30].into_iter().map(human).collect();
        assert_eq!(shown, ["0", "999", "1.0K", "1.5K", "10K", "5.0G"]);
    }
}
