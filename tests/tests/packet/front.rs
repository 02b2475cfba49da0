//! What loading decides about the XDP program in front: when it leaves a segment to TC for the neighbour's sake, how it
//! sends, and which maps it shares.

use lb_tests::datapath::{Act, Action, Datapath as _, Kernel, Stamping, World, delta};

use super::A;

/// A datapath with an established connection that was last heard of when `seen` says.
fn heard_of(confirm: u32, redirects: bool, seen: Stamping) -> Kernel {
    let mut kernel = Kernel::load_in_front(64, confirm, redirects).unwrap();
    kernel.act(&World::new(&[1]).install()).unwrap();
    for action in A.established() {
        assert_eq!(kernel.act(&action).unwrap().unwrap().act, Act::Send);
    }
    kernel.act(&Action::Stamp(seen)).unwrap();
    kernel
}

/// What two acknowledgements in a row change in what the XDP program counts.
fn twice(kernel: &mut Kernel) -> Vec<String> {
    let before = kernel.snapshot().unwrap();
    for _ in 0..2 {
        assert_eq!(kernel.act(&A.client("A").action()).unwrap().unwrap().act, Act::Send);
    }
    let mut lines = delta(&before, &kernel.snapshot().unwrap(), &[A]);
    lines.retain(|line| line.starts_with("xdp_") || line.starts_with("forward_"));
    lines
}

#[test]
fn the_first_segment_after_a_while_is_left_to_tc() {
    // The clock of the machine will not reach this bit, and the future has it.
    let mut kernel = heard_of(62, false, Stamping::FUTURE);
    assert_eq!(
        twice(&mut kernel),
        ["forward_to_member +2", "xdp_forwarded +1", "xdp_pass_confirm +1"]
    );
}

#[test]
fn a_redirect_sends_the_same() {
    let mut kernel = heard_of(63, true, Stamping::FUTURE);
    assert_eq!(twice(&mut kernel), ["forward_to_member +2", "xdp_forwarded +2"]);
}

#[test]
fn the_program_of_the_next_load_goes_on() {
    let mut kernel = heard_of(63, false, Stamping::FUTURE);
    kernel.replace().unwrap();
    assert_eq!(twice(&mut kernel), ["forward_to_member +2", "xdp_forwarded +2"]);
}
