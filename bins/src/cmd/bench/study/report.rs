//! A study as a text for people. Every sentence with a figure in it is made from the figures; what
//! they do not show is not said.

mod findings;
mod limits;

use std::fmt::Write;

use mpcsfaas_core::store::op::Mode;

use super::course::counted;
use super::outcome::{Cell, LatencySpread, Study};
use super::plan::{Pacing, Scaling};
use super::plots::Plot;
use super::published::{self, MOST_OVER_LOCAL_S, PUSH_COLLAPSE, PUSH_COMPLETION_S};
use super::statistics::Spread;

/// The report in Markdown, with the plots beside it.
pub fn markdown(study: &Study, plots: &[Plot]) -> String {
    let report = Report { study, plots };
    let sections = [
        report.setting(),
        report.per_mode(),
        listed("Anomalies", &findings::anomalies(study), findings::LOOKED_FOR),
        report.distribution(),
        report.workloads(),
        report.scaling(),
        report.cost(),
        listed("Recommendations", &findings::recommendations(study), ""),
        listed("Limitations", &limits::limitations(study), ""),
    ];
    let mut text = String::from("# Study of mpcsfaas\n");
    for section in sections {
        text.push('\n');
        text.push_str(section.trim_end());
        text.push('\n');
    }
    text
}

struct Report<'a> {
    study: &'a Study,
    plots: &'a [Plot],
}

