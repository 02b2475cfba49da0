//! The compiled programs, run instruction by instruction: how many a packet takes, and how often it looks into which map.
//!
//! The kernel tells nobody. So a machine of our own runs the object's instructions (RFC 9669) over copies of what the kernel's
//! maps hold, and changes nothing there. Whoever counts with it then has the kernel run the same frame, and both must make the
//! same of it: else the count is of something else.

mod arithmetic;
mod code;
mod helper;
mod machine;
mod memory;
mod tables;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use code::{Code, Described, Place};
use machine::Machine;
use tables::Tables;

/// What a frame takes on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// What the last program returned.
    pub verdict: u32,
    /// The frame after that.
    pub frame: Vec<u8>,
    /// Instructions that were executed, a call of a helper being one.
    pub instructions: u64,
    /// How often each map was looked into, by its name.
    pub lookups: BTreeMap<String, u64>,
    /// How often entries were added, replaced or removed, by the map's name.
    pub changes: BTreeMap<String, u64>,
}

impl Steps {
    /// How often any map was looked into.
    #[must_use]
    pub fn looked(&self) -> u64 {
        self.lookups.values().sum()
    }

    /// How often an entry of any map was added, replaced or removed.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.changes.values().sum()
    }
}

/// Why nothing could be counted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object could not be made sense of.
    #[error("the object: {0}")]
    Object(String),

    /// A map could not be read.
    #[error("map {map}: {source}")]
    Map {
        /// Its name.
        map: String,
        /// Why not.
        source: io::Error,
    },

    /// The program did what the machine does not know, or must not.
    #[error("{program}, instruction {at}: {what}")]
    Fault {
        /// The program's name.
        program: String,
        /// The instruction's number.
        at: usize,
        /// What it did.
        what: String,
    },
}

/// The programs of an object.
pub struct Stepper {
    programs: HashMap<String, Vec<Code>>,
    maps: Vec<Described>,
    /// Programs by their place in the map of programs.
    next: HashMap<u32, String>,
}

impl Stepper {
    /// Reads the object, with these globals in place of its own.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(
        object: &[u8],
        globals: &[(&str, u32)],
        next: &[(u32, &str)],
    ) -> Result<Self, Error> {
        let (programs, maps) = code::read(object, globals)?;
        let next = next.iter().map(|(place, name)| (*place, (*name).to_owned())).collect();
        Ok(Self { programs, maps, next })
    }

    /// What the frame takes in the program of this name and those that it goes on with, with the maps as they are pinned
    /// below `pins`.
    ///
    /// # Errors
    /// When a map cannot be read, or the program does what the kernel would not let it.
    pub fn run(&self, program: &str, pins: &Path, frame: &[u8]) -> Result<Steps, Error> {
        let tables = Tables::open(&self.maps, pins)?;
        Machine::new(self, tables, frame).run(program)
    }

    fn code(&self, place: &Place) -> Option<&Code> {
        self.programs.get(&place.program)?.get(place.at)
    }
}
