//! Nobody between client and members: the machine's own limit, and what all others are compared with.

use super::error::Error;
use super::field::Field;
use super::peer::{Found, Peer};
use crate::Qlb;

pub(super) fn start(field: &Field, _: &Qlb, _: u8) -> Result<Found, Error> {
    Ok(Found::Ready(Box::new(Peer {
        name: "direct",
        what: "client and members without anybody between".into(),
        web: field.web(),
        bulk: field.bulk(),
        processes: Vec::new(),
        programs: std::collections::BTreeSet::new(),
        accounted: true,
        _keep: Vec::new(),
    })))
}