impl Report<'_> {
    fn setting(&self) -> String {
        let Study {
            versions,
            machine,
            setting,
            ..
        } = self.study;
        let build = if versions.optimised { "optimised" } else { "not optimised" };
        let python = [("Python", &versions.python), ("dill", &versions.dill)];
        let mut software = format!("mpcsfaas {} ({build})", versions.mpcsfaas);
        for (name, version) in python {
            if let Some(version) = version {
                let _ = write!(software, ", {name} {version}");
            }
        }
        if let Some(redis) = &versions.redis {
            let _ = write!(software, ", {redis}");
        }
        let load = machine.load_before.map_or("unknown".to_owned(), |load| load.to_string());
        let rows = [
            ("measured", format!("{} to {}", self.study.started_at, self.study.ended_at)),
            ("software", software),
            ("machine", machine.to_string()),
            ("load average before", load),
            ("store", setting.store.clone()),
            ("pacing", self.pacing()),
            ("rounds", setting.rounds.to_string()),
            ("command", format!("`{}`", self.study.command.join(" "))),
        ];
        let mut text = match &self.study.stopped_by {
            None => String::new(),
            Some(why) => format!(
                "**Incomplete**: {}. What had been measured until then is below.\n\n",
                one_line(why)
            ),
        };
        text.push_str(&table(&["", ""], &rows.map(|(name, value)| vec![name.to_owned(), value])));
        text.push_str(
            "\nA figure is the median of the rounds; in brackets are the least and the most of \
             them. In local mode one worker has the processes of all.\n",
        );
        text
    }

    fn pacing(&self) -> String {
        match self.study.setting.pacing {
            Pacing::Original => "original: five submits, 0.2 s pause, and so on, then polls each \
                                 0.1 s"
                .to_owned(),
            Pacing::Open => format!(
                "open: {} submits a second",
                self.study.setting.rate.unwrap_or_default()
            ),
            Pacing::Burst => "burst: all at once, then long polls".to_owned(),
        }
    }

    fn per_mode(&self) -> String {
        let mut text = String::from("## Per mode\n");
        for &mode in &self.study.setting.modes {
            let _ = write!(text, "\n### {}\n\n", mode.as_str());
            let cells: Vec<&Cell> = self.cells(mode).collect();
            if cells.is_empty() {
                text.push_str("Nothing was measured.\n");
                continue;
            }
            text.push_str(&self.mode_table(&cells));
            for sentence in findings::of_mode(self.study, mode) {
                let _ = write!(text, "\n{sentence}\n");
            }
        }
        text.push_str(&self.beside_published());
        text.push_str(&self.picture("throughput"));
        text
    }

    fn cells(&self, mode: Mode) -> impl Iterator<Item = &Cell> {
        self.study.cells.iter().filter(move |cell| cell.key.mode == mode)
    }

    /// The store's clock was asked for each task.
    fn inside(&self) -> bool {
        self.study.cells.iter().any(|cell| cell.inside.is_some())
    }

    fn mode_table(&self, cells: &[&Cell]) -> String {
        let mut header = vec![
            "workload", "scaling", "workers", "tasks", "done %", "tasks/s", "completion s",
            "mean ms", "p95 ms",
        ];
        if self.inside() {
            header.push("inside mean ms");
        }
        let rows: Vec<Vec<String>> = cells
            .iter()
            .map(|cell| {
                let latency = cell.latency.as_ref();
                let mut row = vec![
                    cell.key.workload.clone(),
                    cell.key.scaling.as_str().to_owned(),
                    cell.key.workers.to_string(),
                    cell.tasks.to_string(),
                    format!("{:.1}", cell.success_percent),
                    ranged(Some(&cell.throughput)),
                    ranged(Some(&cell.completion_s)),
                    ranged(latency.map(|latency| &latency.mean)),
                    ranged(latency.map(|latency| &latency.p95)),
                ];
                if self.inside() {
                    row.push(ranged(cell.inside.as_ref().map(|inside| &inside.mean)));
                }
                row
            })
            .collect();
        table(&header, &rows)
    }

    /// Only where the client did what the original's does.
    fn beside_published(&self) -> String {
        if self.study.setting.pacing != Pacing::Original {
            return String::new();
        }
        let rows: Vec<Vec<String>> = self
            .study
            .setting
            .modes
            .iter()
            .map(|&mode| {
                let published = published::of(mode);
                let over = |pick: &dyn Fn(&Cell) -> Option<f64>| {
                    let noop = self.cells(mode).filter(|cell| cell.key.workload == "noop");
                    let weak = noop.filter(|cell| cell.key.scaling == Scaling::Weak);
                    from_to(&weak.filter_map(pick).collect::<Vec<f64>>())
                };
                vec![
                    mode.as_str().to_owned(),
                    format!("{}", published.throughput),
                    over(&|cell| Some(cell.throughput.median)),
                    format!("{}", published.mean_latency_ms),
                    over(&|cell| Some(cell.latency.as_ref()?.mean.median)),
                    over(&|cell| Some(cell.after_submission_ms?.median)),
                    over(&|cell| Some(cell.inside.as_ref()?.mean.median)),
                ]
            })
            .collect();
        let header = [
            "mode", "published tasks/s", "tasks/s", "published mean ms",
            "mean ms, from each submit", "mean ms, from the end of submission", "mean ms, inside",
        ];
        format!(
            "\n### Beside the original's figures\n\nNo-op tasks, weak scaling, over all worker \
             counts. The published figures are from the original's own report and were measured on \
             its authors' machine.\n\n{}",
            table(&header, &rows)
        )
    }

    fn distribution(&self) -> String {
        let mut text = String::from("## Latency distribution\n\n");
        let inside = self.inside();
        text.push_str(if inside {
            "By the store's clock, from acceptance to result, in milliseconds.\n\n"
        } else {
            "As the client saw it, in milliseconds.\n\n"
        });
        let workers = self.study.setting.workers.last();
        let header = ["mode", "workload", "scaling", "workers", "min", "p50", "mean", "p95", "p99", "max"];
        let rows = self.study.cells.iter().filter(|cell| Some(&cell.key.workers) == workers);
        let rows: Vec<Vec<String>> = rows
            .map(|cell| {
                let latency = if inside { &cell.inside } else { &cell.latency };
                let pick = |pick: fn(&LatencySpread) -> &Spread| {
                    ranged(latency.as_ref().map(pick))
                };
                vec![
                    cell.key.mode.as_str().to_owned(),
                    cell.key.workload.clone(),
                    cell.key.scaling.as_str().to_owned(),
                    cell.key.workers.to_string(),
                    pick(|latency| &latency.min),
                    pick(|latency| &latency.p50),
                    pick(|latency| &latency.mean),
                    pick(|latency| &latency.p95),
                    pick(|latency| &latency.p99),
                    pick(|latency| &latency.max),
                ]
            })
            .collect();
        text.push_str(&table(&header, &rows));
        text.push_str(&self.picture("latency"));
        text.push_str(&self.picture("distribution"));
        text
    }

    fn workloads(&self) -> String {
        let workers = self.study.setting.workers.last().copied().unwrap_or(1);
        let modes = &self.study.setting.modes;
        let mut header = vec!["workload".to_owned(), "computation ms".to_owned()];
        for mode in modes {
            header.push(format!("{} tasks/s", mode.as_str()));
            header.push(format!("{} ratio", mode.as_str()));
        }
        let scaling = self.study.setting.scalings.first().copied().unwrap_or(Scaling::Weak);
        let rows: Vec<Vec<String>> = self
            .study
            .workloads
            .iter()
            .map(|workload| {
                let mut row = vec![workload.workload.clone(), short(workload.computation_ms)];
                for &mode in modes {
                    let cell = findings::find(self.study, mode, &workload.workload, scaling, workers);
                    row.push(cell.map_or_else(dash, |cell| short(cell.throughput.median)));
                    let ratio = cell.and_then(|cell| cell.communication_ratio);
                    row.push(ratio.map_or_else(dash, short));
                }
                row
            })
            .collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        format!(
            "## Workloads\n\nWith {}, {} scaling. The computation is the median of calls in a \
             Python of its own, without a platform. The ratio is communication to computation: how \
             much longer a task takes than its computation, as a multiple of that. There is none \
             where the computation is under 0.01 ms.\n\n{}",
            counted(workers, "worker"),
            scaling.as_str(),
            table(&header, &rows)
        )
    }

    fn scaling(&self) -> String {
        let mut text = String::from("## Scaling\n");
        for &scaling in &self.study.setting.scalings {
            let what = match scaling {
                Scaling::Weak => format!(
                    "Weak: {} for each worker. Efficiency is the completion with the fewest \
                     workers as a part of this one.",
                    counted(self.study.setting.tasks_per_worker, "task")
                ),
                Scaling::Strong => format!(
                    "Strong: {} whatever the number of workers. Efficiency is the speed-up over \
                     the fewest workers as a part of the ideal one.",
                    counted(self.study.setting.strong_tasks, "task")
                ),
            };
            let _ = write!(text, "\n{what}\n\n{}", self.efficiencies(scaling));
        }
        if !self.study.fits.is_empty() {
            text.push_str(
                "\nFits of weak scaling, seconds = a n^b over n workers; b = 0 is ideal, b = 1 is \
                 no gain from more workers.\n\n",
            );
            text.push_str(&self.fits());
        }
        for sentence in findings::of_scaling(self.study) {
            let _ = write!(text, "\n{sentence}\n");
        }
        if self.study.setting.pacing == Pacing::Original {
            text.push_str(&self.published_scaling());
        }
        text.push_str(&self.picture("weak-scaling"));
        text
    }

    fn efficiencies(&self, scaling: Scaling) -> String {
        let workers = &self.study.setting.workers;
        let mut header = vec!["mode".to_owned(), "workload".to_owned()];
        header.extend(workers.iter().skip(1).map(|count| format!("{count} workers, %")));
        let mut rows = Vec::new();
        for &mode in &self.study.setting.modes {
            for workload in &self.study.workloads {
                let workload = &workload.workload;
                let mut row = vec![mode.as_str().to_owned(), workload.clone()];
                row.extend(workers.iter().skip(1).map(|&count| {
                    let cell = findings::find(self.study, mode, workload, scaling, count);
                    let efficiency = cell.and_then(|cell| cell.efficiency_percent);
                    efficiency.map_or_else(dash, |percent| format!("{percent:.1}"))
                }));
                rows.push(row);
            }
        }
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        match workers.len() {
            0 | 1 => "One worker count has no efficiency.\n".to_owned(),
            _ => table(&header, &rows),
        }
    }

    fn fits(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .study
            .fits
            .iter()
            .map(|fit| {
                vec![
                    fit.mode.as_str().to_owned(),
                    fit.workload.clone(),
                    format!("{:.3}", fit.completion.factor),
                    format!("{:.2}", fit.completion.exponent),
                    format!("{:.2}", fit.completion.r_squared),
                ]
            })
            .collect();
        table(&["mode", "workload", "a", "b", "R²"], &rows)
    }

    fn published_scaling(&self) -> String {
        let efficiencies = self.study.setting.modes.iter().map(|&mode| {
            format!("{} % ({})", published::of(mode).weak_efficiency_percent, mode.as_str())
        });
        let efficiencies: Vec<String> = efficiencies.collect();
        let mut text = format!(
            "\nPublished of the original, on its authors' machine: weak scaling efficiency {}; \
             push fell by a factor of {} to {} on no-op tasks when workers were added.\n\n",
            efficiencies.join(", "),
            PUSH_COLLAPSE.0,
            PUSH_COLLAPSE.1
        );
        let rows: Vec<Vec<String>> = PUSH_COMPLETION_S
            .iter()
            .map(|(workers, seconds)| {
                let ours = |scaling| {
                    let cell = findings::find(self.study, Mode::Push, "noop", scaling, *workers);
                    ranged(cell.map(|cell| &cell.completion_s))
                };
                vec![
                    workers.to_string(),
                    seconds.to_string(),
                    ours(Scaling::Weak),
                    ours(Scaling::Strong),
                ]
            })
            .collect();
        let header = ["push, workers", "published completion s", "noop, weak, s", "noop, strong, s"];
        text.push_str(&table(&header, &rows));
        text
    }

    fn cost(&self) -> String {
        let header = [
            "mode", "workload", "scaling", "workers", "processes", "tasks/s per process",
            "ms over local", "completion s over local", "communication / computation",
        ];
        let signed = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:+.3}"));
        let rows: Vec<Vec<String>> = self
            .study
            .cells
            .iter()
            .map(|cell| {
                vec![
                    cell.key.mode.as_str().to_owned(),
                    cell.key.workload.clone(),
                    cell.key.scaling.as_str().to_owned(),
                    cell.key.workers.to_string(),
                    cell.processes.to_string(),
                    short(cell.throughput_per_process),
                    cell.latency_over_local_ms.map_or_else(dash, |ms| format!("{ms:+.1}")),
                    signed(cell.completion_over_local_s),
                    cell.communication_ratio.map_or_else(dash, short),
                ]
            })
            .collect();
        let mut text = format!("## Cost\n\n{}", table(&header, &rows));
        for sentence in findings::of_cost(self.study) {
            let _ = write!(text, "\n{sentence}\n");
        }
        if self.study.setting.pacing == Pacing::Original {
            let _ = write!(
                text,
                "\nPublished of the original, on its authors' machine: up to {MOST_OVER_LOCAL_S} s \
                 over local mode.\n"
            );
        }
        text.push_str(&self.picture("overhead"));
        text
    }

    fn picture(&self, name: &str) -> String {
        let plot = self.plots.iter().find(|plot| plot.name == name);
        plot.map_or_else(String::new, |plot| {
            format!("\n![{}]({name}.svg)\n", escaped(&plot.caption))
        })
    }
}

