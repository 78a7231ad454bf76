//! Durations as text, such as `1.5ms`: exact to the nanosecond both ways.

use std::time::Duration;

use thiserror::Error;

const SECOND: u128 = 1_000_000_000;

/// Units and their nanoseconds, the longest first.
const UNITS: [(&str, u128); 5] = [
    ("min", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Why a text is no duration.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TimeError {
    /// There is no number, or more than one.
    #[error("`{0}` is no duration: write a number and a unit, such as 1.5ms")]
    Number(String),
    /// The unit is missing or unknown.
    #[error("`{0}` has no unit that is known: write ns, us, ms, s or min, such as 1.5ms")]
    Unit(String),
    /// It is no whole number of nanoseconds, or, of a clock's jump, of milliseconds.
    #[error("`{0}` is too fine")]
    TooFine(String),
    /// It is longer than can be told.
    #[error("`{0}` is too long")]
    TooLong(String),
}

/// Reads a duration.
///
/// # Errors
/// See [`TimeError`].
pub fn read(text: &str) -> Result<Duration, TimeError> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let unit_at = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(TimeError::Number(text.to_owned()));
    }
    let unit = UNITS.iter().find(|(name, _)| *name == unit);
    let (_, unit) = unit.ok_or_else(|| TimeError::Unit(text.to_owned()))?;
    let too_long = || TimeError::TooLong(text.to_owned());
    let digits: u128 = format!("{whole}{fraction}")
        .parse()
        .map_err(|_| too_long())?;
    let scale = u32::try_from(fraction.len()).map_err(|_| too_long())?;
    let scale = 10_u128.checked_pow(scale).ok_or_else(too_long)?;
    let scaled = digits.checked_mul(*unit).ok_or_else(too_long)?;
    if !scaled.is_multiple_of(scale) {
        return Err(TimeError::TooFine(text.to_owned()));
    }
    let nanos = scaled / scale;
    let seconds = u64::try_from(nanos / SECOND).map_err(|_| too_long())?;
    Ok(Duration::new(seconds, (nanos % SECOND) as u32))
}

/// Writes a duration in the longest unit that it has a whole one of; minutes stay seconds.
pub fn write(time: Duration) -> String {
    let nanos = time.as_nanos();
    let (unit, size) = (UNITS.into_iter().skip(1))
        .find(|&(_, size)| nanos >= size)
        .unwrap_or(("s", SECOND));
    let digits = size.ilog10() as usize;
    let fraction = format!("{:0digits$}", nanos % size);
    match fraction.trim_end_matches('0') {
        "" => format!("{}{unit}", nanos / size),
        fraction => format!("{}.{fraction}{unit}", nanos / size),
    }
}

/// Reads milliseconds that may be below zero, such as `-2s`.
pub(super) fn read_signed(text: &str) -> Result<i64, TimeError> {
    let (sign, length) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, text),
    };
    let time = read(length)?;
    let millis = i128::try_from(time.as_millis()).ok();
    let millis = millis.and_then(|millis| i64::try_from(sign * millis).ok());
    let millis = millis.ok_or_else(|| TimeError::TooLong(text.to_owned()))?;
    if !time.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(TimeError::TooFine(text.to_owned()));
    }
    Ok(millis)
}

/// Writes milliseconds that may be below zero.
pub(super) fn write_signed(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let length = Duration::from_millis(millis.unsigned_abs());
    format!("{sign}{}", write(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_few_signs() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5us"),
            (1_500_000, "1.5ms"),
            (999_999_999, "999.999999ms"),
            (1_000_000_001, "1.000000001s"),
            (90_000_000_000, "90s"),
        ] {
            let time = Duration::from_nanos(nanos);
            assert_eq!(write(time), text);
            assert_eq!(read(text), Ok(time));
        }
        let endless = write(Duration::MAX);
        assert_eq!(read(&endless), Ok(Duration::MAX));
        assert_eq!(read("1.5min"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn jumps_go_both_ways() {
        for (millis, text) in [(0, "0s"), (-2_000, "-2s"), (1_500, "1.5s")] {
            assert_eq!(write_signed(millis), text);
            assert_eq!(read_signed(text), Ok(millis));
        }
        for end in [i64::MIN, i64::MAX] {
            assert_eq!(read_signed(&write_signed(end)), Ok(end));
        }
        assert_eq!(
            read_signed("-1.5us"),
            Err(TimeError::TooFine("-1.5us".into()))
        );
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        type Kind = fn(String) -> TimeError;
        for (text, kind) in [
            ("", TimeError::Number as Kind),
            ("s", TimeError::Number),
            ("-1s", TimeError::Number),
            ("1.s", TimeError::Number),
            ("1.2.3s", TimeError::Number),
            ("1", TimeError::Unit),
            ("1 s", TimeError::Unit),
            ("1h", TimeError::Unit),
            ("0.5ns", TimeError::TooFine),
            ("18446744073709551616s", TimeError::TooLong),
            (
                "1.0000000000000000000000000000000000000000s",
                TimeError::TooLong,
            ),
        ] {
            assert_eq!(read(text), Err(kind(text.to_owned())), "{text}");
        }
    }
}
