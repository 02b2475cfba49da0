//! The BPF object: embedded, loaded, checked by the verifier.

use std::path::Path;

use aya::{
    Ebpf, EbpfLoader,
    maps::ProgramArray,
    programs::{Program, ProgramError, SchedClassifier, Xdp},
};
use aya_log::EbpfLogger;
use lb_common::probe::Probe;
use lb_common::state::Continuation;

use super::{
    DatapathError, Maps, Options, Post,
    maps::NAMES,
    probe,
    reaper::{Inlet, Reaper},
    router, xdp,
};
use crate::node::Device;

/// The object as `cargo xtask build` made it.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lb-ebpf.o"));

/// The program on the VIP's device.
const INGRESS: &str = "qlb_ingress";
/// The programs that it goes on with, by way of the map [`PROGRAMS`].
const CONNECT: &str = "qlb_connect";
const REPORT: &str = "qlb_report";
/// The programs that let packets go by without coming to the device: at its outer end, and the one that learns for that.
const OUTER: &str = "qlb_outer";
const OUTER_CONNECT: &str = "qlb_outer_connect";
const LEARN: &str = "qlb_learn";
/// The map of programs to go on with.
pub(super) const PROGRAMS: &str = "PROGRAMS";
/// The program that the reaper runs.
const REAP: &str = "qlb_reap";
/// The program that says who would get a connection.
pub(super) const ROUTE: &str = "qlb_route";
/// The program in front of the one on the device, where the driver runs it.
const EARLY: &str = "qlb_early";
/// The programs that send probes: by the way of TC, and by that of XDP.
const PROBE: &str = "qlb_probe";
const EARLY_PROBE: &str = "qlb_early_probe";

/// The programs' log: a ring of this many bytes, a page. Only drops are logged.
const LOG: &str = "AYA_LOGS";
const LOG_BYTES: u32 = 4096;

/// The loaded programs and their maps. What is neither pinned nor attached goes when this
/// is dropped.
pub struct Datapath {
    ebpf: Ebpf,
    log: EbpfLogger<&'static dyn log::Log>,
}

impl Datapath {
    /// Loads the object. With `pins`, a directory of a bpffs, maps that are pinned there are
    /// used and the others are pinned there.
    ///
    /// # Errors
    /// When the kernel refuses the object or a program.
    pub fn load(options: &Options, pins: Option<&Path>) -> Result<Self, DatapathError> {
        let mask = options.half_open - 1;
        let redirects = u32::from(options.redirects);
        let zoned = u32::from(options.is_zoned());
        let mut loader = EbpfLoader::new();
        loader
            .override_global("HALF_OPEN_MASK", &mask, true)
            .override_global("ZONED", &zoned, true)
            .override_global("XDP_REDIRECTS", &redirects, true)
            .override_global("XDP_CONFIRM", &options.confirm, true)
            .map_max_entries(LOG, LOG_BYTES);
        for (name, entries) in options.entries() {
            loader.map_max_entries(name, entries);
        }
        if let Some(pins) = pins {
            for name in NAMES {
                loader.map_pin_path(name, pins.join(name));
            }
        }
        let mut ebpf =
            loader.load(OBJECT).map_err(|source| DatapathError::Load(Box::new(source)))?;
        let log = EbpfLogger::init(&mut ebpf).map_err(|_| DatapathError::NoMap(LOG))?;
        let mut datapath = Self { ebpf, log };
        for name in [CONNECT, REPORT, INGRESS, REAP, ROUTE, PROBE] {
            let program: &mut SchedClassifier = datapath.program(name)?;
            program.load().map_err(|source| rejected(name, source))?;
        }
        for name in [EARLY, EARLY_PROBE] {
            let program: &mut Xdp = datapath.program(name)?;
            program.load().map_err(|source| rejected(name, source))?;
        }
        datapath.link_programs()?;
        Ok(datapath)
    }

    /// Lets the program on the device go on with the others, and the devices that share it begin with it: from here on
    /// packets meet these programs there.
    fn link_programs(&mut self) -> Result<(), DatapathError> {
        let places = [
            (Continuation::Connect, CONNECT),
            (Continuation::Report, REPORT),
            (Continuation::Ingress, INGRESS),
        ];
        places.into_iter().try_for_each(|(place, name)| self.link_program(place, name))
    }

