//! The arithmetic of a study: percentiles, spread, efficiency, fits.

use serde::{Deserialize, Serialize};

/// The value that the fraction `quantile` of the values does not exceed (nearest rank). The values
/// are sorted. 0 if there are none.
pub fn percentile(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

/// The arithmetic mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    match values.len() {
        0 => 0.0,
        count => values.iter().sum::<f64>() / count as f64,
    }
}

/// The value in the middle, or the mean of the two there; 0 of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// How long tasks took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub mean: f64,
    pub min: f64,
    pub max: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

impl Latency {
    /// Of these times; `None` if there are none.
    pub fn of(times: &[f64]) -> Option<Latency> {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Latency {
            mean: mean(&sorted),
            min: *sorted.first()?,
            max: *sorted.last()?,
            p50: percentile(&sorted, 0.50),
            p95: percentile(&sorted, 0.95),
            p99: percentile(&sorted, 0.99),
        })
    }
}

/// One figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of what the rounds gave; `None` if no round gave anything.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let smallest = values.iter().copied().reduce(f64::min)?;
        let largest = values.iter().copied().reduce(f64::max)?;
        Some(Spread {
            median: median(values),
            min: smallest,
            max: largest,
        })
    }

    /// Whether no round of this one came near any of the other's.
    pub fn apart_from(&self, other: &Spread) -> bool {
        self.min > other.max || self.max < other.min
    }
}

/// How well more workers are used, in percent: 100 is perfect. In weak scaling the same time for
/// more tasks, in strong scaling a time that shrinks as the workers grow.
pub fn efficiency(
    weak: bool,
    (first_workers, first_s): (u32, f64),
    (workers, s): (u32, f64),
) -> f64 {
    let ideal_s = if weak {
        first_s
    } else {
        first_s * f64::from(first_workers) / f64::from(workers)
    };
    100.0 * ideal_s / s
}

/// A power law, `y = factor * x ^ exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PowerLaw {
    pub factor: f64,
    pub exponent: f64,
    /// How much of the variation of `ln y` it explains: 1 is all.
    pub r_squared: f64,
}

/// The fewest different x that a fit is made of: through two, everything fits.
const FEWEST: usize = 3;

impl PowerLaw {
    /// The best fit by least squares of the logarithms, or `None` for fewer than three different x
    /// or anything that is not over 0.
    pub fn fit(points: &[(f64, f64)]) -> Option<PowerLaw> {
        let mut different: Vec<f64> = points.iter().map(|(x, _)| *x).collect();
        different.sort_by(f64::total_cmp);
        different.dedup();
        let positive = points.iter().all(|(x, y)| *x > 0.0 && *y > 0.0);
        if different.len() < FEWEST || !positive {
            return None;
        }
        let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
        let mean_of =
            |pick: fn(&(f64, f64)) -> f64| mean(&logs.iter().map(pick).collect::<Vec<_>>());
        let (mean_x, mean_y) = (mean_of(|point| point.0), mean_of(|point| point.1));
        let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
            let terms = logs.iter().map(|(x, y)| term(x - mean_x, y - mean_y));
            terms.sum()
        };
        let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
        let exponent = xy / xx;
        Some(PowerLaw {
            factor: (mean_y - exponent * mean_x).exp(),
            exponent,
            // Values that do not vary are explained by anything.
            r_squared: if yy < 1e-12 { 1.0 } else { xy * xy / (xx * yy) },
        })
    }

    /// Its value.
    pub fn at(&self, x: f64) -> f64 {
        self.factor * x.powf(self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let at = |quantile| percentile(&values, quantile);
        assert_eq!(
            (at(0.0), at(0.5), at(0.95), at(0.99), at(1.0)),
            (1.0, 50.0, 95.0, 99.0, 100.0)
        );
        assert_eq!(percentile(&[7.0, 9.0], 0.99), 9.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn latency_is_summed_up_whatever_the_order() {
        let latency = Latency::of(&[30.0, 10.0, 20.0]).unwrap();
        assert!(near(latency.mean, 20.0));
        assert_eq!(
            (latency.min, latency.p50, latency.p99, latency.max),
            (10.0, 20.0, 30.0, 30.0)
        );
        assert_eq!(Latency::of(&[]), None);
    }

    #[test]
    fn a_spread_has_its_median_and_its_ends() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
        let above = Spread::of(&[4.5, 5.0]).unwrap();
        assert!(above.apart_from(&spread) && spread.apart_from(&above));
        assert!(!spread.apart_from(&Spread::of(&[4.0, 9.0]).unwrap()));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn efficiency_is_100_for_an_ideal_platform() {
        assert!(near(efficiency(true, (1, 2.0), (8, 2.0)), 100.0));
        assert!(near(efficiency(true, (1, 2.0), (8, 4.0)), 50.0));
        assert!(near(efficiency(false, (1, 8.0), (8, 1.0)), 100.0));
        assert!(near(efficiency(false, (2, 8.0), (8, 8.0)), 25.0));
    }

    #[test]
    fn a_power_law_is_found_again() {
        let law = |x: f64| 3.0 * x.powf(0.5);
        let points = [1.0, 2.0, 4.0, 8.0].map(|x| (x, law(x)));
        let fit = PowerLaw::fit(&points).unwrap();
        assert!(near(fit.factor, 3.0) && near(fit.exponent, 0.5) && near(fit.r_squared, 1.0));
        assert!(near(fit.at(16.0), law(16.0)));
        let flat = PowerLaw::fit(&[(1.0, 2.0), (2.0, 2.0), (4.0, 2.0)]).unwrap();
        assert!(near(flat.exponent, 0.0) && near(flat.r_squared, 1.0));
        let noisy = PowerLaw::fit(&[(1.0, 1.0), (2.0, 4.0), (4.0, 1.0)]).unwrap();
        assert!(noisy.r_squared < 0.1, "{noisy:?}");
    }

    #[test]
    fn two_worker_counts_are_too_few_for_a_fit() {
        assert_eq!(PowerLaw::fit(&[(1.0, 1.0), (2.0, 2.0), (2.0, 3.0)]), None);
        assert_eq!(PowerLaw::fit(&[(1.0, 1.0), (2.0, 0.0), (4.0, 3.0)]), None);
    }
}
