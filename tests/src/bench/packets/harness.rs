//! The harness: a program that shows the program under test a fresh packet each time it is repeated.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use super::code::{Advance, LOST, Parts, harness, returning};
use super::error::Error;
use crate::bpf::{self, ARRAY, Kind, PROG_ARRAY, Ran, Shown};
use crate::datapath::{Hook, Tested};

/// Numbers of linux/bpf.h: types of programs, that an XDP program takes frames in several pieces, where it is attached.
const TC: Kind = Kind { kind: 3, flags: 0, attach: 0 };
const XDP: Kind = Kind { kind: 6, flags: 1 << 5, attach: 37 };

/// Bytes of `struct xdp_md`, and where its `data_end` and `ingress_ifindex` lie (linux/bpf.h).
const XDP_MD: usize = 24;
const DATA_END: usize = 4;
const INGRESS: usize = 12;

/// Room for what comes out.
const ROOM: usize = 4096;

/// A program that is stood in front of another one.
struct Stood {
    program: OwnedFd,
    /// Holds the index of the next frame.
    next: OwnedFd,
    /// Holds the other one.
    _programs: OwnedFd,
    /// Its own, as it numbers them on.
    _frames: OwnedFd,
}

/// Frames to be shown to a program, one after the other and round in a circle.
pub struct Harness {
    count: usize,
    first: Vec<u8>,
    context: Vec<u8>,
    tested: Stood,
    /// The same in front of a program that only returns.
    alone: Stood,
    /// The program that only returns.
    returns: OwnedFd,
}

impl Harness {
    /// In front of the program that frames meet first. Frames are of one length, and the harness keeps the place of the next
    /// one.
    ///
    /// # Errors
    /// When the kernel refuses a map or a program.
    ///
    /// # Panics
    /// If there is no frame, or if they differ in length.
    pub fn new(
        under_test: &Tested<'_>,
        frames: &[Vec<u8>],
        advance: Option<Advance>,
    ) -> Result<Self, Error> {
        let first = frames.first().expect("there is a frame").clone();
        let len = first.len();
        assert!(frames.iter().all(|frame| frame.len() == len), "frames of several lengths");
        // Values of an array lie in steps of eight bytes, and so they are told.
        let step = len.next_multiple_of(8);
        let mut values = vec![0; step * frames.len()];
        for (value, frame) in values.chunks_mut(step).zip(frames) {
            value[..len].copy_from_slice(frame);
        }
        let (kind, context) = match under_test.hook {
            Hook::Tc => (TC, Vec::new()),
            Hook::Xdp { ifindex } => (XDP, xdp_context(len, ifindex)),
        };
        let returns = load(kind, &returning(0))?;
        let stand = |program: i32| -> Result<Stood, Error> {
            let array = bpf::map(ARRAY, step, frames.len()).map_err(Error::bpf("make a map"))?;
            bpf::fill(array.as_fd(), &values, frames.len()).map_err(Error::bpf("fill a map"))?;
            let next = bpf::map(ARRAY, 8, 1).map_err(Error::bpf("make a map"))?;
            let programs = bpf::map(PROG_ARRAY, 4, 1).map_err(Error::bpf("make a map"))?;
            let parts = Parts {
                xdp: under_test.hook != Hook::Tc,
                frames: array.as_fd(),
                len,
                count: frames.len(),
                next: next.as_fd(),
                programs: programs.as_fd(),
                advance,
            };
            let stood = load(kind, &harness(&parts))?;
            bpf::set(programs.as_fd(), 0, &program.to_ne_bytes())
                .map_err(Error::bpf("let the harness go on with a program"))?;
            Ok(Stood { program: stood, next, _programs: programs, _frames: array })
        };
        let tested = stand(under_test.program.as_raw_fd())?;
        let alone = stand(returns.as_raw_fd())?;
        let count = frames.len();
        Ok(Self { count, first, context, tested, alone, returns })
    }

    /// How many frames there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Goes on with the frame of this index, before the program under test.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn go_to(&self, index: usize) -> Result<(), Error> {
        let index = (index as u64).to_ne_bytes();
        bpf::set(self.tested.next.as_fd(), 0, &index)
            .map_err(Error::bpf("write the next frame's index"))
    }

    /// Shows the program under test the next `repeat` frames; answers what became of the last one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn run(&self, repeat: u32) -> Result<(Ran, Vec<u8>), Error> {
        self.repeat(&self.tested.program, repeat)
    }

    /// Shows them a program that only returns: what the harness itself takes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn run_alone(&self, repeat: u32) -> Result<Ran, Error> {
        Ok(self.repeat(&self.alone.program, repeat)?.0)
    }

    /// Runs the program that only returns, without any harness.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn run_nothing(&self, repeat: u32) -> Result<Ran, Error> {
        Ok(self.repeat(&self.returns, repeat)?.0)
    }

    fn repeat(&self, program: &OwnedFd, repeat: u32) -> Result<(Ran, Vec<u8>), Error> {
        let mut out = vec![0; ROOM];
        let shown = Shown { frame: &self.first, context: &self.context, repeat, flags: 0 };
        let ran =
            bpf::run(program.as_fd(), &shown, &mut out).map_err(Error::bpf("run the harness"))?;
        if ran.verdict == LOST {
            return Err(Error::Verdict { path: "the harness".into(), found: LOST });
        }
        out.truncate(ran.len);
        Ok((ran, out))
    }
}

fn load(kind: Kind, code: &[u64]) -> Result<OwnedFd, Error> {
    bpf::load(kind, code).map_err(Error::bpf("load the harness"))
}

fn xdp_context(len: usize, ifindex: u32) -> Vec<u8> {
    let mut context = vec![0; XDP_MD];
    context[DATA_END..DATA_END + 4].copy_from_slice(&(len as u32).to_ne_bytes());
    context[INGRESS..INGRESS + 4].copy_from_slice(&ifindex.to_ne_bytes());
    context
}
