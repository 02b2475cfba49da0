//! Any bytes through the readers of configurations.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lb_tests::fuzz::importer(data));
