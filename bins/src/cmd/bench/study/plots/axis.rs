//! From figures to pixels: the range of an axis, and where its marks are.

/// How figures are spread out.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// Evenly; the range begins at 0 unless something is below.
    Linear,
    /// By their logarithms, between marks at 1, 2 and 5 times powers of 10.
    Log,
    /// Evenly, from 0 to 100.
    Percent,
    /// By their logarithms, with a mark at each of these.
    Counts(Vec<u32>),
}

/// An axis that is as long as its figures need.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    log: bool,
    from: f64,
    to: f64,
    /// Where marks are.
    pub ticks: Vec<f64>,
}

/// About so many marks.
const TICKS: f64 = 5.0;

/// Where marks of a logarithmic axis may be, and where they may be if its ends are closer than this.
const COARSE: [f64; 3] = [1.0, 2.0, 5.0];
const FINE: [f64; 11] = [1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0];
const NARROW: f64 = 4.0;

/// More marks than this on a logarithmic axis, and only powers of 10 are left.
const MOST_LOG_TICKS: usize = 7;

impl Axis {
    /// An axis for these figures.
    pub fn fit(scale: &Scale, figures: impl Iterator<Item = f64> + Clone) -> Axis {
        match scale {
            Scale::Linear => Axis::linear(figures),
            Scale::Log => Axis::log(figures.filter(|figure| *figure > 0.0)),
            Scale::Percent => Axis {
                log: false,
                from: 0.0,
                to: 100.0,
                ticks: vec![0.0, 20.0, 40.0, 60.0, 80.0, 100.0],
            },
            Scale::Counts(counts) => Axis::counts(counts),
        }
    }

    fn linear(figures: impl Iterator<Item = f64> + Clone) -> Axis {
        let least = figures.clone().fold(0.0, f64::min);
        let most = figures.fold(0.0, f64::max);
        let most = if most > least { most } else { least + 1.0 };
        let step = nice((most - least) / TICKS);
        // A marker on the edge would be drawn half outside.
        let room = step / 10.0;
        let first = if least < 0.0 {
            ((least - room) / step).floor()
        } else {
            0.0
        };
        let last = if most > 0.0 {
            ((most + room) / step).ceil()
        } else {
            0.0
        };
        let count = (last - first).round() as i32;
        Axis {
            log: false,
            from: first * step,
            to: last * step,
            ticks: (0..=count)
                .map(|tick| (first + f64::from(tick)) * step)
                .collect(),
        }
    }

    fn log(figures: impl Iterator<Item = f64> + Clone) -> Axis {
        let least = figures.clone().reduce(f64::min).unwrap_or(1.0);
        let most = figures.reduce(f64::max).unwrap_or(10.0);
        let digits: &[f64] = if most / least < NARROW {
            &FINE
        } else {
            &COARSE
        };
        let lowest = least.log10().floor() as i32 - 1;
        let highest = most.log10().ceil() as i32 + 1;
        let powers = lowest..=highest;
        let steps: Vec<f64> = powers
            .flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)))
            .collect();
        let (below, above) = (least * 0.999, most * 1.001);
        let from = steps.iter().rposition(|step| *step <= below).unwrap_or(0);
        let to = steps.iter().position(|step| *step >= above);
        let mut ticks = steps[from..=to.unwrap_or(steps.len() - 1)].to_vec();
        let (from, to) = (ticks[0], ticks[ticks.len() - 1]);
        if ticks.len() > MOST_LOG_TICKS {
            ticks.retain(|tick| is_power_of_ten(*tick));
        }
        Axis {
            log: true,
            from,
            to,
            ticks,
        }
    }

    fn counts(counts: &[u32]) -> Axis {
        let ticks: Vec<f64> = counts.iter().copied().map(f64::from).collect();
        let first = ticks.iter().copied().reduce(f64::min).unwrap_or(1.0);
        let last = ticks.iter().copied().reduce(f64::max).unwrap_or(1.0);
        // Some room at both ends; more if there is but one count.
        let room = if last > first {
            (last / first).powf(0.08)
        } else {
            2.0
        };
        Axis {
            log: true,
            from: first / room,
            to: last * room,
            ticks,
        }
    }

    /// How far along the axis a figure is, from 0 to 1; what is beyond an end is at that end.
    pub fn place(&self, figure: f64) -> f32 {
        let along = match self.log {
            true => (figure.max(f64::MIN_POSITIVE) / self.from).ln() / (self.to / self.from).ln(),
            false => (figure - self.from) / (self.to - self.from),
        };
        along.clamp(0.0, 1.0) as f32
    }
}

