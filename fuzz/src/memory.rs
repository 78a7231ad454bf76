//! What a call allocates.

/// Runs `call`, and looks at how many bytes it held at most beyond those that were held before.
///
/// # Panics
/// If it held more than `factor` bytes for each of `input` bytes, and `constant`.
pub(crate) fn bounded<T>(input: usize, factor: u64, constant: u64, call: impl FnOnce() -> T) -> T {
    let mut result = None;
    let held = allocation_counter::measure(|| result = Some(call())).bytes_max;
    let bound = factor * input as u64 + constant;
    assert!(
        held <= bound,
        "{input} bytes made it hold {held}; the bound is {bound}"
    );
    match result {
        Some(result) => result,
        None => unreachable!("measure runs what it is given"),
    }
}
