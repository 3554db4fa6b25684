//! What one scrape gathers, and the Prometheus text form of it.
//!
//! Pure. Samples of the same series are added up, from any source: that is how the workers' shares
//! become one number. Families and series come out sorted by name, so that two scrapes can be
//! compared line by line. Rules: the Prometheus text format 0.0.4.

use super::names::{Family, Kind};
use crate::value::exponent_text;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The samples of one scrape.
#[derive(Debug, Default)]
pub struct Scrape {
    families: BTreeMap<String, Gathered>,
}

#[derive(Debug)]
struct Gathered {
    kind: Kind,
    help: String,
    /// By the labels as they are written, `a="1",b="2"`.
    series: BTreeMap<String, Sample>,
}

/// The state of one series.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// Of a counter or gauge.
    Number(f64),
    Histogram(Buckets),
    Summary {
        quantiles: Vec<(f64, f64)>,
        sum: f64,
        count: u64,
    },
}

/// The state of a histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Upper bounds in ascending order, each with the observations in this bucket alone.
    pub counts: Vec<(f64, u64)>,
    /// Observations above the last bound.
    pub above: u64,
    pub sum: f64,
}

impl Scrape {
    /// Makes a family appear even without a series.
    pub fn family(&mut self, family: &Family) {
        self.entry(family.name, family.kind, family.help);
    }

    /// Adds to a counter or gauge.
    pub fn number(&mut self, family: &Family, labels: &[(&str, &str)], number: f64) {
        self.sample(family, labels, Sample::Number(number));
    }

    /// Adds a sample of any kind.
    pub fn sample(&mut self, family: &Family, labels: &[(&str, &str)], sample: Sample) {
        self.sample_of(family.name, family.kind, family.help, labels, sample);
    }

    /// Like [`Scrape::sample`] for a family that a script created.
    pub fn sample_of(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        labels: &[(&str, &str)],
        sample: Sample,
    ) {
        let series = &mut self.entry(name, kind, help).series;
        let labels = labels_text(labels);
        match series.get_mut(&labels) {
            Some(before) => before.merge(sample),
            None => {
                series.insert(labels, sample);
            }
        }
    }

    /// The whole scrape as text.
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(self.families.len() * 256);
        for (name, family) in &self.families {
            let _ = writeln!(
                out,
                "# HELP {name} {}\n# TYPE {name} {}",
                escaped_help(&family.help),
                family.kind.name()
            );
            for (labels, sample) in &family.series {
                render_sample(&mut out, name, labels, sample);
            }
        }
        out
    }

    fn entry(&mut self, name: &str, kind: Kind, help: &str) -> &mut Gathered {
        self.families.entry(name.into()).or_insert_with(|| Gathered {
            kind,
            help: help.into(),
            series: BTreeMap::new(),
        })
    }
}

impl Sample {
    /// Adds samples of the same series from another source. Quantiles cannot be added: the larger
    /// one stays.
    fn merge(&mut self, other: Sample) {
        match (self, other) {
            (Sample::Number(number), Sample::Number(more)) => *number += more,
            (Sample::Histogram(buckets), Sample::Histogram(more)) => {
                for ((_, count), (_, more)) in buckets.counts.iter_mut().zip(more.counts) {
                    *count += more;
                }
                buckets.above += more.above;
                buckets.sum += more.sum;
            }
            (
                Sample::Summary { quantiles, sum, count },
                Sample::Summary { quantiles: others, sum: more, count: many },
            ) => {
                for ((_, value), (_, other)) in quantiles.iter_mut().zip(others) {
                    *value = value.max(other);
                }
                *sum += more;
                *count += many;
            }
            // One family has one kind.
            _ => {}
        }
    }
}

fn render_sample(out: &mut String, name: &str, labels: &str, sample: &Sample) {
    match sample {
        Sample::Number(number) => line(out, name, "", labels, None, *number),
        Sample::Histogram(buckets) => {
            let mut count = 0;
            for (bound, here) in &buckets.counts {
                count += here;
                line(out, name, "_bucket", labels, Some(("le", *bound)), count as f64);
            }
            count += buckets.above;
            line(out, name, "_bucket", labels, Some(("le", f64::INFINITY)), count as f64);
            line(out, name, "_sum", labels, None, buckets.sum);
            line(out, name, "_count", labels, None, count as f64);
        }
        Sample::Summary { quantiles, sum, count } => {
            for (quantile, value) in quantiles {
                line(out, name, "", labels, Some(("quantile", *quantile)), *value);
            }
            line(out, name, "_sum", labels, None, *sum);
            line(out, name, "_count", labels, None, *count as f64);
        }
    }
}

