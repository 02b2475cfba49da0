//! The rules by which statuses come about.

use serde::Serialize;
use utoipa::ToSchema;

/// What the statuses of a pool follow from.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whether the datapath is on the VIP's device; what cannot be told from here counts as being there.
    pub attached: bool,
    /// Admin state of the VIP.
    pub vip_up: bool,
    /// Admin state of the pool.
    pub pool_up: bool,
    /// Whether the VIP has as many connections as it may.
    pub full: bool,
    /// The members of the pool.
    pub members: Vec<MemberFacts>,
}

/// What the statuses of a member follow from.
#[derive(Clone, Debug)]
pub struct MemberFacts {
    /// Its id.
    pub id: String,
    /// Its admin state.
    pub admin_state_up: bool,
    /// Its weight.
    pub weight: u16,
    /// What is known of its health.
    pub seen: Seen,
}

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nobody looks.
    Unmonitored,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

/// Statuses of LBaaS v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum V1 {
    /// Served.
    Active,
    /// A member that its monitor finds down.
    Inactive,
    /// Not served though it should be.
    Error,
}

/// Operating statuses of LBaaS v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum V2 {
    /// Serves.
    Online,
    /// Does not, though it should.
    Offline,
    /// Part of what is below does not.
    Degraded,
    /// Administratively down.
    Disabled,
    /// Serves, and nobody looks whether it does.
    NoMonitor,
}

/// Operating statuses of Octavia.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Octavia {
    /// Serves.
    Online,
    /// Takes no new connections (weight 0).
    Draining,
    /// Administratively down.
    Offline,
    /// Part of what is below is in error, or a listener is full.
    Degraded,
    /// A member that is down, a pool without any that is up.
    Error,
    /// Nobody looks whether it serves.
    NoMonitor,
}

impl MemberFacts {
    pub(super) const fn v1(&self) -> V1 {
        match self.seen {
            Seen::Down => V1::Inactive,
            Seen::Up | Seen::Unmonitored => V1::Active,
        }
    }

    pub(super) const fn v2(&self) -> V2 {
        match self.seen {
            _ if !self.admin_state_up => V2::Disabled,
            Seen::Down => V2::Offline,
            Seen::Up => V2::Online,
            Seen::Unmonitored => V2::NoMonitor,
        }
    }

    /// HAProxy says MAINT before all else, DRAIN of what is up.
    pub(super) const fn octavia(&self) -> Octavia {
        match self.seen {
            _ if !self.admin_state_up => Octavia::Offline,
            Seen::Down => Octavia::Error,
            Seen::Up | Seen::Unmonitored if self.weight == 0 => Octavia::Draining,
            Seen::Up => Octavia::Online,
            Seen::Unmonitored => Octavia::NoMonitor,
        }
    }
}

