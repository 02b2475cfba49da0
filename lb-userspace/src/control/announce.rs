//! Announcing the addresses of pools, so that neighbours which remember another MAC address find them at once.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{ControlError, Serving};
use crate::config::PoolSpec;
use crate::node::{NodeError, Spot, Told};

/// Between rounds. A neighbour may heed nothing more about an entry for a second after that has changed (Linux:
/// `net.ipv4.neigh.*.locktime`, which newer kernels waive for gratuitous ARP), so the next round has to be more than a second
/// away. RFC 4861 section 7.2.6 wants a second (RetransTimer) between advertisements as well.
const SPACING: Duration = Duration::from_millis(1500);

/// How often a start looks again where nobody can be told yet: a minute in all.
const PATIENCE: u32 = 40;

/// An address at a device: the number of the namespace, the device's index, the address.
type Key = (u64, u32, IpAddr);

/// What starts announce just now. Pools at one address need not repeat it for each other.
static UNDER_WAY: Mutex<BTreeSet<Key>> = Mutex::new(BTreeSet::new());

/// In how many rounds addresses are announced; 0 is not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounds(pub u8);

impl Rounds {
    /// The most that can be asked for: a minute and a half.
    pub const MAX: u8 = 60;
}

impl Default for Rounds {
    /// As many as the LBaaS agent's `send_gratuitous_arp`, and the most that RFC 4861 section 10 allows
    /// (MAX_NEIGHBOR_ADVERTISEMENT).
    fn default() -> Self {
        Self(3)
    }
}

/// What has become of an address that was to be announced.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The MAC address that neighbours know now; none if they were not told.
    pub(super) mac: Option<[u8; 6]>,
    /// How often they were told.
    pub(super) rounds: u8,
    /// Why they were not told more often.
    pub(super) reason: Option<String>,
    /// Whether the address is there no more.
    is_gone: bool,
    /// Whether nothing more is to be done.
    is_over: bool,
}

impl Outcome {
    fn take_in(&mut self, told: Result<Told, NodeError>) {
        match told {
            Ok(Told::Sent(mac)) => {
                (self.mac, self.reason) = (Some(mac), None);
                self.rounds += 1;
            }
            Ok(Told::NotYet(why)) => self.reason = Some(why.to_owned()),
            Ok(Told::Gone) => {
                self.reason = Some("the device does not have the address any more".to_owned());
                (self.is_gone, self.is_over) = (true, true);
            }
            Err(error) => {
                self.reason = Some(ControlError::from(error).chain());
                self.is_over = true;
            }
        }
    }
}

/// The addresses of a pool at its device: those at which members' answers come in as well.
pub(super) fn addresses(pool: &PoolSpec) -> impl Iterator<Item = IpAddr> {
    pool.vip.iter().map(|vip| vip.address).chain(pool.snat_addresses.iter().copied())
}

/// Has the addresses of pools announced that are served from now on, beside whatever else happens.
pub(super) fn begin(pools: &[PoolSpec], serving: &[Serving], rounds: Rounds) {
    if rounds == Rounds(0) {
        return;
    }
    let of = |(pool, serving): (&PoolSpec, &Serving)| {
        let ((netns, ifindex), place) = (serving.at(), serving.place().clone());
        let device = serving.device().to_owned();
        let spot = move |address| Spot {
            place: place.clone(),
            netns,
            ifindex,
            device: device.clone(),
            address,
        };
        addresses(pool).map(spot).collect::<Vec<Spot>>()
    };
    let mut spots: Vec<Spot> = pools.iter().zip(serving).flat_map(of).collect();
    let work = move || {
        spots.retain(|spot| under_way().insert(key(spot)));
        announce(&spots, rounds, u32::from(rounds.0) + PATIENCE, |spot, outcome| {
            under_way().remove(&key(spot));
            report(spot, outcome, rounds);
        });
    };
    if let Err(error) = thread::Builder::new().name("announcer".to_owned()).spawn(work) {
        tracing::warn!("no address is announced: cannot start a thread: {error}");
    }
}

/// Tells the neighbours of every address in so many rounds. What cannot be told yet is tried again, `tries` times in all; `end`
/// hears at once of each that nothing more is to be done for.
pub(super) fn announce(
    spots: &[Spot],
    rounds: Rounds,
    tries: u32,
    end: impl Fn(&Spot, &Outcome),
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = spots.iter().map(|_| Outcome::default()).collect();
    for left in (0..tries).rev() {
        for (spot, outcome) in spots.iter().zip(&mut outcomes) {
            if outcome.is_over {
                continue;
            }
            outcome.take_in(spot.tell());
            outcome.is_over |= outcome.rounds == rounds.0 || left == 0;
            if outcome.is_over {
                end(spot, outcome);
            }
        }
        if outcomes.iter().all(|outcome| outcome.is_over) {
            break;
        }
        thread::sleep(SPACING);
    }
    outcomes
}

fn report(Spot { device, address, .. }: &Spot, outcome: &Outcome, rounds: Rounds) {
    let Outcome { rounds: told, reason, is_gone, .. } = outcome;
    match reason {
        Some(reason) if !is_gone => tracing::warn!(
            "{address} is announced on {device} in {told} of {} rounds: {reason}; `qlb announce` does it again",
            rounds.0
        ),
        // Whoever takes an address away knows.
        Some(_) | None => tracing::debug!("{address} is announced on {device} in {told} rounds"),
    }
}

const fn key(spot: &Spot) -> Key {
    (spot.netns, spot.ifindex, spot.address)
}

fn under_way() -> MutexGuard<'static, BTreeSet<Key>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}
