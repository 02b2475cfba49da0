//! Counts that are wrong are found.

use lb_tests::datapath::{Datapath as _, Kernel, POOL, World};
use lb_userspace::datapath::{Audit, audit};

use super::{A, B};

/// Both members have a connection, and the first one more that is over.
fn kernel() -> Kernel {
    let mut kernel = Kernel::load(64).unwrap();
    kernel.act(&World::new(&[1, 1]).install()).unwrap();
    let next = lb_tests::datapath::Conn::new("N", 103, 27_000, 27_000, 0);
    for action in [A.established(), B.established(), next.closed()].concat() {
        kernel.act(&action).unwrap();
    }
    kernel
}

fn audited(kernel: &Kernel, members: &[u32]) -> Audit {
    audit(kernel.maps(), &[(POOL, members.to_vec())]).unwrap()[0]
}

const fn drift(drift: u64) -> Audit {
    Audit { drift: Some(drift), entries: 6 }
}

#[test]
fn what_the_datapath_counts_is_what_conntrack_holds() {
    let kernel = kernel();
    assert_eq!(audited(&kernel, &[0, 1]), drift(0));
    assert_eq!(audited(&kernel, &[]), drift(0), "conntrack names the members, too");
    let empty = Kernel::load(64).unwrap();
    assert_eq!(audited(&empty, &[0]), Audit { drift: Some(0), entries: 0 });
}

#[test]
fn a_false_count_is_drift_either_way() {
    let mut kernel = kernel();
    kernel.falsify(0, 2).unwrap();
    assert_eq!(audited(&kernel, &[0, 1]), drift(2));
    kernel.falsify(1, 1_u32.wrapping_neg()).unwrap();
    assert_eq!(
        audited(&kernel, &[0, 1]),
        drift(3),
        "what is too much makes no good what is missing"
    );
    kernel.falsify_listener(5).unwrap();
    assert_eq!(audited(&kernel, &[0, 1]), drift(8));
    kernel.falsify(2, 1).unwrap();
    assert_eq!(audited(&kernel, &[0, 1, 2]), drift(9), "a member without connections");
}

#[test]
fn a_connection_that_nobody_counts_is_drift() {
    let mut kernel = kernel();
    kernel.falsify(0, 1_u32.wrapping_neg()).unwrap();
    assert_eq!(audited(&kernel, &[1]), drift(1), "of a member that nobody asked about");
}
