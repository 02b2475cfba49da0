//! Whether a listener takes a new connection at all.

use crate::{
    addr::Addr,
    state::{AllowedNet, Overflow, Vip},
    tables::Tables,
    verdict::{DropReason, RefuseReason, Verdict},
};

/// Why a listener does not take a connection.
type Declined = Result<Verdict, DropReason>;

/// Checks that the listener serves the client at this address.
///
/// Only to be asked for a segment that opens a connection: known connections, those of a HAProxy
/// beside qlb among them, outlive a change of the allowed networks.
#[inline(always)]
pub(super) fn check_client<T: Tables>(
    tables: &T,
    vip: &Vip,
    address: Addr,
) -> Result<(), Declined> {
    if is_allowed(tables, vip, address) { Ok(()) } else { Err(Err(DropReason::NotAllowed)) }
}

#[inline(never)]
fn is_allowed<T: Tables>(tables: &T, vip: &Vip, address: Addr) -> bool {
    let (pool, generation) = (vip.pool, vip.admission.generation);
    vip.admission.restricted == 0 || tables.allows(&AllowedNet { pool, generation, address })
}

/// Counts a connection that is about to open, unless the listener has enough without those that `make_way`.
///
/// What does not become a connection has to [`leave`]; what does leaves when it is closed
/// ([`crate::schedule::closed`]).
#[inline(always)]
pub(super) fn enter<T: Tables>(tables: &T, vip: &Vip, make_way: u32) -> Result<(), Declined> {
    let Some(load) = tables.vip_load(vip.pool) else {
        return Err(Err(DropReason::Inconsistent));
    };
    if load.enter(tables, vip.admission.limit.saturating_add(make_way)) {
        Ok(())
    } else if vip.admission.overflow == Overflow::Reset as u32 {
        Err(Ok(Verdict::Refuse(RefuseReason::ConnectionLimit)))
    } else {
        Err(Err(DropReason::ConnectionLimit))
    }
}

/// Takes back what [`enter`] has counted.
#[inline(always)]
pub(super) fn leave<T: Tables>(tables: &T, vip: &Vip) {
    if let Some(load) = tables.vip_load(vip.pool) {
        load.leave(tables);
    }
}
