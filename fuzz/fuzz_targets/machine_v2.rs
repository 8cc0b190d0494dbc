//! The fuzzer's way into `saltpeter_fuzz::machine_v2`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| saltpeter_fuzz::machine_v2::check(data));
