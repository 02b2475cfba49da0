//! How full a pool's conntrack is: said before new connections have to be refused.

/// Watches the entries of one conntrack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fill {
    capacity: u32,
    warned: bool,
}

impl Fill {
    /// A conntrack of so many entries that nobody was warned of.
    pub(super) const fn of(capacity: u32) -> Self {
        Self { capacity, warned: false }
    }

    /// Logs when there are `entries`, once until there is room again.
    pub(super) fn watch(&mut self, pool: &str, entries: u32) {
        if self.rises(entries) {
            tracing::warn!(
                pool,
                "conntrack is nearly full: {entries} of {} entries; a connection takes two, new \
                 ones are refused when there is no room (max_connections)",
                self.capacity
            );
        }
    }

    /// Whether four fifths are taken, and were not before. Below half of the capacity it may be
    /// said again.
    pub(super) fn rises(&mut self, entries: u32) -> bool {
        let (entries, capacity) = (u64::from(entries), u64::from(self.capacity));
        let high = entries * 5 >= capacity * 4;
        let rises = high && !self.warned;
        self.warned = high || (self.warned && entries * 2 >= capacity);
        rises
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_until_there_is_room() {
        let mut fill = Fill::of(10);
        let said: Vec<bool> =
            [0, 7, 8, 10, 7, 9, 5, 8, 4, 7, 8].map(|entries| fill.rises(entries)).into();
        let [no, yes] = [false, true];
        assert_eq!(said, [no, no, yes, no, no, no, no, no, no, no, yes]);
    }
}
