//! The fuzzer's way into `saltpeter_fuzz::browser`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| saltpeter_fuzz::browser::check(data));
