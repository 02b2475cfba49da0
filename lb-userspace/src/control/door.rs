//! By which hooks a device is served, why, and the proof that packets get through.

use std::net::IpAddr;
use std::time::Duration;

use lb_common::probe::Probe;

use super::ControlError;
use super::outer;
use crate::datapath::{Datapath, Inlet, Seen, examine};
use crate::node::{
    Device, Ear, Features, GRO, NodeError, Peer, Place, RX_VLAN, TX_CHECKSUM, TX_VLAN, device_mac,
    find_device, find_peer, forwarding, forwards,
};

/// Name of the hook in messages.
const XDP: &str = "native XDP";

/// A probe goes from one end of a cable to the other.
const PATIENCE: Duration = Duration::from_secs(1);

/// By which hooks a device is to be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AttachChoice {
    /// What suits the device: both ends of a veth that is plugged into a bridge, native XDP and TC on a NIC that has what it needs, TC
    /// alone on all others.
    #[default]
    Auto,
    /// TC alone.
    Tc,
    /// Native XDP in front of TC, or nothing if something that it needs is missing.
    Xdp,
    /// TC, and at the outer end of a veth, in front of it, too; or nothing if something that it needs is missing.
    Host,
}

/// What stands before the program on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// Nothing.
    None,
    /// An XDP program.
    Xdp,
    /// A program at the outer end.
    Outer,
}

impl Front {
    /// The hooks, for people.
    const fn name(self) -> &'static str {
        match self {
            Self::None => "TC",
            Self::Xdp => "native XDP and TC",
            Self::Outer => "TC on both of its ends",
        }
    }
}

/// How a device is served.
pub(super) struct Door {
    /// What stands before the program on the device.
    pub(super) front: Front,
    /// Whether that may be left out.
    pub(super) optional: bool,
    /// Whether the device has a peer that reads frames of a redirect.
    pub(super) redirects: bool,
    why: String,
    peer: Option<Peer>,
    probe: &'static Probe,
}

impl Door {
    /// Decides for `device` of the namespace `place`, which serves the address `vip`; `joins` if the choice is that of pools that are
    /// there, and nobody has asked for it.
    pub(super) fn choose(
        (choice, joins): (AttachChoice, bool),
        place: &Place,
        device: &Device,
        vip: IpAddr,
    ) -> Result<Self, ControlError> {
        let veth = device.kind.as_deref() == Some("veth");
        let peer = if veth { find_peer(place, device)? } else { None };
        let tc = |why| Self {
            front: Front::None,
            optional: true,
            redirects: veth,
            why,
            peer: peer.clone(),
            probe: Probe::of(vip),
        };
        let asked = if joins { "as the pools that are there" } else { "as asked for" }.to_owned();
        match choice {
            AttachChoice::Tc => return Ok(tc(asked)),
            AttachChoice::Auto if veth => {
                let why = "it is a veth device, plugged into a bridge".to_owned();
                let otherwise = shuns(place, device, peer.as_ref())?;
                return Ok(otherwise.map_or_else(|| Self { front: Front::Outer, ..tc(why) }, tc));
            }
            AttachChoice::Auto => {
                if let Some(why) = unfit(device) {
                    return Ok(tc(why));
                }
            }
            AttachChoice::Host => {
                let (front, needs) = (Front::Outer, outer::needs(place, device, peer.as_ref())?);
                return match (needs.is_empty(), joins) {
                    (true, _) => Ok(Self { front, optional: joins, ..tc(asked) }),
                    (false, true) => Ok(tc(wanting(front.name(), &needs))),
                    (false, false) => Err(lacking(device, front.name(), needs)),
                };
            }
            AttachChoice::Xdp => {}
        }
        let needs = needs(place, device, vip, veth.then_some(peer.as_ref()))?;
        let is_auto = choice == AttachChoice::Auto;
        let optional = is_auto || joins;
        match (needs.is_empty(), optional) {
            (true, _) => {
                let why = match is_auto {
                    true => "its hardware may have a driver for it".to_owned(),
                    false => asked,
                };
                Ok(Self { front: Front::Xdp, optional, ..tc(why) })
            }
            (false, true) => Ok(tc(wanting("XDP", &needs))),
            (false, false) => Err(lacking(device, XDP, needs)),
        }
    }

    /// The same device with nothing in front, because of `why`.
    pub(super) fn without(self, why: &ControlError) -> Self {
        let why = format!("{} was tried: {}", self.front.name(), why.chain());
        Self { front: Front::None, why, ..self }
    }

    /// The same device, which is to share programs with others: no XDP program can be among them.
    pub(super) fn shared(self, device: &Device) -> Result<Self, ControlError> {
        match (self.front, self.optional) {
            (Front::None | Front::Outer, _) => Ok(self),
            (Front::Xdp, true) => {
                let why =
                    "it shares its programs with other devices, and XDP's are for one".to_owned();
                Ok(Self { front: Front::None, why, ..self })
            }
            (Front::Xdp, false) => {
                let needs = vec![
                    "it shares its programs with other devices: end its pools, and declare the first one \
                     with `max_connections`, so that it gets its own"
                        .to_owned(),
                ];
                Err(lacking(device, XDP, needs))
            }
        }
    }

