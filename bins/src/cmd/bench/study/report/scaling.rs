//! The section on scaling: efficiencies, fits, and what was published.

use std::fmt::Write;

use mpcsfaas_core::store::op::Mode;

use super::super::course::counted;
use super::super::plan::{Pacing, Scaling};
use super::super::published::{self, PUSH_COLLAPSE, PUSH_COMPLETION_S};
use super::tables::{dash, ranged, table};
use super::{Report, findings};

impl Report<'_> {
    pub(super) fn scaling(&self) -> String {
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
        header.extend(
            workers
                .iter()
                .skip(1)
                .map(|count| format!("{count} workers, %")),
        );
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
                    // 0 may come as -0.
                    format!(
                        "{:.2}",
                        (fit.completion.exponent * 100.0).round() / 100.0 + 0.0
                    ),
                    format!("{:.2}", fit.completion.r_squared),
                ]
            })
            .collect();
        table(&["mode", "workload", "a", "b", "R²"], &rows)
    }

    fn published_scaling(&self) -> String {
        let efficiencies = self.study.setting.modes.iter().map(|&mode| {
            format!(
                "{} % ({})",
                published::of(mode).weak_efficiency_percent,
                mode.as_str()
            )
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
        let header = [
            "push, workers",
            "published completion s",
            "noop, weak, s",
            "noop, strong, s",
        ];
        text.push_str(&table(&header, &rows));
        text
    }
}
