//! The programs that let packets go by without coming to the VIP's device: putting them there, and taking them away.

use std::path::Path;

use super::ControlError;
use super::programs::Programs;
use crate::datapath::{Attach, Hook, HookChoice, Post, detach};
use crate::node::{Device, NodeError, Peer, Place, find_device, root_qdisc};
use crate::registry::{Outer, Record};

/// What is to be attached, and where.
#[derive(Clone, Copy)]
pub(super) struct Outside<'a> {
    /// Namespace of the VIP's device, and the device.
    pub(super) place: &'a Place,
    pub(super) device: &'a Device,
    /// Which hook to use.
    pub(super) choice: HookChoice,
    /// Zone of the device.
    pub(super) zone: u16,
    /// Where links are pinned.
    pub(super) links: &'a Path,
    /// Whether the clsact qdisc of the VIP's device, if there is one, was added by qlb: it goes with whoever leaves it last.
    pub(super) qdisc_ours: bool,
}

impl Outside<'_> {
    /// Puts both programs there, `peer` being the outer end, or in the places of those that are there `before`. The one that learns
    /// comes first.
    pub(super) fn attach(
        &self,
        programs: &mut Programs,
        peer: &Peer,
        before: Option<&Outer>,
    ) -> Result<Outer, ControlError> {
        let Self { place, device, .. } = self;
        let netns = peer.place.number()?;
        let learner = before.map(|before| &before.learner);
        let learner = place.run(|| self.put(programs, Post::Learner, device, learner))?;
        let is_there =
            |before: &&Outer| (before.netns, before.ifindex) == (netns, peer.device.index);
        let outer = before.filter(is_there).map(|before| &before.hook);
        let hook = peer.place.run(|| self.put(programs, Post::Outer, &peer.device, outer));
        let hook = hook.inspect_err(|_| {
            // What does not stand as a pair must not be taken for one later; one that does goes on.
            if before.is_none() {
                let _ = place.run(|| detach(device.index, &learner, self.links, Post::Learner));
            }
        })?;
        Ok(Outer {
            namespace: peer.place.name().to_owned(),
            netns,
            device: peer.device.name.clone(),
            ifindex: peer.device.index,
            hook,
            learner,
        })
    }

    fn put(
        &self,
        programs: &mut Programs,
        post: Post,
        device: &Device,
        before: Option<&Hook>,
    ) -> Result<Hook, ControlError> {
        let shares_qdisc = post == Post::Learner && self.qdisc_ours;
        let qdisc_ours = shares_qdisc || before.is_some_and(Hook::added_qdisc);
        let how = Attach { post, choice: self.choice, before, qdisc_ours };
        programs.attach(self.zone, device, self.links, how)
    }
}

/// Takes the programs away, if there are any: the one at the outer end first, as nobody learns for it any more. `place` is that
/// of the VIP's device, if it can be entered; one that is gone took its programs along.
pub(super) fn close(
    record: &Record,
    place: Option<&Place>,
    links: &Path,
) -> Result<(), ControlError> {
    let off = |ifindex, hook, post| detach(ifindex, hook, links, post).map_err(ControlError::from);
    let Some(outer) = &record.outer else {
        // Who was killed may not have noted what it had put there; links are found by their pins.
        let stray = |post| off(record.ifindex, &Hook::Tcx, post);
        return [Post::Outer, Post::Learner].into_iter().try_for_each(stray);
    };
    let there = Place::named(&outer.namespace);
    let there = there.number().is_ok_and(|number| number == outer.netns).then_some(there);
    let ends = [
        (&outer.hook, Post::Outer, outer.ifindex, there.as_ref()),
        (&outer.learner, Post::Learner, record.ifindex, place),
    ];
    for (hook, post, ifindex, place) in ends {
        match (hook, place) {
            // The pin is enough, wherever the device is.
            (Hook::Tcx, _) => off(ifindex, hook, post)?,
            (Hook::Clsact { .. }, Some(place)) => place.run(|| off(ifindex, hook, post))?,
            (Hook::Clsact { .. }, None) => {}
        }
    }
    Ok(())
}

/// What a device lacks for packets to go by at its outer end, each with what to do.
pub(super) fn needs(
    place: &Place,
    device: &Device,
    peer: Option<&Peer>,
) -> Result<Vec<String>, NodeError> {
    let name = device.name.as_str();
    if device.kind.as_deref() != Some("veth") {
        let kind = device.kind.as_deref().map_or("no veth".to_owned(), |kind| format!("a {kind}"));
        return Ok(vec![format!("{name} is {kind} device, and only a veth has another end")]);
    }
    let Some(peer) = peer else {
        return Ok(vec![format!(
            "the other end of {name} is in a namespace without a name here: give it one (`ip netns attach`)"
        )]);
    };
    let mut needs = Vec::new();
    for (place, device) in [(place, device), (&peer.place, &peer.device)] {
        if let Some(kind) = place.run(|| root_qdisc(device.index))? {
            needs.push(format!(
                "{} has the qdisc {kind}, which would not see what goes by: remove it with `tc qdisc del dev {} root`",
                device.name, device.name
            ));
        }
    }
    Ok(needs)
}

/// Why packets of a device that lacks nothing are not known to get through at its outer end: it is no port of a bridge of Linux.
pub(super) fn doubts(peer: &Peer) -> Result<Option<String>, NodeError> {
    let Peer { place, device } = peer;
    let controller = device.controller.map_or(Ok(None), |at| place.run(|| find_device(at)))?;
    let name = &device.name;
    Ok(match controller {
        Some(bridge) if bridge.kind.as_deref() == Some("bridge") => None,
        Some(other) => {
            Some(format!("its other end {name} is a port of {}, which is no bridge", other.name))
        }
        None => Some(format!("its other end {name} is no port of a bridge")),
    })
}
