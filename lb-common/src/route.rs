//! What becomes of a connection that somebody asks about, and why.
//!
//! Numbers and names never change their meaning.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{addr::Tuple, state::NOBODY, verdict::reasons};

reasons! {
    /// Why a connection is given to the very member that it is given to.
    Choice {
        /** a packet of a connection that is known goes along with it */
        Known = 1, "known_connection";
        /** its client had the member before (session_persistence) */
        Persistence = 2, "persistence";
        /** the pool's method chooses it */
        Method = 3, "method";
        /** the method's first choice cannot take it; this one is the next */
        Next = 4, "next";
        /** nobody is left that is not ejected, so nobody counts as ejected */
        LastResort = 5, "last_resort";
    }
}

reasons! {
    /// Why a member cannot take a connection that it would have had.
    Lost {
        /** it has as many connections as its max_connections allows */
        Full = 1, "full";
        /** it is ejected for having failed connections */
        Ejected = 2, "ejected";
        /** it takes no new connections, or could when this was looked at */
        Other = 3, "other";
    }
}

/// What would become of a connection if it opened now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Answer {
    /// Number of what the packet would be counted as ([`crate::counter::Counter`]).
    pub outcome: u32,
    /// A [`Choice`] as its number; zero if no member was chosen.
    pub choice: u32,
    /// Index of the chosen member; [`NOBODY`] for none. A connection that finds no NAT port has one, too.
    pub member: u32,
    /// Index of the pool; [`NOBODY`] if it did not come to that.
    pub pool: u32,
    /// The member that the client was kept on but cannot have; [`NOBODY`] for none.
    pub kept: u32,
    /// Why not, a [`Lost`] as its number.
    pub kept_lost: u32,
    /// The first choice of the method if that cannot take the connection; [`NOBODY`] for none.
    pub due: u32,
    /// Why not, a [`Lost`] as its number.
    pub due_lost: u32,
    /// [`Answer::MAKES_WAY`] if a connection that is ending does, [`Answer::MOVES`] or [`Answer::RETRIES`] if it
    /// is a UDP flow that leaves its member; else zero. The member's count is as it is before that.
    pub replaces: u32,
    /// Source and destination of what the member would be sent; zero without a NAT port.
    pub outgoing: Tuple,
}

impl Answer {
    /// A connection that is ending makes way.
    pub const MAKES_WAY: u32 = 1;
    /// A UDP flow leaves a member that is gone.
    pub const MOVES: u32 = 2;
    /// A UDP flow leaves a member that cannot be reached, or stays with it if conntrack has no room.
    pub const RETRIES: u32 = 3;
}

impl Default for Answer {
    /// Nothing is known yet.
    #[inline(always)]
    fn default() -> Self {
        Self {
            outcome: 0,
            choice: 0,
            member: NOBODY,
            pool: NOBODY,
            kept: NOBODY,
            kept_lost: 0,
            due: NOBODY,
            due_lost: 0,
            replaces: 0,
            outgoing: Tuple::default(),
        }
    }
}

const _: () = assert!(size_of::<Answer>() == 72);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_reason() {
        let doc = include_str!("../../docs/route.md");
        let choices = Choice::ALL.iter().map(|c| (c.number(), c.name(), c.help()));
        let lost = Lost::ALL.iter().map(|l| (l.number(), l.name(), l.help()));
        for (number, name, help) in choices.chain(lost) {
            let row = format!("| {number} | `{name}` | {} |\n", help.trim());
            assert!(doc.contains(&row), "docs/route.md lacks {row}");
        }
    }

    #[test]
    fn numbers_and_names_never_change() {
        let rows = |all: &mut dyn Iterator<Item = (u32, &'static str)>| -> String {
            all.map(|(number, name)| format!("{number} {name}\n")).collect()
        };
        assert_eq!(
            rows(&mut Choice::ALL.iter().map(|c| (c.number(), c.name()))),
            "1 known_connection\n2 persistence\n3 method\n4 next\n5 last_resort\n"
        );
        assert_eq!(
            rows(&mut Lost::ALL.iter().map(|l| (l.number(), l.name()))),
            "1 full\n2 ejected\n3 other\n"
        );
    }
}
