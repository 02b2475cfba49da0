//! The commands of the stats socket: one line, several with `;` between them (HAProxy manual of management, 9.3).

use crate::haproxy::stats::{Info, Selection, Snapshot, info, show};

/// What qlb answers, as HAProxy lists commands.
const KNOWN: &str = "  help                                    : list the commands\n\
                    \x20 quit                                    : disconnect\n\
                    \x20 show info                               : report information about the running process\n\
                    \x20 show stat [<iid|proxy> <types> <sid>]   : report counters for each proxy and server\n\
                    \x20 show version                            : show version of the current process\n\n";

/// First words of commands that change something, which takes more than `level user` in HAProxy.
const PRIVILEGED: [&str; 9] =
    ["add", "clear", "commit", "del", "disable", "enable", "new", "set", "shutdown"];

/// Answers a line about these pools. The answer to each command ends with an empty line.
pub(super) fn answer(line: &str, pools: &[Snapshot], about: &Info) -> String {
    let mut text = String::new();
    for command in line.split(';') {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["quit", ..] => break,
            ["show", "stat", selection @ ..] => {
                let rows = show(pools, &Selection::of(selection));
                text.push_str(rows.as_deref().unwrap_or("No such proxy.\n\n"));
            }
            ["show", "info", ..] => text.push_str(&info(about)),
            ["show", "version", ..] => {
                text.push_str(concat!("qlb ", env!("CARGO_PKG_VERSION"), "\n\n"));
            }
            ["help", ..] => {
                text.push_str("The following commands are valid at this level:\n");
                text.push_str(KNOWN);
            }
            [first, ..] if PRIVILEGED.contains(first) => text.push_str("Permission denied\n\n"),
            [] | [_, ..] => {
                text.push_str(
                    "Unknown command. Please enter one of the following commands only:\n",
                );
                text.push_str(KNOWN);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> String {
        let pool = Snapshot {
            frontend: "vip".into(),
            backend: "pool".into(),
            vip_enabled: true,
            pool_enabled: true,
            ..Snapshot::default()
        };
        answer(line, &[pool], &Info { pid: 7, ..Info::default() })
    }

    #[test]
    fn every_command_of_a_line_is_answered_and_ends_with_an_empty_line() {
        let both = asked("show stat -1 2 -1;  show stat -1 1 -1");
        assert_eq!(both.matches("# pxname,").count(), 2);
        assert!(both.contains(",\n\n# pxname,") && both.ends_with(",\n\n"), "{both}");
        assert!(both.find("pool,BACKEND") < both.find("vip,FRONTEND"), "{both}");
        assert_eq!(asked("show stat nobody 2 -1"), "No such proxy.\n\n");
        assert_eq!(asked("quit; show info"), "");
        assert!(asked("show info").contains("\nPid: 7\n"));
    }

    #[test]
    fn what_is_unknown_or_not_allowed_changes_nothing_and_says_so() {
        for line in ["", "show", "show sess", "foo", "SHOW STAT"] {
            let answer = asked(line);
            assert!(answer.starts_with("Unknown command. "), "{line}: {answer}");
            assert!(answer.contains("  show stat ") && answer.ends_with("\n\n"), "{answer}");
        }
        for line in ["disable server pool/m1", "set weight pool/m1 0", "clear counters"] {
            assert_eq!(asked(line), "Permission denied\n\n");
        }
    }
}
