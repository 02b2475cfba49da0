//! How well a member is for one monitor. HAProxy's own count: every probe moves a level between 0 and
//! `rise + fall - 1`, a change of sides goes all the way, and from `rise` on the member is up.

use crate::config::model::{MonitorSpec, StartRule};

/// The level of a member, with the rules by which it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    rise: u8,
    fall: u8,
    level: u8,
}

/// What a probe has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Whether it counts among the failures: those of a member that was down for good do not.
    pub failure: bool,
    /// Whether the member is up now and was not, or the other way round.
    pub turned: bool,
}

impl Health {
    /// A member of which nothing is known.
    pub const fn new(monitor: &MonitorSpec) -> Self {
        let (rise, fall) = (monitor.max_retries.get(), monitor.max_retries_down.get());
        let level = match monitor.start {
            StartRule::Haproxy => rise,
            StartRule::Optimistic => rise + fall - 1,
        };
        Self { rise, fall, level }
    }

    /// A member at a level that was recorded, if it is one.
    #[must_use]
    pub const fn at(self, level: u8) -> Self {
        let top = self.rise + self.fall - 1;
        Self { level: if level < top { level } else { top }, ..self }
    }

    /// A member that was found down before.
    #[must_use]
    pub const fn down(self) -> Self {
        self.at(0)
    }

    /// Whether the member is up.
    pub const fn is_up(self) -> bool {
        self.level >= self.rise
    }

    /// The level, to be recorded.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// Takes the end of a probe into account.
    pub const fn record(&mut self, passed: bool) -> Moved {
        let was_up = self.is_up();
        let failure = !passed && self.level > 0;
        if passed {
            self.level += (self.level < self.rise + self.fall - 1) as u8;
            if self.is_up() {
                self.level = self.rise + self.fall - 1;
            }
        } else if failure {
            self.level -= 1;
            if !self.is_up() {
                self.level = 0;
            }
        }
        Moved { failure, turned: was_up != self.is_up() }
    }

    /// The state as HAProxy's statistics show it: `UP`, `UP 2/3`, `DOWN 1/2`, `DOWN`.
    pub fn text(self) -> String {
        let Self { rise, fall, level } = self;
        match (self.is_up(), level) {
            (true, _) if level == rise + fall - 1 => "UP".to_owned(),
            (true, _) => format!("UP {}/{fall}", level - rise + 1),
            (false, 0) => "DOWN".to_owned(),
            (false, _) => format!("DOWN {level}/{rise}"),
        }
    }

    /// The least well of several: one that is down, else the nearest to it.
    pub fn least(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        let distance = |health: &Self| match health.is_up() {
            false => (0, u32::from(health.level) * 100 / u32::from(health.rise)),
            true => (1, u32::from(health.level - health.rise + 1) * 100 / u32::from(health.fall)),
        };
        all.into_iter().min_by_key(distance)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::config::model::{MonitorCheck, Retries, Seconds};

    fn monitor(rise: i64, fall: i64, start: StartRule) -> MonitorSpec {
        MonitorSpec {
            check: MonitorCheck::Tcp,
            delay: Seconds::from_millis(1000).unwrap(),
            timeout: Seconds::from_millis(1000).unwrap(),
            max_retries: Retries::try_from(rise).unwrap(),
            max_retries_down: Retries::try_from(fall).unwrap(),
            start,
        }
    }

    fn texts(start: StartRule, probes: &str) -> Vec<String> {
        let mut health = Health::new(&monitor(2, 3, start));
        let mut texts = vec![health.text()];
        for probe in probes.chars() {
            health.record(probe == '+');
            texts.push(health.text());
        }
        texts
    }

    #[test]
    fn the_states_are_haproxys() {
        assert_eq!(texts(StartRule::Haproxy, "-"), ["UP 1/3", "DOWN"]);
        assert_eq!(
            texts(StartRule::Haproxy, "+---++"),
            ["UP 1/3", "UP", "UP 2/3", "UP 1/3", "DOWN", "DOWN 1/2", "UP"]
        );
        assert_eq!(
            texts(StartRule::Optimistic, "--+---+-++"),
            [
                "UP", "UP 2/3", "UP 1/3", "UP", "UP 2/3", "UP 1/3", "DOWN", "DOWN 1/2", "DOWN",
                "DOWN 1/2", "UP"
            ]
        );
    }

    #[test]
    fn failures_of_a_member_that_is_down_are_not_counted() {
        let mut health = Health::new(&monitor(2, 1, StartRule::Haproxy));
        let counted =
            [false, false, true, false, false].map(|passed| health.record(passed).failure);
        assert_eq!(counted, [true, false, false, true, false]);
    }

    #[test]
    fn the_least_well_is_shown() {
        let at = |probes: &str| {
            let mut health = Health::new(&monitor(2, 3, StartRule::Optimistic));
            for probe in probes.chars() {
                health.record(probe == '+');
            }
            health
        };
        let least = |all: [&str; 3]| Health::least(all.map(at)).unwrap().text();
        assert_eq!(least(["", "-", "--"]), "UP 1/3");
        assert_eq!(least(["", "---+", "--"]), "DOWN 1/2");
        assert_eq!(Health::least([]), None);
    }

    proptest! {
        /// Against the definition: up after `rise` good probes in a row, down after `fall` bad ones, or
        /// after the first if none was good before.
        #[test]
        fn it_turns_when_enough_probes_agree(
            rise in 1_i64..=10, fall in 1_i64..=10, optimistic: bool,
            probes in vec(any::<bool>(), 0..200),
        ) {
            let start = if optimistic { StartRule::Optimistic } else { StartRule::Haproxy };
            let mut health = Health::new(&monitor(rise, fall, start));
            let (mut up, mut row, mut last) = (true, 0, None);
            let mut proved = optimistic;
            prop_assert!(health.is_up());
            for passed in probes {
                row = if last == Some(passed) { row + 1 } else { 1 };
                last = Some(passed);
                let needed = if passed { rise } else if proved { fall } else { 1 };
                let turns = passed != up && row >= needed;
                if turns { up = passed; }
                proved |= passed && up;
                let moved = health.record(passed);
                prop_assert_eq!((health.is_up(), moved.turned), (up, turns));
                prop_assert_eq!(health.at(health.level()), health);
                prop_assert!(!(passed && moved.failure));
            }
        }
    }
}
