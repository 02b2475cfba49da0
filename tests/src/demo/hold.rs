//! `--hold`: the node stays for whoever wants to look inside.

use super::controller::Controller;
use super::node::short;
use super::{Failure, Story};
use crate::sandbox;
use crate::topology::{SSH_POOL, WEB_POOL};

/// Tells how to get in, then waits for a signal.
pub(super) fn wait(story: &Story, controller: &Controller) -> Result<Failure, Failure> {
    let paper = &story.paper;
    let program = controller.qlb.program().display();
    let enter = match sandbox::init_pid() {
        Some(pid) => format!("nsenter -t {pid} -a"),
        // Started by hand inside a sandbox's shell: the reader is there already.
        None => String::new(),
    };
    let run = |command: &str| paper.command(format!("{enter} {command}").trim_start());
    paper.blank()?;
    paper.line("The node stays until Ctrl-C. As root, from another terminal:")?;
    run(&format!("{program} status"))?;
    run(&format!("{program} member list {}", short(&SSH_POOL)))?;
    run(&format!("ip netns exec {} curl -i http://{}/", WEB_POOL.router, WEB_POOL.vip))?;
    run("ip netns list")?;
    run("bash")?;
    Ok(story.interrupt.wait())
}
