//! A study as a text for people. Every sentence with a figure in it is made from the figures; what
//! they do not show is not said.

mod findings;
mod limits;
mod scaling;
mod tables;

use std::fmt::Write;

use mpcsfaas_core::store::op::Mode;

use self::tables::{dash, escaped, from_to, one_line, ranged, short, table};
use super::course::counted;
use super::outcome::{Cell, LatencySpread, Study};
use super::plan::{Pacing, Scaling};
use super::plots::Plot;
use super::published::{self, MOST_OVER_LOCAL_S};
use super::statistics::Spread;

/// The report in Markdown, with the plots beside it.
pub fn markdown(study: &Study, plots: &[Plot]) -> String {
    let report = Report { study, plots };
    let sections = [
        report.setting(),
        report.per_mode(),
        listed(
            "Anomalies",
            &findings::anomalies(study),
            findings::LOOKED_FOR,
        ),
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
        let build = if versions.optimised {
            "optimised"
        } else {
            "not optimised"
        };
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
        let load = machine
            .load_before
            .map_or("unknown".to_owned(), |load| load.to_string());
        let rows = [
            (
                "measured",
                format!("{} to {}", self.study.started_at, self.study.ended_at),
            ),
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
        text.push_str(&table(
            &["", ""],
            &rows.map(|(name, value)| vec![name.to_owned(), value]),
        ));
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
            text.push('\n');
            for sentence in findings::of_mode(self.study, mode) {
                let _ = writeln!(text, "- {sentence}");
            }
        }
        text.push_str(&self.beside_published());
        text.push_str(&self.picture("throughput"));
        text
    }

    fn cells(&self, mode: Mode) -> impl Iterator<Item = &Cell> {
        self.study
            .cells
            .iter()
            .filter(move |cell| cell.key.mode == mode)
    }

    /// The store's clock was asked for each task.
    fn inside(&self) -> bool {
        self.study.cells.iter().any(|cell| cell.inside.is_some())
    }

    fn mode_table(&self, cells: &[&Cell]) -> String {
        let mut header = vec![
            "workload",
            "scaling",
            "workers",
            "tasks",
            "done %",
            "tasks/s",
            "completion s",
            "mean ms",
            "p95 ms",
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
            "mode",
            "published tasks/s",
            "tasks/s",
            "published mean ms",
            "mean ms, from each submit",
            "mean ms, from the end of submission",
            "mean ms, inside",
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
        let header = [
            "mode", "workload", "scaling", "workers", "min", "p50", "mean", "p95", "p99", "max",
        ];
        let rows = self
            .study
            .cells
            .iter()
            .filter(|cell| Some(&cell.key.workers) == workers);
        let rows: Vec<Vec<String>> = rows
            .map(|cell| {
                let latency = if inside { &cell.inside } else { &cell.latency };
                let pick = |pick: fn(&LatencySpread) -> &Spread| ranged(latency.as_ref().map(pick));
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
        let scaling = self
            .study
            .setting
            .scalings
            .first()
            .copied()
            .unwrap_or(Scaling::Weak);
        let rows: Vec<Vec<String>> = self
            .study
            .workloads
            .iter()
            .map(|workload| {
                let mut row = vec![workload.workload.clone(), short(workload.computation_ms)];
                for &mode in modes {
                    let cell =
                        findings::find(self.study, mode, &workload.workload, scaling, workers);
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

    fn cost(&self) -> String {
        let header = [
            "mode",
            "workload",
            "scaling",
            "workers",
            "processes",
            "tasks/s per process",
            "ms over local",
            "completion s over local",
            "communication / computation",
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
                    cell.latency_over_local_ms
                        .map_or_else(dash, |ms| format!("{ms:+.1}")),
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
        let none = if items.is_empty() {
            "None was found. "
        } else {
            "\n"
        };
        let _ = writeln!(text, "{none}{otherwise}");
    }
    text
}

#[cfg(test)]
mod tests;