fn listed(title: &str, items: &[String], otherwise: &str) -> String {
    let mut text = format!("## {title}\n\n");
    for item in items {
        let _ = writeln!(text, "- {item}");
    }
    if !otherwise.is_empty() {
        let none = if items.is_empty() { "None was found. " } else { "\n" };
        let _ = writeln!(text, "{none}{otherwise}");
    }
    text
}

/// A table in Markdown; what a user named cannot break out of its cell.
fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(header.iter().map(|cell| escaped(cell)).collect());
    text.push_str(&format!("|{}\n", "---|".repeat(header.len())));
    for row in rows {
        text.push_str(&line(row.iter().map(|cell| escaped(cell)).collect()));
    }
    text
}

fn escaped(text: &str) -> String {
    one_line(text).replace('|', "\\|").replace('<', "&lt;")
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What there is no figure for.
fn dash() -> String {
    "–".to_owned()
}

/// Three digits, as far as they mean something.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        small if small >= 0.1 || small == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// `12.3 [11.0–13.1]`, without the brackets if all rounds are the same.
fn ranged(spread: Option<&Spread>) -> String {
    match spread {
        None => dash(),
        Some(Spread { median, min, max }) if min == max => short(*median),
        Some(Spread { median, min, max }) => {
            format!("{} [{}–{}]", short(*median), short(*min), short(*max))
        }
    }
}

/// `1.2 to 3.4`.
fn from_to(values: &[f64]) -> String {
    match Spread::of(values) {
        None => dash(),
        Some(spread) if short(spread.min) == short(spread.max) => short(spread.min),
        Some(spread) => format!("{} to {}", short(spread.min), short(spread.max)),
    }
}

#[cfg(test)]
mod tests;
