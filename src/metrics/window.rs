//! Times of requests over the last minute or two, for quantiles; and their count and sum since the
//! start.
//!
//! Quantiles since the start of the process would hide what happens now, so two histograms take
//! turns: one fills for a minute, the other keeps the minute before. Resolution: two significant
//! digits. Bounds: about 40 KiB; times from a microsecond to a minute, others count as these.

use super::text::Sample;
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

pub(super) struct Window {
    current: Histogram<u64>,
    previous: Histogram<u64>,
    /// When `current` began to fill; None before the first time.
    began: Option<Instant>,
    count: u64,
    sum_ns: u64,
}

impl Window {
    #[expect(clippy::expect_used, reason = "the bounds are constants; the tests make windows")]
    pub fn new() -> Window {
        let current =
            Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("valid bounds");
        Window { previous: current.clone(), current, began: None, count: 0, sum_ns: 0 }
    }

    pub fn record(&mut self, elapsed: Duration, now: Instant) {
        self.turn(now);
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.current.saturating_record(nanos.clamp(LOWEST_NS, HIGHEST_NS));
        self.count += 1;
        self.sum_ns = self.sum_ns.wrapping_add(nanos);
    }

    /// Adds another worker's times. Minutes need not begin together: what is older than two of them
    /// is left out by `sample`'s caller turning each window first.
    pub fn merge(&mut self, other: &Window) {
        // Both were made with the same bounds, which is the only thing that can go wrong.
        let _ = self.current.add(&other.current).and_then(|()| self.previous.add(&other.previous));
        self.count += other.count;
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
    }

    /// Starts a new minute if this one is over.
    pub fn turn(&mut self, now: Instant) {
        let age = self.began.map(|began| now.saturating_duration_since(began));
        match age {
            Some(age) if age < MINUTE => return,
            Some(age) if age < 2 * MINUTE => std::mem::swap(&mut self.current, &mut self.previous),
            Some(_) => self.previous.reset(),
            None => {}
        }
        self.current.reset();
        self.began = Some(now);
    }

    /// Quantiles of the current and the previous minute. NaN, as Prometheus wants it, if there was
    /// no request.
    pub fn sample(&self) -> Sample {
        let mut recent = self.current.clone();
        let _ = recent.add(&self.previous);
        let value = |quantile| {
            if recent.is_empty() {
                f64::NAN
            } else {
                recent.value_at_quantile(quantile) as f64 / 1e9
            }
        };
        let quantiles = QUANTILES.map(|quantile| (quantile, value(quantile))).to_vec();
        Sample::Summary { quantiles, sum: self.sum_ns as f64 / 1e9, count: self.count }
    }
}

const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];
const LOWEST_NS: u64 = 1_000;
const HIGHEST_NS: u64 = 60_000_000_000;
const DIGITS: u8 = 2;
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn quantile(window: &Window, wanted: f64) -> f64 {
        let Sample::Summary { quantiles, .. } = window.sample() else { panic!("no summary") };
        quantiles.iter().find(|(quantile, _)| *quantile == wanted).unwrap().1
    }

    #[test]
    fn quantiles_are_right_to_two_digits() {
        let mut window = Window::new();
        let start = Instant::now();
        for n in 1..=1000 {
            window.record(Duration::from_micros(n * 10), start);
        }
        for (wanted, seconds) in [(0.5, 0.005), (0.9, 0.009), (0.99, 0.0099), (1.0, 0.01)] {
            let found = quantile(&window, wanted);
            assert!((found / seconds - 1.0).abs() < 0.01, "{wanted}: {found}");
        }
    }

    #[test]
    fn old_minutes_are_forgotten_but_count_and_sum_stay() {
        let mut window = Window::new();
        let start = Instant::now();
        window.record(Duration::from_secs(1), start);
        assert!(quantile(&window, 1.0) > 0.9);
        window.record(Duration::from_millis(1), start + MINUTE);
        assert!(quantile(&window, 1.0) > 0.9);
        window.record(Duration::from_millis(1), start + 2 * MINUTE);
        assert!(quantile(&window, 1.0) < 0.01);
        window.turn(start + 10 * MINUTE);
        assert!(quantile(&window, 1.0).is_nan());
        assert!(matches!(window.sample(), Sample::Summary { sum: 1.002, count: 3, .. }));
    }

    #[test]
    fn extreme_times_count_as_the_nearest_bound() {
        let mut window = Window::new();
        let start = Instant::now();
        window.record(Duration::ZERO, start);
        window.record(Duration::MAX, start);
        assert!(quantile(&window, 0.5) < 0.000_002);
        assert!(quantile(&window, 1.0) >= 59.0);
    }

    #[test]
    fn workers_are_added_up() {
        let start = Instant::now();
        let mut all = Window::new();
        for millis in [1, 3] {
            let mut window = Window::new();
            window.record(Duration::from_millis(millis), start);
            all.merge(&window);
        }
        assert!(matches!(all.sample(), Sample::Summary { count: 2, .. }));
        assert!((quantile(&all, 0.5) - 0.001).abs() < 0.000_02);
        assert!((quantile(&all, 1.0) - 0.003).abs() < 0.000_03);
    }
}
