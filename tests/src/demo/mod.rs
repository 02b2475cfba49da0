//! The story behind `cargo xtask demo`: two pools of the LBaaS v1 tutorials on one network node,
//! real ssh and HTTP, and every sentence of it checked while it is told.
//!
//! A chapter states claims through [`Story::claim`]; the verdict is made of nothing else.

mod confs;
mod controller;
mod failure;
mod hold;
mod interrupt;
mod json;
mod node;
mod paper;
mod served;
mod ssh;
mod story;
mod summary;
pub(crate) mod table;
mod view;
mod web;
mod world;

use controller::Controller;
pub use failure::Failure;
use node::Node;
use story::Story;
use summary::Summary;
use world::World;

use crate::Qlb;

/// What the reader can choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that is shown.
    pub qlb: Qlb,
    /// Keep the node after the verdict until a signal comes.
    pub hold: bool,
}

/// Tells the story inside the sandbox this process runs in. Answers whether every claim held.
///
/// # Errors
/// [`Failure::Interrupted`] after SIGINT or SIGTERM, with everything taken down; otherwise what
/// kept the story from being told.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let mut story = Story::begin()?;
    let before = World::look();
    story.paper.title("qlb: the load balancer of a network node, in the kernel")?;

    let node = Node::build(&mut story)?;
    let mut controller = Controller::start(&mut story, options.qlb.clone())?;
    let told = chapters(&mut story, &node, &controller);
    if matches!(told, Err(Failure::Harness(_) | Failure::Answer { .. })) {
        eprintln!("qlb's log ends with:\n{}", controller.log_tail());
    }
    let summary = told?;
    if options.hold {
        summary.tell(&mut story)?;
        story.verdict()?;
        return Err(hold::wait(&story, &controller)?);
    }

    story.paper.chapter("Everything is taken down")?;
    controller.stop(&mut story)?;
    drop(controller);
    drop(node);
    before.claim_unchanged(&mut story)?;
    summary.tell(&mut story)?;
    story.verdict()
}

fn chapters(story: &mut Story, node: &Node, controller: &Controller) -> Result<Summary, Failure> {
    let mut served = ssh::tell(story, node, controller)?;
    served.extend(web::tell(story, node, controller)?);
    Summary::collect(controller, &served)
}
