//! Installing Debian packages without starting the daemons some of them bring.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::guard::Guard;
use super::packages::apt_here;
use crate::privilege::Privilege;
use crate::signals::Interrupted;
use crate::{env, exec};

/// How often it is tried, and how long is waited in between.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(15);

/// Packages that would run a daemon now and at every boot, with the name of its service.
const DAEMONS: [(&str, &str); 3] =
    [("openssh-server", "ssh"), ("nginx-light", "nginx"), ("haproxy", "haproxy")];

/// Installs `packages`, which are missing; `why` is what needs them.
///
/// # Errors
/// If it may not or cannot; the text then holds the command to run.
pub(crate) fn install(packages: &[String], why: &str) -> Result<()> {
    let list = packages.join(" ");
    if !apt_here() {
        bail!(
            "missing: {list} ({why}); there is no apt here: install what Debian calls by these names, then run this again"
        );
    }
    let by_hand = || {
        format!(
            "run `apt-get install --no-install-recommends {list}` as root, then this again ({why})"
        )
    };
    let privilege = Privilege::find();
    let may = match privilege {
        Privilege::Root => "",
        Privilege::Sudo => ", through sudo",
        Privilege::None => {
            bail!("missing: {list}; without root and sudo they cannot be installed: {}", by_hand())
        }
    };
    exec::step(&format!("apt-get install {list}{may}"), why, || {
        let _guard = Guard::place(privilege)?;
        let mut tries = 1;
        loop {
            match attempt(privilege, packages) {
                // A new machine upgrades itself, or the mirror is between two states.
                Err(error) if tries < TRIES && !error.is::<Interrupted>() => {
                    tries += 1;
                    eprint!("again in {} s ... ", PAUSE.as_secs());
                    thread::sleep(PAUSE);
                }
                installed => break installed.with_context(by_hand)?,
            }
        }
        keep_off(privilege, packages)
    })
}

fn attempt(privilege: Privilege, packages: &[String]) -> Result<()> {
    // A dpkg that was stopped half-way refuses all work until this is done. One that is busy is waited for by apt-get.
    let mut repair = privilege.command("dpkg", "repairing dpkg")?;
    repair.args(["--configure", "-a"]);
    let repaired = unless_interrupted(exec::logged(&mut repair, &env::log("dpkg")))?;
    // Old lists often still do, and offline they may: apt's cache can hold the packages.
    let mut update = apt(privilege)?;
    update.arg("update");
    let updated = unless_interrupted(exec::logged(&mut update, &env::log("apt-update")))?;
    let mut install = apt(privilege)?;
    install.args(["install", "--yes", "--no-install-recommends"]).args(packages);
    let installed = exec::logged(&mut install, &env::log("apt-install"));
    match repaired.and(updated) {
        Err(error) => installed.with_context(|| format!("{error:#}")),
        Ok(()) => installed,
    }
}

/// What failed, if it may be gone past; Ctrl-C may not.
fn unless_interrupted(done: Result<()>) -> Result<Result<()>> {
    match done {
        Err(error) if error.is::<Interrupted>() => Err(error),
        done => Ok(done),
    }
}

fn apt(privilege: Privilege) -> Result<Command> {
    let mut command = privilege.command("env", "installing packages")?;
    command.args([
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-q",
        "-o",
        "DPkg::Lock::Timeout=120",
        "-o",
        "Acquire::Retries=5",
    ]);
    Ok(command)
}

/// Keeps the daemons just installed from starting at the next boot: we start our own, in namespaces.
fn keep_off(privilege: Privilege, packages: &[String]) -> Result<()> {
    for (_, service) in
        DAEMONS.iter().filter(|(package, _)| packages.iter().any(|name| name == package))
    {
        let mut command = privilege.command("update-rc.d", "disabling a daemon")?;
        exec::logged(command.args([service, "disable"]), &env::log("update-rc.d"))?;
    }
    Ok(())
}
