//! Any frames through the parser and the decision.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lb_tests::fuzz::packets(data));
