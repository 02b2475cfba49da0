//! The stats socket, in HAProxy's own words (HAProxy manual, 3.1 `stats socket`).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ValueError;

/// A Unix socket that answers HAProxy's `show stat` and `show info`: `<path> [mode <octal>] [level user]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsSocket {
    path: String,
    mode: u32,
}

impl StatsSocket {
    /// What HAProxy leaves to the umask, usually. Who may ask is the operator's to widen.
    const MODE: u32 = 0o600;
    /// Longest path of a socket, beside the zero at its end (unix(7)) and the suffix of a name that is not in
    /// place yet.
    const LONGEST: usize = 100;

    /// Where it is.
    pub fn path(&self) -> &Path {
        Path::new(&self.path)
    }

    /// A name beside it, to be renamed to it.
    pub fn beside(&self) -> PathBuf {
        PathBuf::from(format!("{}.new", self.path))
    }

    /// Its permissions.
    pub const fn mode(&self) -> u32 {
        self.mode
    }
}

impl FromStr for StatsSocket {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |why: &'static str| ValueError::StatsSocket(text.to_owned(), why);
        let mut words = text.split_whitespace();
        let path = words.next().filter(|path| path.starts_with('/'));
        let path = path.ok_or(wrong("it does not begin with a whole path"))?;
        if path.len() > Self::LONGEST {
            return Err(wrong("its path is longer than 100 bytes"));
        }
        let mut socket = Self { path: path.to_owned(), mode: Self::MODE };
        while let Some(option) = words.next() {
            let value = words.next().ok_or(wrong("an option has no value"))?;
            match option {
                "mode" => {
                    let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o777);
                    socket.mode = mode.ok_or(wrong("its mode is not octal, such as 0666"))?;
                }
                // Nothing that needs more than the least level is answered.
                "level" if ["user", "operator", "admin"].contains(&value) => {}
                "level" => return Err(wrong("its level is not user, operator or admin")),
                _ => return Err(wrong("it has options besides mode and level")),
            }
        }
        Ok(socket)
    }
}

impl fmt::Display for StatsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mode {:04o} level user", self.path, self.mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_written_as_neutron_writes_it() {
        let text = "/opt/stack/data/neutron/lbaas/574a/sock mode 0666 level user";
        let socket: StatsSocket = text.parse().unwrap();
        assert_eq!((socket.mode(), socket.to_string().as_str()), (0o666, text));
        let plain: StatsSocket = "/s level admin".parse().unwrap();
        assert_eq!(plain.to_string(), "/s mode 0600 level user");
    }

    #[test]
    fn what_is_no_socket_is_refused_with_the_reason() {
        let long = format!("/{}", "a".repeat(100));
        for (text, why) in [
            ("", "whole path"),
            ("ipv4@127.0.0.1:9999", "whole path"),
            (long.as_str(), "longer than"),
            ("/s mode", "no value"),
            ("/s mode 888", "not octal"),
            ("/s mode 7777", "not octal"),
            ("/s level root", "its level"),
            ("/s user nobody", "besides mode"),
        ] {
            let error = text.parse::<StatsSocket>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
