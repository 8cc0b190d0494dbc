//! The fuzzer's way into `saltpeter_fuzz::crontab`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| saltpeter_fuzz::crontab::check(data));
