#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| egress_guard_fuzz::redact_text(data));
