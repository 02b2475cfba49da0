//! `bench`: measurements, inside the sandbox that hides them from the rest of the machine.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::privilege::Privilege;
use crate::toolchain::packages;
use crate::vm::{Job, Machine};
use crate::{build, env, exec, object};

/// What is measured unless the arguments begin with another name.
const DEFAULT: &str = "arena";

/// Builds, then measures and returns the measurement's exit code; `vm` for a virtual machine that counts instructions.
pub(crate) fn run(vm: bool, args: &[OsString]) -> Result<ExitCode> {
    let is_named = args.first().is_some_and(|first| !first.as_encoded_bytes().starts_with(b"-"));
    let name = (!is_named).then(|| OsString::from(DEFAULT));
    let args: Vec<OsString> = name.into_iter().chain(args.iter().cloned()).collect();
    if args.first().is_some_and(|name| name == DEFAULT) {
        packages::ensure(&packages::RUN, "clients, members and measuring tools")?;
        packages::ensure(&packages::PEERS, "what qlb is measured beside")?;
    }
    build::qlb()?;
    build::sandbox()?;
    if vm {
        let words: Vec<OsString> =
            [env::binary("qlb-bench").into()].into_iter().chain(args).collect();
        let job = Job { counts: true, settings: &environment(), words: &words };
        return Machine::ensure()?.run(&job, |line| println!("{line}")).map(ExitCode::from);
    }
    let mut command = Privilege::find().command(env::binary("qlb-bench"), "the measurement")?;
    command.args(args).envs(environment());
    exec::code(&mut command)
}

/// Where the measured programs are.
fn environment() -> [(&'static str, OsString); 2] {
    [("QLB_BIN", env::binary("qlb").into()), ("QLB_HAIRPIN", object::hairpin().into())]
}
