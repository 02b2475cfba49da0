//! What is done to a datapath under test.

use lb_common::state::DrainCause;
use lb_common::verdict::{DropReason, Verdict};
use lb_userspace::datapath::Target;

use super::{Age, Error, Stamping};

/// One thing that happens to a datapath.
#[derive(Clone, Debug)]
pub enum Action {
    /// A frame comes in.
    Frame(Vec<u8>),
    /// A GSO packet comes in, to be cut into segments of this many bytes.
    Gso(Vec<u8>, u32),
    /// A pool is added or replaced.
    Install(u32, Box<Target>),
    /// A pool vanishes, its listener stays; no proper controller does that.
    ForgetPool(u32),
    /// A member is ejected until then.
    Eject(u32, Age),
    /// A member's connections of that age or older end then and for this cause, or go on.
    Drain(u32, Option<(Age, DrainCause)>),
    /// What the pool's connections may be told of errors is spent until then.
    Spend(Age),
    /// Connections that have just opened are settled: neither clock will find them older or younger.
    Settle,
    /// Entries are given ages.
    Stamp(Stamping),
    /// Conntrack is walked once and what has expired removed.
    Sweep,
}

impl Action {
    /// The frame that comes in, if one does.
    #[must_use]
    pub fn frame(&self) -> Option<&[u8]> {
        match self {
            Self::Frame(frame) | Self::Gso(frame, _) => Some(frame),
            Self::Install(..)
            | Self::ForgetPool(_)
            | Self::Eject(..)
            | Self::Drain(..)
            | Self::Spend(_)
            | Self::Settle
            | Self::Stamp(_)
            | Self::Sweep => None,
        }
    }
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What the program told the kernel (linux/pkt_cls.h).
    pub act: Act,
    /// The frame afterwards.
    pub frame: Vec<u8>,
}

/// A return value of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `TC_ACT_REDIRECT`: sent.
    Send,
    /// `TC_ACT_UNSPEC`: left to others.
    Pass,
    /// `TC_ACT_SHOT`: dropped.
    Drop,
    /// Anything else.
    Other(u32),
}

impl Act {
    /// What the program's return `value` means.
    #[must_use]
    pub const fn from_return(value: u32) -> Self {
        match value {
            7 => Self::Send,
            u32::MAX => Self::Pass,
            2 => Self::Drop,
            other => Self::Other(other),
        }
    }

    /// What the program has to return for an outcome.
    #[must_use]
    pub const fn from_outcome(outcome: Result<Verdict, DropReason>) -> Self {
        match outcome {
            Ok(Verdict::Forward(_)) => Self::Send,
            Ok(Verdict::Pass(_) | Verdict::Refuse(_)) => Self::Pass,
            Err(_) => Self::Drop,
        }
    }
}

/// What an action is done to.
pub trait Datapath {
    /// Does it; answers what became of the frame if it was one.
    ///
    /// # Errors
    /// When the datapath cannot be driven, which is no result of a test.
    fn act(&mut self, action: &Action) -> Result<Option<Ran>, Error>;

    /// The frames that it has sent of its own accord since the last call, in order, without MAC
    /// addresses: as they come in on the VIP's device.
    fn take_sent(&mut self) -> Vec<Vec<u8>>;
}