impl Facts {
    /// Desired and actual state are one: a change is made or refused while the caller waits, so nothing is pending.
    pub(super) const fn provisioning(&self) -> &'static str {
        if self.attached { "ACTIVE" } else { "ERROR" }
    }

    pub(super) const fn v1(&self) -> V1 {
        if self.attached { V1::Active } else { V1::Error }
    }

    /// The status tree says so of what has something below it that is neither online nor unmonitored. What is
    /// disabled is meant to be.
    fn v2_of(&self, own: V2, up: bool, below: impl Iterator<Item = V2>) -> V2 {
        let fine = [V2::Online, V2::NoMonitor, V2::Disabled];
        match (up, self.attached) {
            (false, _) => V2::Disabled,
            (true, false) => V2::Offline,
            (true, true) if below.into_iter().all(|status| fine.contains(&status)) => own,
            (true, true) => V2::Degraded,
        }
    }

    pub(super) fn v2_pool(&self) -> V2 {
        self.v2_of(V2::Online, self.pool_up, self.members.iter().map(MemberFacts::v2))
    }

    pub(super) fn v2_listener(&self) -> V2 {
        self.v2_of(V2::Online, self.vip_up, [self.v2_pool()].into_iter())
    }

    pub(super) fn v2_above(&self) -> V2 {
        self.v2_of(V2::Online, true, [self.v2_listener()].into_iter())
    }

    /// HAProxy's backend is down when no server of a weight is up.
    pub(super) fn octavia_pool(&self) -> Octavia {
        let members = || self.members.iter().filter(|member| member.admin_state_up);
        let usable = |member: &MemberFacts| member.weight > 0 && member.seen != Seen::Down;
        match (self.pool_up, self.attached) {
            (false, _) => Octavia::Offline,
            (true, false) => Octavia::Error,
            (true, true) if !self.members.is_empty() && !members().any(usable) => Octavia::Error,
            (true, true) if members().any(|member| member.seen == Seen::Down) => Octavia::Degraded,
            (true, true) => Octavia::Online,
        }
    }

    pub(super) fn octavia_listener(&self) -> Octavia {
        match (self.vip_up, self.attached) {
            (false, _) => Octavia::Offline,
            (true, false) => Octavia::Error,
            (true, true) if self.full => Octavia::Degraded,
            (true, true) => Octavia::Online,
        }
    }

    pub(super) fn octavia_above(&self) -> Octavia {
        let below = [self.octavia_listener(), self.octavia_pool()];
        match (self.attached, below) {
            (false, _) | (true, [_, Octavia::Error]) => Octavia::Error,
            (true, below) if below.contains(&Octavia::Degraded) => Octavia::Degraded,
            (true, _) => Octavia::Online,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(admin_state_up: bool, weight: u16, seen: Seen) -> MemberFacts {
        MemberFacts { id: "m".into(), admin_state_up, weight, seen }
    }

    fn facts(members: &[MemberFacts]) -> Facts {
        let members = members.to_vec();
        Facts { attached: true, vip_up: true, pool_up: true, full: false, members }
    }

    #[test]
    fn members() {
        for (admin, weight, seen, v1, v2, octavia) in [
            (true, 1, Seen::Up, V1::Active, V2::Online, Octavia::Online),
            (true, 1, Seen::Unmonitored, V1::Active, V2::NoMonitor, Octavia::NoMonitor),
            (true, 0, Seen::Up, V1::Active, V2::Online, Octavia::Draining),
            (true, 0, Seen::Unmonitored, V1::Active, V2::NoMonitor, Octavia::Draining),
            (true, 1, Seen::Down, V1::Inactive, V2::Offline, Octavia::Error),
            (true, 0, Seen::Down, V1::Inactive, V2::Offline, Octavia::Error),
            (false, 1, Seen::Up, V1::Active, V2::Disabled, Octavia::Offline),
            (false, 1, Seen::Down, V1::Inactive, V2::Disabled, Octavia::Offline),
        ] {
            let member = member(admin, weight, seen);
            let found = (member.v1(), member.v2(), member.octavia());
            assert_eq!(found, (v1, v2, octavia), "{member:?}");
        }
    }

    #[test]
    fn pools() {
        let (up, down) = (member(true, 1, Seen::Up), member(true, 1, Seen::Down));
        let off = member(false, 1, Seen::Unmonitored);
        let drained = member(true, 0, Seen::Up);
        for (members, v2, octavia, above) in [
            (vec![], V2::Online, Octavia::Online, Octavia::Online),
            (vec![up.clone()], V2::Online, Octavia::Online, Octavia::Online),
            (vec![up.clone(), off], V2::Online, Octavia::Online, Octavia::Online),
            (vec![up.clone(), down.clone()], V2::Degraded, Octavia::Degraded, Octavia::Degraded),
            (vec![down.clone()], V2::Degraded, Octavia::Error, Octavia::Error),
            (vec![drained.clone()], V2::Online, Octavia::Error, Octavia::Error),
            (vec![drained, up], V2::Online, Octavia::Online, Octavia::Online),
        ] {
            let facts = facts(&members);
            let found = (facts.v2_pool(), facts.octavia_pool(), facts.octavia_above());
            assert_eq!(found, (v2, octavia, above), "{members:?}");
            assert_eq!(facts.v2_above(), v2);
        }
    }

    #[test]
    fn what_is_above_pools() {
        let fine = facts(&[member(true, 1, Seen::Up)]);
        let found = |facts: &Facts| {
            let v2 = (facts.v2_above(), facts.v2_listener(), facts.v2_pool());
            let octavia = (facts.octavia_above(), facts.octavia_listener(), facts.octavia_pool());
            (facts.provisioning(), facts.v1(), v2, octavia)
        };
        let gone = Facts { attached: false, ..fine.clone() };
        assert_eq!(
            found(&gone),
            (
                "ERROR",
                V1::Error,
                (V2::Offline, V2::Offline, V2::Offline),
                (Octavia::Error, Octavia::Error, Octavia::Error)
            )
        );
        let off = Facts { vip_up: false, ..fine.clone() };
        assert_eq!(
            found(&off),
            (
                "ACTIVE",
                V1::Active,
                (V2::Online, V2::Disabled, V2::Online),
                (Octavia::Online, Octavia::Offline, Octavia::Online)
            )
        );
        let full = Facts { full: true, ..fine };
        assert_eq!(full.octavia_listener(), Octavia::Degraded);
        assert_eq!(full.octavia_above(), Octavia::Degraded);
        assert_eq!(full.v2_above(), V2::Online);
    }
}
