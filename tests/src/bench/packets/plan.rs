//! Which rows there are: one thing changes at a time, from one point.

use lb_common::state::Method;

use super::frames::Segment;
use super::measure::{Effort, MANY};
use super::path::{Case, Path, Setting};
use crate::datapath::{Family, METHODS};

/// The point from which all rows differ in one thing.
pub(super) const BASE: Case = Case {
    path: Path::Along(Segment::ClientData),
    setting: Setting::Tc,
    family: Family::V4,
    method: Method::RoundRobin,
    pools: 1,
    members: 64,
    flows: 1024,
};

pub(super) const ALONG: [Path; 4] = [
    Path::Along(Segment::ClientData),
    Path::Along(Segment::ClientAck),
    Path::Along(Segment::MemberData),
    Path::Along(Segment::MemberAck),
];
pub(super) const ONCE: [Path; 4] = [Path::FirstFin, Path::SecondFin, Path::Reset, Path::Redispatch];
pub(super) const PASSED: [Path; 2] = [Path::OtherPort, Path::NotIp];
const MILLION: u32 = 1_000_000;

/// Rows, and how much is measured of each.
pub(super) struct Plan {
    pub(super) cases: Vec<Case>,
    pub(super) effort: Effort,
}

impl Plan {
    /// All of it.
    pub(super) fn full() -> Self {
        let mut cases = Vec::new();
        for flows in [1, 1024, MANY, MILLION] {
            cases.extend(ALONG.map(|path| Case { path, flows, ..BASE }));
            if flows >= 1024 {
                cases.push(Case { path: Path::Opens, flows, ..BASE });
            }
        }
        cases.extend(ONCE.into_iter().chain(PASSED).map(|path| Case { path, ..BASE }));
        cases.extend([2, 1024, 4096].map(|members| Case { members, flows: MANY, ..BASE }));
        for method in METHODS {
            let opens = |members| opens(method, members);
            cases.extend(
                [2, 64, 1024, 4096]
                    .map(opens)
                    .into_iter()
                    .filter(|it| !cases.contains(it))
                    .collect::<Vec<_>>(),
            );
        }
        cases.extend(elsewhere(&[1, MANY]));
        for path in [ALONG[0], ALONG[2]] {
            cases.push(Case { path, setting: Setting::Xdp, flows: MILLION, ..BASE });
        }
        for pools in [32, 1000] {
            cases.extend([ALONG[0], Path::Opens].map(|path| Case { path, pools, ..BASE }));
        }
        Self { cases, effort: Effort { batches: 9, packets: 65_536, connections: 16_384 } }
    }

    /// What takes a minute.
    pub(super) fn quick() -> Self {
        let mut cases = Vec::new();
        for flows in [1, MANY] {
            cases.extend([ALONG[0], ALONG[2]].map(|path| Case { path, flows, ..BASE }));
        }
        cases.extend(ONCE.into_iter().chain(PASSED).map(|path| Case { path, ..BASE }));
        cases.extend([2, 4096].map(|members| opens(Method::RoundRobin, members)));
        cases.extend([2, 4096].map(|members| opens(Method::LeastConn, members)));
        cases.extend(elsewhere(&[1]));
        Self { cases, effort: Effort { batches: 5, packets: 32_768, connections: 8192 } }
    }
}

/// A SYN to a pool of so many members, each of which has a connection.
fn opens(method: Method, members: usize) -> Case {
    let flows = BASE.flows.max(members as u32);
    Case { path: Path::Opens, method, members, flows, ..BASE }
}

/// The other family, a shared datapath, and XDP.
fn elsewhere(flows: &[u32]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut along = |base: Case| {
        cases.extend(flows.iter().map(|flows| Case { flows: *flows, ..base }));
        cases.push(Case { path: Path::Opens, ..base });
    };
    along(Case { family: Family::V6, ..BASE });
    along(Case { setting: Setting::Shared, ..BASE });
    along(Case { setting: Setting::Outer, ..BASE });
    for family in Family::ALL {
        let base = Case { setting: Setting::Xdp, family, ..BASE };
        along(base);
    }
    let outer = [ALONG[2], Path::FirstFin, Path::OtherPort];
    cases.extend(outer.map(|path| Case { path, setting: Setting::Outer, ..BASE }));
    let base = Case { setting: Setting::Xdp, ..BASE };
    let others = [ALONG[2], Path::FirstFin, Path::OtherPort, Path::NotIp];
    cases.extend(others.map(|path| Case { path, ..base }));
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_there_twice() {
        for plan in [Plan::full(), Plan::quick()] {
            for (index, case) in plan.cases.iter().enumerate() {
                assert!(!plan.cases[..index].contains(case), "{}", case.told());
            }
        }
    }
}