    /// The hooks, for people.
    pub(super) const fn name(&self) -> &'static str {
        self.front.name()
    }

    /// Why they were chosen.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    /// The other end of the device, if it is known.
    pub(super) const fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// Who has to go on reading what the XDP program sends.
    pub(super) fn reader(self) -> Option<Peer> {
        self.peer.filter(|_| self.front == Front::Xdp)
    }

    /// Sends a probe by the way that packets will take. Says what that has proved, and fails where it was
    /// refuted.
    pub(super) fn prove(
        &self,
        datapath: &mut Datapath,
        place: &Place,
        device: &Device,
    ) -> Result<String, ControlError> {
        let name = device.name.as_str();
        let ifindex = device.index;
        let mac = place.run(|| Ok::<_, NodeError>(device_mac(ifindex)))?;
        let Some(mac) = mac else { return Ok(format!("{name} has no MAC address to probe")) };
        let inlet = Inlet { ifindex, mac };
        let probe = self.probe;
        let look =
            |frame: &[u8]| Some(examine(frame, probe, mac)).filter(|seen| *seen != Seen::Other);
        let wrong = |at: &str| ControlError::Probe {
            device: name.to_owned(),
            what: format!("comes to {at} with wrong checksums"),
        };
        let early = self.front == Front::Xdp;
        if let (true, None) = (early, &self.peer) {
            let back = place
                .run(|| datapath.probe_early(probe, inlet, false).map_err(ControlError::from))?;
            return match back.as_deref().and_then(look) {
                Some(Seen::Right) => Ok(format!(
                    "a probe is rewritten with right checksums; whether {name} sends it is not proved, \
                     as no receiver behind it is known"
                )),
                _ => Err(wrong("this program")),
            };
        }
        let (at, there, index) = match &self.peer {
            Some(Peer { place, device }) => (device.name.as_str(), place, device.index),
            None => (name, place, ifindex),
        };
        let ear = Ear::at(there, index)?;
        place.run(|| match early {
            true => datapath.probe_early(probe, inlet, true).map(drop).map_err(ControlError::from),
            false => datapath.probe(probe, inlet).map(drop).map_err(ControlError::from),
        })?;
        match ear.hear(PATIENCE, look)? {
            Some(Seen::Right) if self.peer.is_some() => {
                Ok(format!("a probe came to its peer {at} with right checksums"))
            }
            Some(Seen::Right) => Ok(format!("a probe left by {at} with right checksums")),
            Some(_) => Err(wrong(at)),
            None if early => Err(ControlError::Probe {
                device: name.to_owned(),
                what: format!("does not come to its peer {at}"),
            }),
            None => Ok(format!("no probe came to {at}: is the link up?")),
        }
    }
}

/// Why a hook is not chosen that nobody has asked for.
fn wanting(hook: &str, needs: &[String]) -> String {
    format!("{hook} would need more: {}", needs.join("; "))
}

/// A device that a hook cannot serve, because of what it lacks.
fn lacking(device: &Device, hook: &'static str, needs: Vec<String>) -> ControlError {
    ControlError::Unfit { device: device.name.clone(), hook, needs }
}

/// Whether a peer still reads what XDP sends to it. One that is gone took the other end along.
pub(super) fn reads(peer: &Peer) -> Result<bool, NodeError> {
    peer.place.run(|| {
        let Some(device) = find_device(peer.device.index)? else { return Ok(true) };
        Ok(polls(&device, &Features::of(device.index)?))
    })
}

/// Whether a veth polls its queue (NAPI), into which a redirect puts frames.
fn polls(device: &Device, features: &Features) -> bool {
    device.xdp || features.has(GRO)
}

/// Why nobody should choose the outer end of a veth without being asked to, if so.
fn shuns(place: &Place, device: &Device, peer: Option<&Peer>) -> Result<Option<String>, NodeError> {
    let needs = outer::needs(place, device, peer)?;
    match (needs.is_empty(), peer) {
        (true, Some(peer)) => outer::doubts(peer),
        _ => Ok(Some(wanting(Front::Outer.name(), &needs))),
    }
}

/// Why XDP is nothing for a device that is no veth, if it is not.
fn unfit(device: &Device) -> Option<String> {
    let why = "what it receives inside a host is larger than its MTU and has no checksums yet, which \
               only TC keeps so";
    match (device.kind.as_deref(), device.bus.as_deref()) {
        (Some(kind), _) => Some(format!("it is a {kind} device, and {why}")),
        (None, None) => Some(format!("it has no hardware, and {why}")),
        (None, Some(_)) => None,
    }
}

/// What native XDP lacks on a device, each with what to do. `peer` is for a veth.
fn needs(
    place: &Place,
    device: &Device,
    vip: IpAddr,
    peer: Option<Option<&Peer>>,
) -> Result<Vec<String>, NodeError> {
    let mut needs = Vec::new();
    let name = device.name.as_str();
    if !place.run(|| forwards(name, vip))? {
        needs.push(format!(
            "{} is 0 in namespace {}, so the kernel tells no next hops; \
             set it to 1 there",
            forwarding(name, vip),
            place.describe()
        ));
    }
    match peer {
        Some(Some(Peer { place, device })) => {
            let (features, name) = (place.run(|| Features::of(device.index))?, &device.name);
            if !polls(device, &features) {
                needs.push(format!(
                    "its peer {name} reads no frames that XDP sends: run `ethtool -K {name} gro on`, or \
                     put an XDP program on it"
                ));
            }
            if features.has(TX_CHECKSUM) {
                needs.push(format!(
                    "its peer {name} sends what has no checksum yet: run `ethtool -K {name} tx off`"
                ));
            }
            if features.has(TX_VLAN) {
                needs.push(format!(
                    "its peer {name} sends VLAN tags beside the frame, where XDP cannot see them: run \
                     `ethtool -K {name} txvlan off`"
                ));
            }
        }
        Some(None) => needs.push(format!(
            "the peer of {name} is in a namespace without a name here, and nobody can tell whether it reads \
             what XDP sends"
        )),
        None if place.run(|| Features::of(device.index))?.has(RX_VLAN) => needs.push(format!(
            "{name} takes VLAN tags off, and XDP cannot see them: run `ethtool -K {name} rxvlan off`"
        )),
        None => {}
    }
    Ok(needs)
}