fn line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &str,
    last: Option<(&str, f64)>,
    value: f64,
) {
    out.push_str(name);
    out.push_str(suffix);
    if !labels.is_empty() || last.is_some() {
        out.push('{');
        out.push_str(labels);
        if let Some((label, bound)) = last {
            let comma = if labels.is_empty() { "" } else { "," };
            let _ = write!(out, "{comma}{label}=\"{}\"", shown(bound));
        }
        out.push('}');
    }
    out.push(' ');
    out.push_str(&shown(value));
    out.push('\n');
}

fn labels_text(labels: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in labels {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out
}

fn escaped_help(help: &str) -> String {
    help.replace('\\', "\\\\").replace('\n', "\\n")
}

/// A number as pages show it: whole ones with all their digits as far as those mean something.
fn shown(n: f64) -> String {
    exponent_text(n, -4, 21)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn series_are_added_up_and_sorted() {
        let mut scrape = Scrape::default();
        let buckets = |a, b, above, sum| {
            Sample::Histogram(Buckets { counts: vec![(0.005, a), (2.5, b)], above, sum })
        };
        for _ in 0..2 {
            scrape.sample_of(
                "z_seconds",
                Kind::Histogram,
                "Time.",
                &[("path", "/b")],
                buckets(1, 2, 3, 7.5),
            );
            scrape.sample_of("z_seconds", Kind::Histogram, "Time.", &[], buckets(0, 0, 1, 3.0));
            scrape.sample_of(
                "b_total",
                Kind::Counter,
                "Things.",
                &[("k", "x")],
                Sample::Number(2.0),
            );
            scrape.sample_of(
                "b_total",
                Kind::Counter,
                "Things.",
                &[("k", "a")],
                Sample::Number(0.25),
            );
            scrape.sample_of("a", Kind::Gauge, "Back\\slash\nand line.", &[], Sample::Number(-1.0));
        }
        for (high, count) in [(0.5, 3), (0.75, 4)] {
            let quantiles = vec![(0.5, 0.25), (0.99, high)];
            scrape.sample_of(
                "s",
                Kind::Summary,
                "Sum.",
                &[("k", "v")],
                Sample::Summary { quantiles, sum: 1.5, count },
            );
        }
        scrape.sample_of("empty", Kind::Counter, "", &[("k", "a\"b\\c\nd")], Sample::Number(1e300));
        assert_eq!(
            scrape.render(),
            r#"# HELP a Back\\slash\nand line.
# TYPE a gauge
a -2
# HELP b_total Things.
# TYPE b_total counter
b_total{k="a"} 0.5
b_total{k="x"} 4
# HELP empty 
# TYPE empty counter
empty{k="a\"b\\c\nd"} 1e+300
# HELP s Sum.
# TYPE s summary
s{k="v",quantile="0.5"} 0.25
s{k="v",quantile="0.99"} 0.75
s_sum{k="v"} 3
s_count{k="v"} 7
# HELP z_seconds Time.
# TYPE z_seconds histogram
z_seconds_bucket{le="0.005"} 0
z_seconds_bucket{le="2.5"} 0
z_seconds_bucket{le="+Inf"} 2
z_seconds_sum 6
z_seconds_count 2
z_seconds_bucket{path="/b",le="0.005"} 2
z_seconds_bucket{path="/b",le="2.5"} 6
z_seconds_bucket{path="/b",le="+Inf"} 12
z_seconds_sum{path="/b"} 15
z_seconds_count{path="/b"} 12
"#
        );
    }

    proptest! {
        #[test]
        fn no_label_value_or_help_breaks_a_line(value: String, help: String) {
            let mut scrape = Scrape::default();
            scrape.sample_of("m", Kind::Gauge, &help, &[("k", &value)], Sample::Number(1.0));
            let text = scrape.render();
            let lines: Vec<&str> = text.split_terminator('\n').collect();
            prop_assert_eq!(lines.len(), 3);
            let written = lines[2].strip_prefix("m{k=\"").unwrap().strip_suffix("\"} 1").unwrap();
            let read = written.replace("\\\\", "\0").replace("\\\"", "\"").replace("\\n", "\n").replace('\0', "\\");
            prop_assert!(value.contains('\0') || read == value);
        }
    }
}
