//! The plots of a study: what each shows.
//!
//! A [`scene`] of few shapes is drawn by [`chart`] and written as SVG and as PNG. Colours are those
//! of Okabe and Ito, which colour-blind people can tell apart, and each mode has a marker of its own.

mod axis;
mod chart;
mod font;
mod png;
mod scene;
mod svg;

use mpcsfaas_core::store::op::Mode;
use thiserror::Error;

use self::axis::Scale;
use self::chart::{Chart, Figure, Panel, Series, Style};
use self::font::Font;
use self::scene::{Color, Dash, GREY, Marker, Scene};
use super::outcome::{Cell, LatencySpread, Study};
use super::plan::{Pacing, Scaling};
use super::statistics::Spread;

/// Why there is no picture.
#[derive(Debug, Error)]
pub enum PlotError {
    /// The face cannot be read.
    #[error("the font that is a part of this program cannot be read: {0}")]
    Font(#[source] ttf_parser::FaceParsingError),
    /// The picture has no size, or more than memory holds.
    #[error("the picture's size is impossible")]
    Size,
    /// The picture cannot be compressed.
    #[error("the picture cannot be encoded: {0}")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A plot that can be written.
#[derive(Debug)]
pub struct Plot {
    /// The files' name, without what says which form it is.
    pub name: &'static str,
    /// What it shows, in a line.
    pub caption: String,
    scene: Scene,
}

impl Plot {
    /// As SVG.
    pub fn svg(&self) -> String {
        svg::render(&self.scene)
    }

    /// As PNG.
    ///
    /// # Errors
    /// See [`PlotError`].
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        png::render(&self.scene)
    }
}

/// Latency below this, in milliseconds, is drawn there: a logarithmic axis has no 0.
const LEAST_MS: f64 = 0.5;

/// When the largest figure of a panel is so many times the smallest, only logarithms show both.
const LOG_FROM: f64 = 25.0;

/// All plots that the study has figures for.
///
/// # Errors
/// [`PlotError::Font`].
pub fn draw(study: &Study) -> Result<Vec<Plot>, PlotError> {
    let font = Font::load()?;
    let figures = Figures { study };
    let charts = [
        ("throughput", Some(figures.throughput())),
        ("latency", Some(figures.latency())),
        ("distribution", Some(figures.distribution())),
        ("weak-scaling", figures.weak_scaling()),
        ("overhead", figures.overhead()),
    ];
    let drawn = charts.into_iter().filter_map(|(name, chart)| {
        let chart = chart?;
        Some(Plot {
            name,
            caption: format!("{}: {}", chart.title, chart.subtitle),
            scene: chart.scene(&font),
        })
    });
    Ok(drawn.collect())
}

const fn color(mode: Mode) -> Color {
    match mode {
        Mode::Local => Color(0x00, 0x72, 0xb2),
        Mode::Pull => Color(0xd5, 0x5e, 0x00),
        Mode::Push => Color(0x00, 0x9e, 0x73),
    }
}

fn style(mode: Mode) -> Style {
    let (marker, aside) = match mode {
        Mode::Local => (Marker::Circle, -5.0),
        Mode::Pull => (Marker::Square, 0.0),
        Mode::Push => (Marker::Triangle, 5.0),
    };
    Style {
        color: color(mode),
        marker: Some(marker),
        filled: true,
        dash: Some(Dash::Solid),
        width: 2.0,
        aside,
    }
}

/// A mark that says which mode, for legends of what has hollow or no markers.
fn hollow(style: Style) -> Style {
    Style {
        filled: false,
        dash: Some(Dash::Dashed),
        width: 1.4,
        ..style
    }
}

const fn grey(dash: Dash) -> Style {
    Style {
        color: GREY,
        marker: None,
        filled: false,
        dash: Some(dash),
        width: 1.6,
        aside: 0.0,
    }
}

/// Makes charts of what a study found.
struct Figures<'a> {
    study: &'a Study,
}

