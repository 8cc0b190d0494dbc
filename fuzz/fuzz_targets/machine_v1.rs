//! The fuzzer's way into `saltpeter_fuzz::machine_v1`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| saltpeter_fuzz::machine_v1::check(data));
