//! The outer end of a VIP's device: the next hops that are known there, and some that are not; and test runs of its program.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use aya::maps::{HashMap, Map, MapData, MapInfo};
use aya::programs::SchedClassifier;
use lb_common::state::{HopKey, NextHop, mac_word};
use lb_userspace::datapath::{Datapath as Loaded, Post};
use zerocopy::transmute;

use super::kernel::show;
use super::{Act, Error, Family, Ran};

/// The map of next hops.
const MAP: &str = "NEXT_HOPS";
/// Bytes of an Ethernet header's two addresses.
const ADDRESSES: usize = 12;

/// When next hops were learned: no clock comes there, so none is to be learned anew.
const LEARNED: u64 = 1 << 62;

/// A host whose next hop was learned when the machine started, and one whose frames the device sent by another MAC address.
const LONG_AGO: u8 = 252;
const READDRESSED: u8 = 253;

/// Every next hop that is known, of hosts of 10.0.0.0/24 and what that is in IPv6. The device has the MAC address zero, to
/// which stories address their frames.
pub(super) fn known_hops(zone: u16) -> impl Iterator<Item = (HopKey, NextHop)> {
    let hosts = (1..=254).filter(|host| host % 4 != 3);
    hosts.flat_map(move |host| {
        Family::ALL.map(|family| {
            let at = family.end(SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), 0)).ip();
            let (to, asked) = (mac_word(mac_of(host)).into(), 0.into());
            let from = if host == READDRESSED { 1 } else { 0 }.into();
            let learned = if host == LONG_AGO { 1 } else { LEARNED }.into();
            (HopKey::new(at.into(), zone), NextHop { to, from, learned, asked })
        })
    })
}

/// The MAC address of a host, by the end of its address of either family.
const fn mac_of(host: u8) -> [u8; 6] {
    [2, 0, 0, 2, 0, host]
}

/// Lets the loaded programs know the next hops, and pins the map that has them, which no qlb does.
pub(super) fn fill(loaded: &mut Loaded, zone: u16, pins: &Path) -> Result<(), Error> {
    let ids = loaded.at(Post::Outer)?.info()?.map_ids()?.unwrap_or_default();
    let is_it = |id: &u32| MapInfo::from_id(*id).is_ok_and(|info| info.name_as_str() == Some(MAP));
    let id = ids.into_iter().find(is_it).ok_or(Error::NoHops)?;
    let pin = pins.join(MAP);
    let _ = fs::remove_file(&pin);
    MapData::from_id(id)?.pin(&pin)?;
    let map = Map::from_map_data(MapData::from_id(id)?)?;
    let mut hops: HashMap<MapData, [u8; size_of::<HopKey>()], [u8; size_of::<NextHop>()]> =
        map.try_into()?;
    for (key, hop) in known_hops(zone) {
        let (key, hop): ([u8; _], [u8; _]) = (transmute!(key), transmute!(hop));
        hops.insert(key, hop, 0)?;
    }
    Ok(())
}

/// What the program makes of a frame on its way to the device, none if it passes it on. What it passes on must be as it came,
/// and what it sends addressed to the next hop.
pub(super) fn run(
    program: &SchedClassifier,
    frame: &[u8],
    gso_size: Option<u32>,
) -> Result<Option<Ran>, Error> {
    let (ran, _) = show(program, frame, gso_size)?;
    let wrong = |what| Err(Error::Outer { what, frame: ran.frame.clone() });
    match ran.act {
        Act::Pass if ran.frame == frame => Ok(None),
        Act::Pass => wrong("passes on what it has changed"),
        Act::Drop => Ok(Some(ran)),
        Act::Send => match readdressed(&ran.frame, frame) {
            Some(frame) => Ok(Some(Ran { frame, ..ran })),
            None => wrong("does not address a frame to its next hop"),
        },
        Act::Other(_) => wrong("returns something else"),
    }
}

/// The frame that went out, with the addresses of the one that came; none if its own are not those of the device and of
/// the next hop.
pub(super) fn readdressed(out: &[u8], came: &[u8]) -> Option<Vec<u8>> {
    let end = if came.get(12..14)? == [0x86, 0xdd] { 54 } else { 34 };
    let right = [mac_of(*out.get(end - 1)?), [0; 6]].concat();
    (out[..ADDRESSES] == right).then(|| [&came[..ADDRESSES], &out[ADDRESSES..]].concat())
}