impl Figures<'_> {
    fn throughput(&self) -> Chart {
        let pick = |cell: &Cell| Some(vec![spread(cell, &cell.throughput, 0.0)]);
        self.grid(
            "Throughput",
            "completed tasks a second; median of the rounds, bars from the least to the most",
            ("tasks/s", Scale::Linear),
            pick,
            &[style],
        )
    }

    fn latency(&self) -> Chart {
        let inside = self.inside();
        let pick = move |cell: &Cell| {
            let latency = of_cell(cell, inside)?;
            Some(vec![
                spread(cell, &latency.p50, LEAST_MS),
                spread(cell, &latency.p99, LEAST_MS),
            ])
        };
        let mut chart = self.grid(
            "Latency",
            &format!("median and 99th percentile of {}", self.of_what()),
            ("latency, ms", Scale::Log),
            pick,
            &[style, |mode| hollow(style(mode))],
        );
        chart.legend.extend([
            (grey(Dash::Solid), "p50".to_owned()),
            (grey(Dash::Dashed), "p99 (hollow)".to_owned()),
        ]);
        chart
    }

    /// Whether the store's clock was asked, which it is where the client's own view is coarse.
    fn inside(&self) -> bool {
        self.study.cells.iter().any(|cell| cell.inside.is_some())
    }

    fn of_what(&self) -> &'static str {
        match self.inside() {
            true => "what tasks took from acceptance to result, by the store's clock",
            false => match self.study.setting.pacing {
                Pacing::Open => "what the client waited, from when the submit was due",
                Pacing::Original | Pacing::Burst => "what the client waited, from the submit",
            },
        }
    }

    /// A panel for each kind of scaling (a row) and workload (a column), with worker counts.
    fn grid(
        &self,
        title: &str,
        subtitle: &str,
        (y_label, y): (&str, Scale),
        pick: impl Fn(&Cell) -> Option<Vec<Figure>>,
        styles: &[fn(Mode) -> Style],
    ) -> Chart {
        let mut panels = Vec::new();
        for &scaling in &self.study.setting.scalings {
            for workload in &self.study.workloads {
                let workload = &workload.workload;
                let mut series = Vec::new();
                for &mode in &self.study.setting.modes {
                    let rows: Vec<Vec<Figure>> = self
                        .cells(mode, workload, scaling)
                        .filter_map(&pick)
                        .collect();
                    for (number, style) in styles.iter().enumerate() {
                        series.push(Series {
                            style: style(mode),
                            figures: rows.iter().map(|row| row[number]).collect(),
                            marked: 1,
                        });
                    }
                }
                panels.push(Panel {
                    title: format!("{workload}, {} scaling", scaling.as_str()),
                    y: spread_out(&y, &series),
                    series,
                    ..self.panel(y_label)
                });
            }
        }
        Chart {
            title: title.to_owned(),
            subtitle: subtitle.to_owned(),
            columns: self.study.workloads.len(),
            panels,
            legend: self.legend(|_| true),
        }
    }

    fn panel(&self, y_label: &str) -> Panel {
        Panel {
            title: String::new(),
            x_label: format!("workers, {} processes each", self.study.setting.processes),
            y_label: y_label.to_owned(),
            x: Scale::Counts(self.study.setting.workers.clone()),
            y: Scale::Linear,
            series: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn cells<'a>(
        &'a self,
        mode: Mode,
        workload: &'a str,
        scaling: Scaling,
    ) -> impl Iterator<Item = &'a Cell> {
        self.study.cells.iter().filter(move |cell| {
            let key = &cell.key;
            key.mode == mode && key.workload == workload && key.scaling == scaling
        })
    }

    fn legend(&self, shown: impl Fn(Mode) -> bool) -> Vec<(Style, String)> {
        let modes = self.study.setting.modes.iter().copied();
        let entry = |mode: Mode| (style(mode), mode.as_str().to_owned());
        modes.filter(|mode| shown(*mode)).map(entry).collect()
    }

    /// Which part of the tasks had ended after how long, with the most workers.
    fn distribution(&self) -> Chart {
        let setting = &self.study.setting;
        let workers = setting.workers.last().copied().unwrap_or(1);
        let scaling = setting.scalings.first().copied().unwrap_or(Scaling::Weak);
        let inside = self.inside();
        let panels = self.study.workloads.iter().map(|workload| {
            let series = setting.modes.iter().map(|&mode| {
                let runs = self.study.runs.iter().filter(|run| {
                    let key = &run.key;
                    (key.mode, key.scaling, key.workers) == (mode, scaling, workers)
                        && key.workload == workload.workload
                });
                let times = runs.flat_map(|run| match inside {
                    true => &run.inside_ms,
                    false => &run.latencies_ms,
                });
                steps(times.copied().collect(), style(mode))
            });
            Panel {
                title: format!("{}, {} scaling", workload.workload, scaling.as_str()),
                x_label: "latency, ms".to_owned(),
                x: Scale::Log,
                y: Scale::Percent,
                series: series.collect(),
                ..self.panel("% of tasks that took no longer")
            }
        });
        Chart {
            title: format!("Distribution of latency with {workers} workers"),
            subtitle: format!("all rounds; {}", self.of_what()),
            columns: self.study.workloads.len(),
            panels: panels.collect(),
            legend: self.legend(|_| true),
        }
    }

    fn weak_scaling(&self) -> Option<Chart> {
        if !self.study.setting.scalings.contains(&Scaling::Weak) {
            return None;
        }
        let panels = self.study.workloads.iter();
        let panels = panels.map(|workload| self.weak_panel(&workload.workload));
        let mut legend = self.legend(|_| true);
        if !self.study.fits.is_empty() {
            legend.push((grey(Dash::Dashed), "fit, seconds = a n^b".to_owned()));
        }
        if self.study.setting.pacing == Pacing::Original {
            legend.push((grey(Dash::Dotted), "the client's own pauses".to_owned()));
        }
        Some(Chart {
            title: "Weak scaling".to_owned(),
            subtitle: format!(
                "seconds until {} tasks for each worker were done; a flat line is ideal",
                self.study.setting.tasks_per_worker
            ),
            columns: self.study.workloads.len(),
            panels: panels.collect(),
            legend,
        })
    }

    fn weak_panel(&self, workload: &str) -> Panel {
        let mut series = Vec::new();
        let mut notes = Vec::new();
        let mut pauses = Vec::new();
        for &mode in &self.study.setting.modes {
            let cells = || self.cells(mode, workload, Scaling::Weak);
            let fit = self.study.fits.iter();
            let mut fit = fit.filter(|fit| fit.mode == mode && fit.workload == workload);
            let fit = fit.next();
            if let Some(fit) = fit {
                notes.push((
                    color(mode),
                    format!(
                        "{}: b = {:.2}, R² = {:.2}",
                        mode.as_str(),
                        // 0 may come as -0.
                        (fit.completion.exponent * 100.0).round() / 100.0 + 0.0,
                        fit.completion.r_squared
                    ),
                ));
                series.push(Series {
                    style: Style {
                        marker: None,
                        ..hollow(style(mode))
                    },
                    figures: between(&self.study.setting.workers, |x| fit.completion.at(x)),
                    marked: 1,
                });
            }
            series.push(Series {
                // The line is the fit's, if there is one.
                style: Style {
                    dash: fit.is_none().then_some(Dash::Solid),
                    ..style(mode)
                },
                figures: cells()
                    .map(|cell| spread(cell, &cell.completion_s, 0.0))
                    .collect(),
                marked: 1,
            });
            pauses = cells()
                .map(|cell| Figure::plain(f64::from(cell.key.workers), cell.pauses_s))
                .collect();
        }
        if self.study.setting.pacing == Pacing::Original {
            let style = grey(Dash::Dotted);
            series.insert(
                0,
                Series {
                    style,
                    figures: pauses,
                    marked: 1,
                },
            );
        }
        Panel {
            title: workload.to_owned(),
            series,
            notes,
            ..self.panel("completion, s")
        }
    }

    fn overhead(&self) -> Option<Chart> {
        let pick = |cell: &Cell| {
            let over = cell.latency_over_local_ms?;
            Some(vec![Figure::plain(f64::from(cell.key.workers), over)])
        };
        if !self.study.cells.iter().any(|cell| pick(cell).is_some()) {
            return None;
        }
        let mut chart = self.grid(
            "Overhead over local mode",
            &format!("mean of {}, less that of local mode", self.of_what()),
            ("ms more than local", Scale::Linear),
            pick,
            &[style],
        );
        // What may be below 0 elsewhere is not shown by its logarithm here.
        for panel in &mut chart.panels {
            panel.y = Scale::Linear;
        }
        chart.legend = self.legend(|mode| mode != Mode::Local);
        Some(chart)
    }
}

