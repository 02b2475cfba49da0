//! The program on a device that shares programs and maps with others: it names the device's zone and goes on with theirs.

use std::path::Path;

use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use lb_common::state::MAX_ZONES;

use super::DatapathError;
use super::object::{PROGRAMS, rejected};

/// The object as `cargo xtask build` made it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lb-enter.o"));
const ENTER: &str = "qlb_enter";

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

/// The loaded program of one device.
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

    /// Loads the program for a device of this zone.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn load(&mut self, zone: u16) -> Result<Enter, DatapathError> {
        let zone = ZONES.get(usize::from(zone)).ok_or(DatapathError::NoMap(ENTER))?;
        self.loader.override_global("ZONE", zone, true);
        let ebpf = self.loader.load(OBJECT);
        let ebpf = ebpf.map_err(|source| DatapathError::Load(Box::new(source)))?;
        let mut enter = Enter { ebpf };
        enter.program()?.load().map_err(|source| rejected(ENTER, source))?;
        Ok(enter)
    }
}

impl Enter {
    /// The program.
    ///
    /// # Errors
    /// When the object lacks it.
    pub fn program(&mut self) -> Result<&mut SchedClassifier, DatapathError> {
        let program = self.ebpf.program_mut(ENTER).ok_or(DatapathError::NoProgram(ENTER))?;
        program.try_into().map_err(|source| rejected(ENTER, source))
    }
}
