//! A `policy-rc.d` that forbids package scripts to start daemons, for as long as xtask installs packages.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::privilege::Privilege;
use crate::{env, exec};

/// Asked by invoke-rc.d and deb-systemd-invoke before they start anything (Debian policy-rc.d specification).
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Tells our file from one the administrator or a container image put there.
const MARK: &str = "# temporary, by cargo xtask: may be removed";

/// Our file is in place until this is dropped. Ctrl-C included: a signal ends the child, not xtask.
pub(crate) struct Guard {
    privilege: Privilege,
    ours: bool,
}

impl Guard {
    /// Forbids daemons. An existing file is left alone, unless an xtask that was killed forgot it there.
    pub(crate) fn place(privilege: Privilege) -> Result<Self> {
        let ours = match fs::read_to_string(POLICY) {
            Ok(text) => text.contains(MARK),
            Err(_) => !Path::new(POLICY).exists(),
        };
        let guard = Self { privilege, ours };
        if ours {
            // 101 is "action forbidden by policy".
            let script = format!(
                "printf '%s\\n' '#!/bin/sh' '{MARK}' 'exit 101' > {POLICY} && chmod 755 {POLICY}"
            );
            guard.shell(&script).with_context(|| format!("cannot place {POLICY}"))?;
        }
        Ok(guard)
    }

    fn shell(&self, script: &str) -> Result<()> {
        let mut command = self.privilege.command("sh", "keeping daemons from starting")?;
        exec::logged(command.args(["-c", script]), &env::log("policy-rc.d"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = self.shell(&format!("rm -f {POLICY}"))
        {
            eprintln!(
                "xtask: remove {POLICY} by hand, no daemon can start while it is there: {error:#}"
            );
        }
    }
}
