//! The fuzzer's way into `saltpeter_fuzz::machine_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| saltpeter_fuzz::machine_frame::check(data));
