//! What is printed.

use super::ablation::{Ablation, Row};
use super::{Catalogue, ENOUGH, Entry};
use crate::bugs::Bug;

/// One row a bug, in aligned columns; what was not found; the control.
pub fn text(catalogue: &Catalogue) -> String {
    let wide = catalogue.entries.iter().map(|entry| entry.bug.name.len());
    let wide = wide.max().unwrap_or_default();
    let mut text = format!(
        "{:<wide$} {:>6} {:>7} {:>6}  caught by\n",
        "bug", "found", "median", "p95"
    );
    for entry in &catalogue.entries {
        text += &format!(
            "{:<wide$} {:>6} {:>7} {:>6}  {}\n",
            entry.bug.name,
            format!("{}/{}", entry.found(), entry.finds.len()),
            number(entry.median()),
            number(entry.p95()),
            judges(entry),
        );
    }
    let found = catalogue.entries.iter().filter(|entry| entry.is_found());
    text += &format!(
        "\n{} of {} bugs are found within {ENOUGH} seeds by 95 of 100 bases\n",
        found.count(),
        catalogue.entries.len()
    );
    for entry in catalogue.entries.iter().filter(|entry| !entry.is_found()) {
        let Bug {
            name, what, wants, ..
        } = entry.bug;
        let wants = wants.map_or_else(String::new, |wants| format!("; wanted: {wants}"));
        text += &format!("not so {name}: {what}{wants}\n");
    }
    let seeds = catalogue.control_seeds;
    text += &match catalogue.control_breaks.as_slice() {
        [] => format!("the same {seeds} seeds without a bug keep every promise\n"),
        breaks => {
            let each = breaks
                .iter()
                .map(|(seed, promise)| format!("seed {seed} {promise}"));
            let each: Vec<String> = each.collect();
            format!("WITHOUT A BUG promises are broken: {}\n", each.join(", "))
        }
    };
    text
}

fn number(seeds: Option<u64>) -> String {
    seeds.map_or_else(|| "-".to_owned(), |seeds| seeds.to_string())
}

/// The judges and, if they are several, from how many bases each.
fn judges(entry: &Entry) -> String {
    match entry.judges().as_slice() {
        [] => "nobody".to_owned(),
        [(judge, _)] => (*judge).to_owned(),
        several => {
            let each = several
                .iter()
                .map(|(judge, count)| format!("{judge} {count}"));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Which bugs escape without each class, and which classes are needed for none.
pub fn ablation_text(ablation: &Ablation) -> String {
    let wide = ablation.rows.iter().map(|row| row.class.name.len());
    let wide = wide.max().unwrap_or_default();
    let mut text = format!("{:<wide$}  bugs that escape\n", "without");
    for row in ablation.rows.iter().filter(|row| !row.escaped.is_empty()) {
        text += &format!("{:<wide$}  {}\n", row.class.name, names(row));
    }
    let idle: Vec<&str> = ablation
        .rows
        .iter()
        .filter(|row| row.escaped.is_empty())
        .map(|row| row.class.name)
        .collect();
    if !idle.is_empty() {
        text += &format!("\nfind nothing alone: {}\n", idle.join(", "));
    }
    let missed: Vec<&str> = ablation
        .whole
        .iter()
        .filter(|(_, find)| find.is_none())
        .map(|(bug, _)| bug.name)
        .collect();
    if !missed.is_empty() {
        text += &format!("not found with all trouble: {}\n", missed.join(", "));
    }
    text
}

fn names(row: &Row) -> String {
    let names = row.escaped.iter().map(|bug| bug.name);
    names.collect::<Vec<_>>().join(", ")
}
