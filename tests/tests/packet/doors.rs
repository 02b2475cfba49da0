//! The datapaths that cases run in.

use std::sync::Mutex;

use lb_tests::datapath::Kernel;

/// What frames meet, and whether the programs are replaced before the thing that the case is about.
pub(super) const RUNS: [(Doors, bool, &str); 4] = [
    (Doors::Tc, false, ""),
    (Doors::Zone, true, " (in a zone, after an upgrade)"),
    (Doors::Xdp, false, " (XDP in front)"),
    (Doors::Outer, true, " (past the outer end, after an upgrade)"),
];

/// What frames meet first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doors {
    /// The TC program.
    Tc,
    /// The XDP program.
    Xdp,
    /// The program of a device that shares all others.
    Zone,
    /// The program at the outer end of such a device.
    Outer,
}

/// The XDP program leaves nothing to TC for the neighbour's sake: no two times of these tests are so far apart.
const CONFIRM: u32 = 63;

/// What a datapath is loaded with: its room, and what frames meet.
pub(super) type Loading = (u32, Doors);

/// Datapaths that no case uses now: verifying the programs takes longer than most tests.
pub(super) static IDLE: Mutex<Vec<(Loading, Kernel)>> = Mutex::new(Vec::new());

/// A datapath of this kind that nobody uses.
pub(super) fn idle(wanted: Loading) -> Kernel {
    let mut idle = IDLE.lock().unwrap();
    if let Some(found) = idle.iter().position(|(loading, _)| *loading == wanted) {
        return idle.swap_remove(found).1;
    }
    drop(idle);
    match wanted {
        (room, Doors::Xdp) => Kernel::load_in_front(room, CONFIRM, false).unwrap(),
        (room, Doors::Outer) => Kernel::load_outside(room, true).unwrap(),
        (room, Doors::Zone) => Kernel::load_in_zone(room).unwrap(),
        (room, Doors::Tc) => Kernel::load(room).unwrap(),
    }
}
