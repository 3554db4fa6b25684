//! Answers that may be given again, for as long as their zones say.
//!
//! Two generations: what is used moves to the young one; when that is full it becomes the old one,
//! and entries that were not used since then are dropped. So the cache holds what is in use,
//! without an order to keep. Bounds: [`GENERATION_MAX`] entries in each, [`ANSWER_BYTES_MAX`] bytes
//! an answer: some megabytes at worst.

use crate::op::DnsAnswer;
use crate::proto::dns::{Question, Record};
use ahash::AHashMap;
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Cache {
    young: AHashMap<Question, Entry>,
    old: AHashMap<Question, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    answer: DnsAnswer,
    until: Instant,
}

impl Cache {
    /// The answer to a question, unless its time is over.
    pub(super) fn get(&mut self, question: &Question, now: Instant) -> Option<DnsAnswer> {
        if let Some(entry) = self.young.get(question) {
            return (now < entry.until).then(|| entry.answer.clone());
        }
        let entry = self.old.remove(question).filter(|entry| now < entry.until)?;
        let answer = entry.answer.clone();
        self.insert(question.clone(), entry);
        Some(answer)
    }

    /// Keeps an answer for so many seconds, which 0 means not at all.
    pub(super) fn put(&mut self, question: &Question, answer: &DnsAnswer, ttl: u32, now: Instant) {
        let longest = match answer {
            DnsAnswer::Records(_) => TTL_MAX,
            DnsAnswer::NoSuchName(_) | DnsAnswer::NoData(_) => NEGATIVE_TTL_MAX,
        };
        let ttl = Duration::from_secs(ttl.into()).min(longest);
        let until =
            now.checked_add(ttl).filter(|_| !ttl.is_zero() && bytes(answer) <= ANSWER_BYTES_MAX);
        if let Some(until) = until {
            self.insert(question.clone(), Entry { answer: answer.clone(), until });
        }
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn insert(&mut self, question: Question, entry: Entry) {
        if self.young.len() >= GENERATION_MAX && !self.young.contains_key(&question) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(question, entry);
    }
}

fn bytes(answer: &DnsAnswer) -> usize {
    match answer {
        DnsAnswer::Records(records) => records.iter().map(Record::bytes).sum(),
        DnsAnswer::NoSuchName(_) | DnsAnswer::NoData(_) => 0,
    }
}

/// A client's address is asked about in some lists at once; this holds the last few thousand
/// clients.
const GENERATION_MAX: usize = 8192;

/// Far above any answer that is asked for often; a zone full of text is fetched again.
const ANSWER_BYTES_MAX: usize = 4096;

/// A day: a zone that says a week may still have made a mistake.
const TTL_MAX: Duration = Duration::from_secs(86_400);

/// RFC 2308 5 advises one to three hours at most. A blocklist's new entry should count sooner than
/// that.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(900);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::dns::Kind;

    fn question(name: &str) -> Question {
        Question::new(name, Kind::A).unwrap()
    }

    fn records(count: usize) -> DnsAnswer {
        DnsAnswer::Records(vec![Record::Address([192, 0, 2, 1].into()); count].into())
    }

    #[test]
    fn an_answer_lives_as_long_as_it_says() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(&question("a.example"), &records(1), 60, now);
        assert_eq!(
            cache.get(&question("A.EXAMPLE."), now + Duration::from_secs(59)),
            Some(records(1))
        );
        assert_eq!(cache.get(&question("a.example"), now + Duration::from_secs(60)), None);
        assert_eq!(cache.get(&Question::new("a.example", Kind::Aaaa).unwrap(), now), None);
    }

    #[test]
    fn neither_for_ever_nor_for_no_time() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(&question("zero.example"), &records(1), 0, now);
        assert_eq!(cache.get(&question("zero.example"), now), None);
        cache.put(&question("long.example"), &records(1), u32::MAX, now);
        assert_eq!(cache.get(&question("long.example"), now + TTL_MAX), None);
        cache.put(&question("none.example"), &DnsAnswer::NoSuchName(None), u32::MAX, now);
        assert_eq!(cache.get(&question("none.example"), now + NEGATIVE_TTL_MAX), None);
        assert!(cache.get(&question("none.example"), now + NEGATIVE_TTL_MAX / 2).is_some());
    }

    #[test]
    fn a_huge_answer_is_not_kept() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(&question("huge.example"), &records(4000), 60, now);
        assert_eq!(cache.get(&question("huge.example"), now), None);
    }

    #[test]
    fn what_is_used_stays_what_is_not_goes() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for number in 0..4 * GENERATION_MAX {
            cache.put(&question(&format!("n{number}.example")), &records(1), 60, now);
            if number % 1000 == 0 {
                assert!(cache.get(&question("n0.example"), now).is_some(), "{number}");
            }
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION_MAX);
        assert!(cache.get(&question("n1.example"), now).is_none());
    }
}
