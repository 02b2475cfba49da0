//! What is done about members that do not accept connections.

/// How a pool gets along with members that refuse, cannot be reached, or do not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failover {
    /// How many other members a connection is given to at most when one does not accept it; 0 leaves
    /// it with its first (`retries` with `option redispatch`, HAProxy manual section 4.2).
    pub retries: u32,
    /// A member that does not accept so many connections in a row gets none for a while; 0 is never.
    pub eject_after: u32,
    /// How long, in milliseconds.
    pub eject_for: u32,
}

impl Failover {
    /// Most members that a connection is given to: no more are remembered as having failed it.
    pub const MAX_RETRIES: u32 = 4;

    /// Each number with its name in the YAML and the most it can be.
    pub const fn named(&self) -> [(&'static str, u32, u32); 3] {
        let Self { retries, eject_after, eject_for } = *self;
        [
            ("retries", retries, Self::MAX_RETRIES),
            ("eject_after", eject_after, 1_000_000),
            ("eject_for", eject_for, 86_400_000),
        ]
    }
}

impl Default for Failover {
    /// The retries that Neutron wrote into every HAProxy conf; ejection is qlb's own.
    fn default() -> Self {
        Self { retries: 3, eject_after: 3, eject_for: 10_000 }
    }
}
