//! The fuzzer's way into `saltpeter_fuzz::ansi`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| saltpeter_fuzz::ansi::check(data));
