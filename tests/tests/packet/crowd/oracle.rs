//! Whose turn it is, by looking at all members.

use std::collections::BTreeSet;

/// Least connections as HAProxy has it, the slow way.
pub(super) struct Oracle {
    pub(super) weights: Vec<u64>,
    pub(super) active: Vec<u64>,
    pub(super) stamps: Vec<u64>,
    now: u64,
    /// Ejected members.
    pub(super) out: BTreeSet<usize>,
}

impl Oracle {
    pub(super) fn new(weights: &[u32]) -> Self {
        let weights: Vec<u64> = weights.iter().copied().map(u64::from).collect();
        let zero = vec![0; weights.len()];
        Self { weights, active: zero.clone(), stamps: zero, now: 0, out: BTreeSet::new() }
    }

    pub(super) fn next(&self) -> usize {
        self.next_but(None)
    }

    /// Who is next if this member is to be avoided.
    pub(super) fn next_but(&self, avoided: Option<usize>) -> usize {
        let key = |member: &usize| {
            let pressure = match self.active[*member] {
                0 => 0,
                active => (active + 1) * 256 / self.weights[*member],
            };
            (self.out.contains(member), pressure, self.stamps[*member])
        };
        let others = (0..self.weights.len()).filter(|member| Some(*member) != avoided);
        others.min_by_key(key).unwrap()
    }

    pub(super) fn change(&mut self, member: usize, by: i64) {
        self.now += 1;
        self.stamps[member] = self.now;
        self.active[member] = self.active[member].checked_add_signed(by).unwrap();
    }
}

/// By how much `active` per weight differ.
pub(super) fn spread(active: &[u64], weights: &[u64]) -> f64 {
    let each = || active.iter().zip(weights).map(|(n, w)| *n as f64 / *w as f64);
    each().fold(0.0, f64::max) - each().fold(f64::MAX, f64::min)
}
