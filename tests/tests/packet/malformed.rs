//! Frames that are cut short or contradict themselves.

use lb_tests::datapath::patched;

use super::case::{Said, case, check};
use super::{A, ahead};

const IP: usize = 14;
const TOTAL_LEN: usize = IP + 2;
const TCP: usize = IP + 20;
const OFFSET: usize = TCP + 12;

/// Neither as an opening nor as part of a connection.
fn malformed(name: impl std::fmt::Display, change: impl Fn(Vec<u8>) -> Vec<u8>) -> [Said; 2] {
    let (syn, ack) = (A.client("S").input.frame(), A.client("A").input.frame());
    [
        case(format!("{name}, SYN")).passes(change(syn), "pass_malformed +1"),
        case(format!("{name}, known"))
            .conns(&[A])
            .given(A.established())
            .passes(change(ack), "pass_malformed +1"),
    ]
}

#[test]
fn cut_short() {
    // A test run takes no IPv4 frame without a whole IP header; lb-common cuts those short
    // itself.
    let ends = [TCP, TCP + 1, TCP + 4, OFFSET, OFFSET + 1, TCP + 16, TCP + 19];
    check(ends.into_iter().flat_map(|end| {
        malformed(format!("{end} bytes"), |mut frame| {
            frame.truncate(end);
            frame
        })
    }));
}

#[test]
fn cut_short_and_honest_about_it() {
    let ends: [usize; 4] = [TCP, TCP + 4, OFFSET + 1, TCP + 19];
    check(ends.into_iter().flat_map(|end| {
        malformed(format!("{end} bytes"), |mut frame| {
            frame.truncate(end);
            patched(frame, TOTAL_LEN, &((end - IP) as u16).to_be_bytes())
        })
    }));
}

#[test]
fn impossible_headers() {
    let byte = |offset, value: u8| move |frame| patched(frame, offset, &[value]);
    let versions = [0x05, 0x35, 0x55, 0x65, 0xf5]
        .into_iter()
        .flat_map(|first| malformed(format!("version {}", first >> 4), byte(IP, first)));
    let ihls = [0x40, 0x41, 0x44, 0x4f]
        .into_iter()
        .flat_map(|first| malformed(format!("IP header of {} words", first & 15), byte(IP, first)));
    let offsets = [0x00, 0x10, 0x40, 0x60, 0xf0].into_iter().flat_map(|offset| {
        malformed(format!("TCP header of {} words", offset >> 4), byte(OFFSET, offset))
    });
    check(versions.chain(ihls).chain(offsets));
}

#[test]
fn impossible_lengths() {
    let lengths = [1_u16, 19, 20, 39, 41, 1500, 0xffff];
    check(lengths.into_iter().flat_map(|length| {
        malformed(format!("total length {length}"), move |frame| {
            patched(frame, TOTAL_LEN, &length.to_be_bytes())
        })
    }));
}

/// Zero stands for a GSO packet that is too long for the field, never for a plain frame.
#[test]
fn a_plain_frame_without_a_length() {
    check(malformed("total length 0", |frame| patched(frame, TOTAL_LEN, &[0, 0])));
}

#[test]
fn a_shorter_datagram_in_a_longer_frame_is_padding() {
    let pair = A.client("A").with(|tcp| tcp.padding(100));
    check([case("100 bytes").conns(&[A]).given(A.established()).sends(&pair, ahead(&A, 0))]);
}
