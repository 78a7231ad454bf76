//! `mpcsfaas sim catalogue`: how many seeds it takes to find each planted bug.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Args;
use mpcsfaas_sim_tests::bugs::{self, Bug};
use mpcsfaas_sim_tests::catalogue::{self, BASES, Catalogue, Entry, STRIDE, Settings};
use serde_json::{Value, json};

use super::choice::one_of;
use super::report::{bar, print};
use super::run::as_many;
use super::target::bugs as choices;
use super::{SimError, exit_code};

/// Arguments of `mpcsfaas sim catalogue`.
#[derive(Debug, Args)]
pub(super) struct CatalogueArgs {
    /// Only this bug. All of them, if not given.
    #[arg(long, value_name = "NAME", value_parser = one_of(choices()))]
    bug: Option<Bug>,
    /// From how many places the seeds are counted.
    #[arg(long, value_name = "N", default_value_t = BASES, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    bases: u64,
    /// How many seeds are run from each place at most.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=STRIDE))]
    limit: u64,
    /// How many searches run at once. As many as there are cores, if not given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object a line: one for each bug, and one at the end.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CatalogueArgs) -> Result<ExitCode, SimError> {
    let settings = Settings {
        bugs: args.bug.map_or_else(|| bugs::ALL.to_vec(), |bug| vec![bug]),
        bases: args.bases,
        limit: args.limit,
        threads: as_many(args.threads),
    };
    let bar = bar(catalogue::searches(&settings), "searches");
    let catalogue = catalogue::catalogue(&settings, || bar.inc(1));
    bar.finish_and_clear();
    print(&match args.json {
        true => as_json(&catalogue),
        false => catalogue::text(&catalogue),
    })?;
    Ok(exit_code(catalogue.is_well()))
}

fn as_json(catalogue: &Catalogue) -> String {
    let entries = catalogue.entries.iter().map(entry_json);
    let end = json!({
        "bugs": catalogue.entries.len(),
        "found": catalogue.entries.iter().filter(|entry| entry.is_found()).count(),
        "control_seeds": catalogue.control_seeds,
        "control_breaks": catalogue.control_breaks,
    });
    let lines = entries.chain([end]).map(|line| format!("{line}\n"));
    lines.collect()
}

fn entry_json(entry: &Entry) -> Value {
    let judges = entry.judges();
    json!({
        "bug": entry.bug.name,
        "what": entry.bug.what,
        "bases": entry.finds.len(),
        "found": entry.found(),
        "median_seeds": entry.median(),
        "p95_seeds": entry.p95(),
        "checker": judges.first().map(|(judge, _)| judge),
        "checkers": judges.iter().copied().collect::<BTreeMap<_, _>>(),
    })
}
