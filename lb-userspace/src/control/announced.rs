//! Announcing the addresses of pools because somebody asks for it.

use super::announce::{Rounds, addresses, announce};
use super::standing::{Whereabouts, whereabouts};
use crate::node::Spot;
use crate::registry::Served;
use crate::report::{API_VERSION, Announcement, Announcements};

/// Announces every address of these pools, an address that several of them have once, and says what has become of each. Returns
/// when the last round is over.
#[must_use]
pub fn announce_served(served: &[Served], rounds: Rounds) -> Announcements {
    let rows: Vec<(Announcement, Option<Spot>)> = served.iter().flat_map(rows).collect();
    let mut spots: Vec<Spot> = Vec::new();
    for spot in rows.iter().filter_map(|(_, spot)| spot.as_ref()) {
        if !spots.contains(spot) {
            spots.push(spot.clone());
        }
    }
    let outcomes = announce(&spots, rounds, rounds.0.into(), |_, _| {});
    let tell = |(row, spot): (Announcement, Option<Spot>)| {
        let index = spots.iter().position(|it| Some(it) == spot.as_ref());
        let Some(outcome) = index.and_then(|index| outcomes.get(index)) else { return row };
        let (mac, rounds) = (outcome.mac.map(written), outcome.rounds.into());
        Announcement { mac, rounds, reason: outcome.reason.clone(), ..row }
    };
    let announcements = rows.into_iter().map(tell).collect();
    Announcements { api_version: API_VERSION.to_owned(), announcements }
}

/// Each address of a pool as not announced yet, and where it is to be; none if nobody can get there.
fn rows(Served { record, pool }: &Served) -> Vec<(Announcement, Option<Spot>)> {
    let (place, reason) = match whereabouts(record) {
        Whereabouts::At(place) => (Some(place), None),
        Whereabouts::Gone => (None, Some("the namespace is not there any more")),
        Whereabouts::Elsewhere => (None, Some("the namespace has no name, and is not this one")),
    };
    let row = |address| {
        let spot = place.clone().map(|place| Spot {
            place,
            netns: record.netns,
            ifindex: record.ifindex,
            device: record.device.clone(),
            address,
        });
        let row = Announcement {
            pool: pool.id.to_string(),
            address: address.to_string(),
            namespace: Some(record.namespace.clone()).filter(|name| !name.is_empty()),
            device: record.device.clone(),
            mac: None,
            rounds: 0,
            reason: reason.map(str::to_owned),
        };
        (row, spot)
    };
    addresses(pool).map(row).collect()
}

fn written(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
