//! The programs on a device that shares programs and maps with others: they name the device's zone and go on with theirs.

use std::path::Path;

use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use lb_common::state::MAX_ZONES;

use super::object::{PROGRAMS, rejected};
use super::{DatapathError, Post};

/// The object as `cargo xtask build` made it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lb-enter.o"));
/// The program for each post.
const ENTER: &str = "qlb_enter";
const OUTER: &str = "qlb_enter_outer";
const LEARN: &str = "qlb_enter_learn";

/// Every zone, where a loader finds it for as long as it likes.
static ZONES: [u32; MAX_ZONES as usize] = {
    let mut zones = [0; _];
    let mut zone = 0;
    while zone < zones.len() {
        zones[zone] = zone as u32;
        zone += 1;
    }
    zones
};

/// What loads the program for one device after the other: to begin with a loader costs more than all it loads.
pub struct Entrances {
    loader: EbpfLoader<'static>,
}

/// The programs of one device.
pub struct Enter {
    ebpf: Ebpf,
}

impl Entrances {
    /// For devices that go on with the programs of the maps that are pinned below `pins`, now and whenever those are
    /// replaced.
    pub fn new(pins: &Path) -> Self {
        let mut loader = EbpfLoader::new();
        // The program looks into nothing of the kernel's.
        loader.btf(None).map_pin_path(PROGRAMS, pins.join(PROGRAMS));
        Self { loader }
    }

    /// Gets the programs ready for a device of this zone.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn load(&mut self, zone: u16) -> Result<Enter, DatapathError> {
        let zone = ZONES.get(usize::from(zone)).ok_or(DatapathError::NoMap(ENTER))?;
        self.loader.override_global("ZONE", zone, true);
        let ebpf = self.loader.load(OBJECT);
        let ebpf = ebpf.map_err(|source| DatapathError::Load(Box::new(source)))?;
        Ok(Enter { ebpf })
    }
}

impl Enter {
    /// The program for a post, loaded when it is first wanted.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn program(&mut self, post: Post) -> Result<&mut SchedClassifier, DatapathError> {
        let name = match post {
            Post::Ingress => ENTER,
            Post::Outer => OUTER,
            Post::Learner => LEARN,
        };
        let program = self.ebpf.program_mut(name).ok_or(DatapathError::NoProgram(name))?;
        let program: &mut SchedClassifier =
            program.try_into().map_err(|source| rejected(name, source))?;
        if program.fd().is_err() {
            program.load().map_err(|source| rejected(name, source))?;
        }
        Ok(program)
    }
}