fn of_cell(cell: &Cell, inside: bool) -> Option<&LatencySpread> {
    match inside {
        true => cell.inside.as_ref(),
        false => cell.latency.as_ref(),
    }
}

/// A cell's figure; what is below `least` is drawn there.
fn spread(cell: &Cell, spread: &Spread, least: f64) -> Figure {
    Figure {
        x: f64::from(cell.key.workers),
        y: spread.median.max(least),
        spread: (cell.rounds > 1).then_some((spread.min.max(least), spread.max.max(least))),
    }
}

/// The scale as it is, unless the figures are too far apart for a linear one.
fn spread_out(scale: &Scale, series: &[Series]) -> Scale {
    let figures = series.iter().flat_map(|series| &series.figures);
    let heights = figures.map(|figure| figure.y);
    let least = heights.clone().fold(f64::INFINITY, f64::min);
    let most = heights.fold(0.0, f64::max);
    match scale {
        Scale::Linear if least > 0.0 && most / least > LOG_FROM => Scale::Log,
        scale => scale.clone(),
    }
}

/// How many percent of the times are no longer than each, with about ten markers on the way.
fn steps(mut times: Vec<f64>, style: Style) -> Series {
    times.sort_by(f64::total_cmp);
    let count = times.len();
    let mut figures = Vec::with_capacity(2 * count);
    let mut before = 0.0;
    for (number, time) in times.into_iter().enumerate() {
        let (time, part) = (
            time.max(LEAST_MS),
            100.0 * (number + 1) as f64 / count as f64,
        );
        figures.extend([Figure::plain(time, before), Figure::plain(time, part)]);
        before = part;
    }
    Series {
        style: Style {
            aside: 0.0,
            ..style
        },
        marked: (figures.len() / 10).max(1),
        figures,
    }
}

/// A smooth curve from the fewest workers to the most.
fn between(workers: &[u32], value: impl Fn(f64) -> f64) -> Vec<Figure> {
    const STEPS: u32 = 32;
    let ends = workers.first().zip(workers.last());
    let Some((first, last)) = ends.map(|(first, last)| (f64::from(*first), f64::from(*last)))
    else {
        return Vec::new();
    };
    let at = |step: u32| first * (last / first).powf(f64::from(step) / f64::from(STEPS));
    (0..=STEPS)
        .map(|step| Figure::plain(at(step), value(at(step))))
        .collect()
}

#[cfg(test)]
mod tests;
