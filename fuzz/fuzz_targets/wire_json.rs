//! The target `wire_json`: under `cargo fuzz` it is fuzzed, otherwise it replays the files that are named.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    mpcsfaas_fuzz::wire_json::run(data);
});

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    mpcsfaas_fuzz::replay::files(mpcsfaas_fuzz::wire_json::run)
}
