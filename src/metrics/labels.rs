//! Label values as small numbers, so that counting by label is counting in an array.
//!
//! One table per [`Space`] for the whole process: append-only, bounded, so a number stays valid,
//! across reloads too. Code that counts by route, script, bucket, list or pool asks once, when the
//! configuration is loaded. Only protocols come with each request; a worker remembers those it has
//! seen (`WorkerMetrics::protocol`).

use super::lock;
use std::collections::HashMap;
use std::sync::Mutex;

/// A set of label names whose values are numbered together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// `path`: the pattern of a route.
    Route,
    /// `protocol`: what clients send, hence bounded tightly.
    Protocol,
    /// `bucket`: a brute-force rule.
    Bucket,
    /// `rbl`: a blocklist.
    Rbl,
    /// `pool_name`: a Redis pool.
    Pool,
    /// `stage`, `script`.
    Script,
    /// No labels: the one number is [`LabelId::OTHER`].
    Nothing,
}

impl Space {
    pub(super) const COUNT: usize = Space::Nothing as usize + 1;

    /// The label names.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Space::Route => &["path"],
            Space::Protocol => &["protocol"],
            Space::Bucket => &["bucket"],
            Space::Rbl => &["rbl"],
            Space::Pool => &["pool_name"],
            Space::Script => &["stage", "script"],
            Space::Nothing => &[],
        }
    }

    fn values_max(self) -> usize {
        match self {
            Space::Protocol => PROTOCOLS_MAX,
            Space::Nothing => 1,
            _ => LABELS_MAX,
        }
    }
}

/// The number of a tuple of label values within its space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelId(u16);

impl LabelId {
    /// What does not fit into the table any more; all its labels read `other`. Also the only number
    /// where there are no labels.
    pub const OTHER: LabelId = LabelId(0);

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The tables of all spaces.
pub(super) struct Labels([Mutex<Table>; Space::COUNT]);

#[derive(Default)]
struct Table {
    /// By number, [`LabelId::OTHER`] first.
    values: Vec<Box<[String]>>,
    numbers: HashMap<Box<[String]>, u16>,
}

impl Labels {
    pub fn new() -> Labels {
        let labels = Labels(std::array::from_fn(|_| Mutex::default()));
        for protocol in PROTOCOLS_KNOWN {
            labels.id(Space::Protocol, &[protocol]);
        }
        labels
    }

    /// The number of these values, in the order of [`Space::names`]; a new one if they were never
    /// seen, [`LabelId::OTHER`] if the table is full.
    pub fn id(&self, space: Space, values: &[&str]) -> LabelId {
        debug_assert_eq!(values.len(), space.names().len(), "{space:?}");
        let Some(table) = self.0.get(space as usize) else { return LabelId::OTHER };
        let mut table = lock(table);
        let values: Box<[String]> = values.iter().map(|&value| value.into()).collect();
        if let Some(&number) = table.numbers.get(&values) {
            return LabelId(number);
        }
        if table.values.is_empty() {
            let others = space.names().iter().map(|_| "other".to_owned()).collect();
            table.values.push(others);
        }
        if table.values.len() >= space.values_max() {
            return LabelId::OTHER;
        }
        let Ok(number) = u16::try_from(table.values.len()) else { return LabelId::OTHER };
        table.values.push(values.clone());
        table.numbers.insert(values, number);
        LabelId(number)
    }

    /// Calls `each` with every number of a space and its pairs of name and value.
    pub fn each(&self, space: Space, mut each: impl FnMut(usize, &[(&str, &str)])) {
        if space == Space::Nothing {
            return each(LabelId::OTHER.index(), &[]);
        }
        let Some(table) = self.0.get(space as usize) else { return };
        for (index, values) in lock(table).values.iter().enumerate() {
            let pairs: Vec<(&str, &str)> =
                space.names().iter().copied().zip(values.iter().map(String::as_str)).collect();
            each(index, &pairs);
        }
    }
}

/// Numbers per space: more scripts or routes than anybody configures, small enough that a worker's
/// cells stay in its cache.
pub(super) const LABELS_MAX: usize = 256;
/// Protocols per process. The usual ones are there from the start, so that nonsense cannot crowd
/// them out.
const PROTOCOLS_MAX: usize = 64;
const PROTOCOLS_KNOWN: [&str; 14] = [
    "imap",
    "imaps",
    "pop3",
    "pop3s",
    "smtp",
    "smtps",
    "submission",
    "submissions",
    "sieve",
    "lmtp",
    "http",
    "https",
    "xmpp",
    "doveadm",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_values_have_the_same_number() {
        let labels = Labels::new();
        let first = labels.id(Space::Script, &["feature", "a"]);
        assert_ne!(first, LabelId::OTHER);
        assert_ne!(first, labels.id(Space::Script, &["filter", "a"]));
        assert_eq!(first, labels.id(Space::Script, &["feature", "a"]));
    }

    #[test]
    fn a_full_table_calls_the_rest_other() {
        let labels = Labels::new();
        for n in 0..1000 {
            labels.id(Space::Protocol, &[&format!("junk{n}")]);
        }
        assert_eq!(labels.id(Space::Protocol, &["more"]), LabelId::OTHER);
        assert_ne!(labels.id(Space::Protocol, &["imap"]), LabelId::OTHER);
        let mut seen = Vec::new();
        labels.each(Space::Protocol, |index, pairs| seen.push((index, pairs[0].1.to_owned())));
        assert_eq!(seen.len(), PROTOCOLS_MAX);
        assert_eq!(seen[0], (0, "other".to_owned()));
    }

    #[test]
    fn every_space_has_names_and_its_bound_fits() {
        for space in
            [Space::Route, Space::Protocol, Space::Bucket, Space::Rbl, Space::Pool, Space::Script]
        {
            assert!(!space.names().is_empty());
            assert!(space.values_max() <= LABELS_MAX);
        }
    }
}
