//! The fuzzer's way into `saltpeter_fuzz::cron`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| saltpeter_fuzz::cron::check(data));
