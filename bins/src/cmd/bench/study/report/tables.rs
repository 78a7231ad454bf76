//! How tables and figures are written.

use std::fmt::Write;

use super::super::statistics::Spread;

/// A table in Markdown; what a user named cannot break out of its cell.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(header.iter().map(|cell| escaped(cell)).collect());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "|{}", "---|".repeat(header.len()));
    for row in rows {
        text.push_str(&line(row.iter().map(|cell| escaped(cell)).collect()));
    }
    text
}

pub(super) fn escaped(text: &str) -> String {
    one_line(text).replace('|', "\\|").replace('<', "&lt;")
}

pub(super) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What there is no figure for.
pub(super) fn dash() -> String {
    "–".to_owned()
}

/// Three digits, as far as they mean something.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        small if small >= 0.1 || small == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// `12.3 [11.0–13.1]`, without the brackets if all rounds are the same.
pub(super) fn ranged(spread: Option<&Spread>) -> String {
    match spread {
        None => dash(),
        Some(Spread { median, min, max }) if min == max => short(*median),
        Some(Spread { median, min, max }) => {
            format!("{} [{}–{}]", short(*median), short(*min), short(*max))
        }
    }
}

/// `1.2 to 3.4`.
pub(super) fn from_to(values: &[f64]) -> String {
    match Spread::of(values) {
        None => dash(),
        Some(spread) if short(spread.min) == short(spread.max) => short(spread.min),
        Some(spread) => format!("{} to {}", short(spread.min), short(spread.max)),
    }
}
