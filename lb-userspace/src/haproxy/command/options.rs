//! HAProxy's arguments, which follow no convention but their own.

use std::ffi::OsString;
use std::path::PathBuf;

/// What HAProxy was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The confs.
    pub files: Vec<PathBuf>,
    /// Where the ids of the processes in the background are written.
    pub pid_file: Option<PathBuf>,
    /// Earlier processes that are to serve what they have, and end.
    pub finish: Vec<i32>,
    /// Earlier processes that are to end at once.
    pub terminate: Vec<i32>,
    /// Only check the confs.
    pub check: bool,
    /// Stay in the foreground whatever else is said (`-db`, `-d`, `-W` without `-D`).
    pub foreground: bool,
    /// Go to the background (`-D`, or the conf's `daemon`).
    pub daemon: bool,
    /// Say nothing.
    pub quiet: bool,
}

impl Options {
    /// Whether the process goes to the background.
    pub const fn in_background(&self) -> bool {
        self.daemon && !self.foreground
    }
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To serve, or to check.
    Serve(Options),
    /// What this is.
    Version {
        /// `-vv`.
        more: bool,
    },
}

/// Options with a value that means nothing here.
const IGNORED_WITH_VALUE: [&str; 7] = ["-n", "-N", "-m", "-L", "-x", "-S", "-C"];

/// Reads the arguments.
///
/// # Errors
/// What is wrong with them, for people.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Asked, String> {
    let mut args = args.into_iter().peekable();
    let mut options = Options::default();
    let mut workers = false;
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy().into_owned();
        let mut value = || args.next().ok_or(format!("option `{text}` has no value"));
        match text.as_str() {
            "-v" => return Ok(Asked::Version { more: false }),
            "-vv" => return Ok(Asked::Version { more: true }),
            "-f" => options.files.push(value()?.into()),
            "-p" => options.pid_file = Some(value()?.into()),
            "-cc" => return Err("`-cc`: there are no conditions to check".to_owned()),
            name if IGNORED_WITH_VALUE.contains(&name) => drop(value()?),
            "-sf" | "-st" => {
                let pids = match text.as_str() {
                    "-sf" => &mut options.finish,
                    _ => &mut options.terminate,
                };
                let number = |arg: &OsString| arg.to_str()?.parse().ok();
                while let Some(pid) = args.peek().and_then(number) {
                    pids.push(pid);
                    args.next();
                }
            }
            "-c" => options.check = true,
            "-D" => options.daemon = true,
            "-d" | "-db" => options.foreground = true,
            "-W" | "-Ws" => workers = true,
            "-q" => options.quiet = true,
            "-V" => options.quiet = false,
            "--" => options.files.extend(args.by_ref().map(PathBuf::from)),
            name if name.starts_with("-d") => {}
            _ => return Err(format!("option `{text}` is not known")),
        }
    }
    // The master of HAProxy stays in the foreground.
    options.foreground |= workers && !options.daemon;
    if options.files.is_empty() {
        return Err("no conf is named; write `-f <cfgfile>`".to_owned());
    }
    Ok(Asked::Serve(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Asked, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn options(line: &str) -> Options {
        match parsed(line) {
            Ok(Asked::Serve(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn neutrons_own_command_lines() {
        let dir = "/opt/stack/data/neutron/lbaas/574a31da-a28a-449f-8c9d-3d3687c3c02a";
        let first = Options {
            files: vec![format!("{dir}/conf").into()],
            pid_file: Some(format!("{dir}/pid").into()),
            ..Options::default()
        };
        assert_eq!(options(&format!("-f {dir}/conf -p {dir}/pid")), first);
        let again = options(&format!("-f {dir}/conf -p {dir}/pid -sf 17323"));
        assert_eq!(again, Options { finish: vec![17_323], ..first.clone() });
        let several = options(&format!("-st 1 2 -f {dir}/conf -p {dir}/pid -sf 17323 17324 -D"));
        let (finish, terminate) = (vec![17_323, 17_324], vec![1, 2]);
        assert_eq!(several, Options { finish, terminate, daemon: true, ..first });
    }

    #[test]
    fn options_of_its_own_kind() {
        let found = options("-c -q -db -dM -n 5 -N 7 -- a b");
        assert_eq!(found.files, [PathBuf::from("a"), "b".into()]);
        assert!(found.check && found.quiet && found.foreground && !found.daemon);
        assert!(options("-Ws -f a").foreground && !options("-W -D -f a").foreground);
        assert!(!options("-q -V -f a").quiet);
        assert!(options("-sf -f a").finish.is_empty());
    }

    #[test]
    fn versions_and_mistakes() {
        assert_eq!(parsed("-v -f x").unwrap(), Asked::Version { more: false });
        assert_eq!(parsed("-vv").unwrap(), Asked::Version { more: true });
        for (line, why) in [
            ("", "no conf"),
            ("-c", "no conf"),
            ("-f", "no value"),
            ("-f a -p", "no value"),
            ("-f a -Z", "`-Z` is not known"),
            ("-f a b", "`b` is not known"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
