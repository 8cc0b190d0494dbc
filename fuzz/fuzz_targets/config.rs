//! The fuzzer's way into `saltpeter_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| saltpeter_fuzz::config::check(data));
