//! `mpcsfaas sim ablation`: which class of trouble is needed to find which planted bug.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Args;
use mpcsfaas_sim_tests::bugs::{self, Bug};
use mpcsfaas_sim_tests::catalogue::ablation::{self, Ablation, Row, Settings};
use mpcsfaas_sim_tests::catalogue::{self, Class, STRIDE};
use serde_json::{Value, json};

use super::choice::{Choice, one_of};
use super::report::{bar, print};
use super::run::as_many;
use super::target::bugs as choices;
use super::{SimError, exit_code};

/// Arguments of `mpcsfaas sim ablation`.
#[derive(Debug, Args)]
pub(super) struct AblationArgs {
    /// Only this bug. All of them, if not given.
    #[arg(long, value_name = "NAME", value_parser = one_of(choices()))]
    bug: Option<Bug>,
    /// Only without this class. Each of them in turn, if not given.
    #[arg(long, value_name = "CLASS", value_parser = one_of(classes()))]
    without: Option<Class>,
    /// How many seeds are run at most, to find a bug.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=STRIDE))]
    limit: u64,
    /// How many searches run at once. As many as there are cores, if not given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object a line: one for each class, and one at the end.
    #[arg(long)]
    json: bool,
}

fn classes() -> impl Iterator<Item = Choice<Class>> {
    let what = |class: &Class| match class.is_family() {
        true => "several kinds together",
        false => "one kind",
    };
    let all = Class::all().into_iter();
    all.map(move |class| (class.name, what(&class), class))
}

pub(super) fn run(args: &AblationArgs) -> Result<ExitCode, SimError> {
    let settings = Settings {
        bugs: args.bug.map_or_else(|| bugs::ALL.to_vec(), |bug| vec![bug]),
        classes: args
            .without
            .clone()
            .map_or_else(Class::all, |class| vec![class]),
        limit: args.limit,
        threads: as_many(args.threads),
    };
    let bar = bar(ablation::searches(&settings), "searches");
    let ablation = ablation::ablation(&settings, || bar.inc(1));
    bar.finish_and_clear();
    print(&match args.json {
        true => as_json(&ablation),
        false => catalogue::ablation_text(&ablation),
    })?;
    Ok(exit_code(true))
}

fn as_json(ablation: &Ablation) -> String {
    let rows = ablation.rows.iter().map(row_json);
    let whole = ablation.whole.iter().map(|(bug, find)| {
        let seeds = find.map(|find| find.seeds);
        (bug.name.to_owned(), Value::from(seeds))
    });
    let end = json!({ "seeds_with_all_trouble": Value::Object(whole.collect()) });
    let lines = rows.chain([end]).map(|line| format!("{line}\n"));
    lines.collect()
}

fn row_json(row: &Row) -> Value {
    json!({
        "without": row.class.name,
        "family": row.class.is_family(),
        "escaped": row.escaped.iter().map(|bug| bug.name).collect::<Vec<_>>(),
    })
}