    fn link_program(
        &mut self,
        place: Continuation,
        name: &'static str,
    ) -> Result<(), DatapathError> {
        let failed = |source| DatapathError::Map { map: PROGRAMS, source: Box::new(source) };
        let program: &mut SchedClassifier = self.program(name)?;
        let fd = program.fd().and_then(|fd| Ok(fd.try_clone()?));
        let fd = fd.map_err(|source| rejected(name, source))?;
        let map = self.ebpf.map_mut(PROGRAMS).ok_or(DatapathError::NoMap(PROGRAMS))?;
        let mut programs = ProgramArray::try_from(map).map_err(failed)?;
        programs.set(place as u32, &fd, 0).map_err(failed)
    }

    /// The program for a post. Those that few devices have are loaded when they are first wanted; the devices that share the
    /// programs begin with them from then on.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn at(&mut self, post: Post) -> Result<&mut SchedClassifier, DatapathError> {
        let (name, place) = match post {
            Post::Ingress => return self.program(INGRESS),
            Post::Outer => {
                // First, so that the other one finds it.
                self.want(OUTER_CONNECT, Continuation::OuterConnect)?;
                (OUTER, Continuation::Outer)
            }
            Post::Learner => (LEARN, Continuation::Learn),
        };
        self.want(name, place)?;
        self.program(name)
    }

    fn want(&mut self, name: &'static str, place: Continuation) -> Result<(), DatapathError> {
        let program: &mut SchedClassifier = self.program(name)?;
        if program.fd().is_err() {
            program.load().map_err(|source| rejected(name, source))?;
            self.link_program(place, name)?;
        }
        Ok(())
    }

    /// The maps of the loaded programs; can be taken once.
    ///
    /// # Errors
    /// When the object lacks one.
    pub fn take_maps(&mut self) -> Result<Maps, DatapathError> {
        Maps::from_each(|name| self.ebpf.take_map(name).ok_or(DatapathError::NoMap(name)))
    }

    /// Puts the XDP program on `device` of the current namespace, pinned below `pins`, in front of the one that
    /// [`super::attach()`] puts there; takes over from one before without a gap.
    ///
    /// # Errors
    /// When the kernel or the device's driver refuses.
    pub fn attach_early(&mut self, device: &Device, pins: &Path) -> Result<(), DatapathError> {
        xdp::attach(self.early()?, device, pins)
    }

    /// Sends a probe out of `device` of the current namespace by the way of the TC program's packets; returns whether
    /// the device took it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn probe(&mut self, probe: &Probe, device: Inlet) -> Result<bool, DatapathError> {
        probe::send(self.program(PROBE)?, probe, device)
    }

    /// The same by the way of the XDP program's packets; without `send` the frame comes back instead.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn probe_early(
        &mut self,
        probe: &Probe,
        device: Inlet,
        send: bool,
    ) -> Result<Option<Vec<u8>>, DatapathError> {
        probe::send_early(self.program(EARLY_PROBE)?, probe, device, send)
    }

    /// The XDP program, for test runs.
    ///
    /// # Errors
    /// When the object lacks it.
    pub fn early(&mut self) -> Result<&mut Xdp, DatapathError> {
        self.program(EARLY)
    }

    /// What expires connections.
    ///
    /// # Errors
    /// When the object lacks the program.
    pub fn reaper(&mut self) -> Result<Reaper<'_>, DatapathError> {
        Ok(Reaper::new(self.program(REAP)?))
    }

    /// Pins below `pins` what other processes run: what a [`super::Router`] asks.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn share(&mut self, pins: &Path) -> Result<(), DatapathError> {
        router::pin(self.program(ROUTE)?, pins)
    }

    /// Passes on what the programs have logged since the last call.
    pub fn flush_log(&mut self) {
        self.log.flush();
    }

    fn program<'a, P>(&'a mut self, name: &'static str) -> Result<&'a mut P, DatapathError>
    where
        &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
    {
        let program = self.ebpf.program_mut(name).ok_or(DatapathError::NoProgram(name))?;
        program.try_into().map_err(|source| rejected(name, source))
    }
}

pub(super) fn rejected(program: &'static str, source: ProgramError) -> DatapathError {
    DatapathError::Program { program, source: Box::new(source) }
}