/// The next of 1, 2, 5, 10 times a power of 10.
fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let digits = step / power;
    let nice = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|nice| digits <= *nice + 1e-9);
    nice.unwrap_or(10.0) * power
}

fn is_power_of_ten(figure: f64) -> bool {
    let power = figure.log10();
    (power - power.round()).abs() < 1e-9
}

/// A mark's text: no more digits than it needs.
pub fn tick_text(figure: f64) -> String {
    let rounded = (figure * 1e6).round() / 1e6;
    if rounded.abs() >= 1e4 && rounded % 1e3 == 0.0 {
        return format!("{}k", rounded / 1e3);
    }
    // 0 may come as -0.
    format!("{}", rounded + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(scale: &Scale, figures: &[f64]) -> Vec<f64> {
        Axis::fit(scale, figures.iter().copied()).ticks
    }

    #[test]
    fn a_linear_axis_begins_at_0_and_has_round_marks() {
        assert_eq!(
            ticks(&Scale::Linear, &[3.0, 9.3]),
            [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
        );
        assert_eq!(ticks(&Scale::Linear, &[10.0]).last(), Some(&12.0));
        assert_eq!(ticks(&Scale::Linear, &[]).len(), 7);
        let below = ticks(&Scale::Linear, &[-12.0, 30.0]);
        assert_eq!((below[0], below[below.len() - 1]), (-20.0, 40.0));
    }

    #[test]
    fn a_logarithmic_axis_reaches_beyond_its_figures() {
        assert_eq!(ticks(&Scale::Log, &[3.0, 15.0]), [2.0, 5.0, 10.0, 20.0]);
        assert_eq!(
            ticks(&Scale::Log, &[10.0, 90.0]),
            [5.0, 10.0, 20.0, 50.0, 100.0]
        );
        let narrow = ticks(&Scale::Log, &[102.0, 150.0]);
        assert_eq!(
            (narrow[0], narrow.len(), narrow[3].round()),
            (100.0, 4, 160.0)
        );
        assert_eq!(
            ticks(&Scale::Log, &[0.0, 1.5, 4000.0]),
            [1.0, 10.0, 100.0, 1000.0]
        );
        assert!(ticks(&Scale::Log, &[]).len() >= 2);
    }

    #[test]
    fn figures_are_placed_along_the_axis() {
        let linear = Axis::fit(&Scale::Linear, [9.5].into_iter());
        assert_eq!(
            (linear.place(0.0), linear.place(5.0), linear.place(99.0)),
            (0.0, 0.5, 1.0)
        );
        let log = Axis::fit(&Scale::Log, [2.1, 40.0].into_iter());
        assert!((log.place(10.0) - 0.5).abs() < 0.01, "{log:?}");
        let counts = Axis::fit(&Scale::Counts(vec![4]), std::iter::empty());
        assert!((counts.place(4.0) - 0.5).abs() < 1e-6);
        let counts = Axis::fit(&Scale::Counts(vec![1, 2, 4]), std::iter::empty());
        assert!((counts.place(2.0) - 0.5).abs() < 1e-6 && counts.place(1.0) > 0.0);
    }

    #[test]
    fn marks_are_short() {
        let texts = [0.0, -0.0, 0.6000000000000001, 250.0, 20000.0, 0.05].map(tick_text);
        assert_eq!(texts, ["0", "0", "0.6", "250", "20k", "0.05"]);
    }
}
