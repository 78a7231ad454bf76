//! The store's times as people and JSON write them: RFC 3339 in UTC, with milliseconds.

use crate::time::WallTime;

const MILLIS_PER_DAY: u64 = 24 * 3600 * 1000;

/// Days from the first of March of the year 0 to the Unix epoch.
const EPOCH_DAYS: u64 = 719_468;

/// Days in 400 years, after which the calendar repeats.
const DAYS_PER_ERA: u64 = 146_097;

/// `2024-02-29T12:34:56.789Z`.
pub fn utc(time: WallTime) -> String {
    let (year, month, day) = civil(time.0 / MILLIS_PER_DAY);
    let millis = time.0 % MILLIS_PER_DAY;
    let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
    let (second, milli) = (millis / 1_000 % 60, millis % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads what [`utc`] writes, and nothing else.
pub fn parse(text: &str) -> Option<WallTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, milli) = time.split_once('.')?;
    let mut time = time.split(':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // Counted in years that begin in March, as in `civil`.
    let march_year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let day_of_year = (153 * (month.checked_add(9)? % 12) + 2) / 5 + day.checked_sub(1)?;
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    let days = (march_year.checked_mul(365)? + leap_days + day_of_year).checked_sub(EPOCH_DAYS)?;
    let millis = ((hour * 60 + minute) * 60 + second) * 1_000 + number(milli)?;
    let read = WallTime(days.checked_mul(MILLIS_PER_DAY)?.checked_add(millis)?);
    // Also what is no date, such as February 30, is written otherwise than it was read.
    (utc(read) == text).then_some(read)
}

/// A part of a time: short enough that no product of parts overflows.
fn number(digits: &str) -> Option<u64> {
    (digits.len() <= 9).then(|| digits.parse().ok())?
}

/// The date that is so many days after 1970-01-01, by counting in years that begin in March: the
/// leap day is then the last of its year.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_DAYS;
    let day_of_era = days % DAYS_PER_ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + days / DAYS_PER_ERA * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (millis, text) in rows {
            assert_eq!(utc(WallTime(millis)), text);
            assert_eq!(parse(text), Some(WallTime(millis)));
        }
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "2024-02-29",
            "2024-02-30T00:00:00.000Z",
            "2024-02-29T24:00:00.000Z",
            "2024-02-29T12:34:56.789+01:00",
            "2024-02-29T12:34:56Z",
            "0000-01-01T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "999999999-999999999-999999999T999999999:999999999:999999999.999999999Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_end_of_the_clock_is_no_panic() {
        assert!(utc(WallTime(u64::MAX)).ends_with('Z'));
    }
}
