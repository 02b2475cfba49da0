//! The programs themselves, for a harness that runs them by its own means.

use std::os::fd::{AsFd as _, BorrowedFd};

use lb_userspace::datapath::Post;

use super::{Error, Kernel};

/// Where a program hooks in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// TC ingress.
    Tc,
    /// XDP, on the device with this index.
    Xdp {
        /// The index, in the namespace that the datapath was loaded in.
        ifindex: u32,
    },
}

/// A program that frames meet first.
#[derive(Clone, Copy, Debug)]
pub struct Tested<'a> {
    /// The loaded program.
    pub program: BorrowedFd<'a>,
    /// Where it hooks in.
    pub hook: Hook,
}

impl Kernel {
    /// The program of TC ingress: where devices share the datapath, the one that names the device.
    ///
    /// # Errors
    /// When the object lacks it.
    pub fn tested(&mut self) -> Result<Tested<'_>, Error> {
        Ok(Tested { program: self.first()?.fd()?.as_fd(), hook: Hook::Tc })
    }

    /// The program in front of that, at the outer end or of XDP; none if the datapath was loaded without.
    ///
    /// # Errors
    /// When the object lacks it.
    pub fn tested_ahead(&mut self) -> Result<Option<Tested<'_>>, Error> {
        if self.outside {
            let program = self.first_at(Post::Outer)?.fd()?.as_fd();
            return Ok(Some(Tested { program, hook: Hook::Tc }));
        }
        let Some(front) = &self.front else { return Ok(None) };
        let hook = Hook::Xdp { ifindex: front.ifindex };
        Ok(Some(Tested { program: self.loaded.early()?.fd()?.as_fd(), hook }))
    }

    /// A frame as it comes in by the device that the XDP program is on: addressed to that.
    #[must_use]
    pub fn addressed(&self, frame: &[u8]) -> Vec<u8> {
        self.front.as_ref().map_or_else(|| frame.to_vec(), |front| front.addressed(frame))
    }
}
