//! The fuzzer's way into `saltpeter_fuzz::targets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| saltpeter_fuzz::targets::check(data));
