//! Timers: a hashed wheel with O(1) insert and no cancelling.
//!
//! A payload carries a [`super::Key`]; when its time comes and the key is stale, nothing happens,
//! and that is how a timer is cancelled. A deadline that keeps moving (an idle connection) is
//! better kept as a field: let the timer fire, look, and set it again.
//!
//! A timer never fires early and at most [`TICK`] late (plus what the turn takes). Deadlines
//! further ahead than one revolution (16 s) stay in their slot and are passed over once per
//! revolution. Memory: a payload and 8 bytes for each timer set, until its time, fired for nothing
//! or not. Rules: Varghese and Lauck, "Hashed and hierarchical timing wheels", scheme 6.

use std::time::{Duration, Instant};

/// The wheel. Time zero is when it was made.
#[derive(Debug)]
pub struct Timers<T> {
    epoch: Instant,
    slots: Vec<Slot<T>>,
    /// One bit for each slot that holds anything.
    occupied: Vec<u64>,
    /// The tick of the earliest timer. Invariant: the least of the slots' `earliest`; None while
    /// there is no timer.
    earliest: Option<u64>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    /// The least tick in `timers`; meaningless while that is empty.
    earliest: u64,
    timers: Vec<(u64, T)>,
}

impl<T> Timers<T> {
    /// An empty wheel (about 256 KiB).
    pub fn new(now: Instant) -> Timers<T> {
        let slots = (0..SLOTS).map(|_| Slot { earliest: 0, timers: Vec::new() }).collect();
        Timers { epoch: now, slots, occupied: vec![0; SLOTS / 64], earliest: None, len: 0 }
    }

    /// Has `payload` come out of [`Timers::expire`] once `at` is over. A time in the past is due
    /// with the next call.
    pub fn set(&mut self, at: Instant, payload: T) {
        let tick = self.tick_not_before(at);
        let index = slot_of(tick);
        let (Some(slot), Some(word)) =
            (self.slots.get_mut(index), self.occupied.get_mut(index / 64))
        else {
            return;
        };
        slot.earliest = if slot.timers.is_empty() { tick } else { slot.earliest.min(tick) };
        slot.timers.push((tick, payload));
        *word |= 1 << (index % 64);
        self.earliest = Some(self.earliest.map_or(tick, |earliest| earliest.min(tick)));
        self.len += 1;
    }

    /// When [`Timers::expire`] will have something; O(1).
    pub fn next_deadline(&self) -> Option<Instant> {
        self.earliest.and_then(|tick| {
            self.epoch.checked_add(Duration::from_nanos(tick.saturating_mul(TICK_NANOS)))
        })
    }

    /// Appends to `out` all payloads whose time is over, in the order of their ticks. O(1) while
    /// there are none.
    pub fn expire(&mut self, now: Instant, out: &mut Vec<T>) {
        let now = self.tick_not_after(now);
        // After a long absence every slot is due several times over. One pass per revolution keeps
        // the timers in order.
        while let Some(from) = self.earliest.filter(|earliest| *earliest <= now) {
            self.expire_revolution(from, now.min(from + (SLOTS as u64 - 1)), out);
            self.earliest = self.find_earliest(from);
        }
    }

    /// How many timers are set, those of stale payloads included.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Visits the slots of the ticks `from..=to`, at most one revolution.
    fn expire_revolution(&mut self, from: u64, to: u64, out: &mut Vec<T>) {
        let mut tick = from;
        while let Some(next) = self.next_occupied(tick).filter(|next| *next <= to) {
            self.expire_slot(slot_of(next), next, out);
            tick = next + 1;
        }
    }

    /// Takes what is due at `tick` out of a slot.
    fn expire_slot(&mut self, index: usize, tick: u64, out: &mut Vec<T>) {
        let (Some(slot), Some(word)) =
            (self.slots.get_mut(index), self.occupied.get_mut(index / 64))
        else {
            return;
        };
        if slot.earliest > tick {
            return;
        }
        let before = out.len();
        out.extend(slot.timers.extract_if(.., |(at, _)| *at <= tick).map(|(_, payload)| payload));
        self.len -= out.len() - before;
        match slot.timers.iter().map(|(at, _)| *at).min() {
            Some(earliest) => slot.earliest = earliest,
            None => {
                *word &= !(1 << (index % 64));
                if slot.timers.capacity() > SLOT_KEEP {
                    slot.timers = Vec::new();
                }
            }
        }
    }

    /// The least tick of all timers, none of which is before `from`.
    fn find_earliest(&self, from: u64) -> Option<u64> {
        let mut least: Option<u64> = None;
        let mut tick = from;
        let end = from + SLOTS as u64;
        while let Some(next) = self.next_occupied(tick).filter(|next| *next < end) {
            let earliest = self.slots.get(slot_of(next)).map_or(u64::MAX, |slot| slot.earliest);
            if earliest <= next {
                // Due in this revolution, and all that is passed over so far is not.
                return Some(earliest);
            }
            least = Some(least.map_or(earliest, |least| least.min(earliest)));
            tick = next + 1;
        }
        least
    }

    /// The first tick from `from` on whose slot is occupied, within one revolution.
    fn next_occupied(&self, from: u64) -> Option<u64> {
        let start = slot_of(from);
        // The word of `start` comes twice: first its bits from `start` on, after the round those
        // before.
        for step in 0..=self.occupied.len() {
            let index = (start / 64 + step) % self.occupied.len();
            let mut word = self.occupied.get(index).copied().unwrap_or(0);
            if step == 0 {
                word &= !0 << (start % 64);
            }
            if word != 0 {
                let slot = index * 64 + word.trailing_zeros() as usize;
                return Some(from + (slot.wrapping_sub(start) % SLOTS) as u64);
            }
        }
        None
    }

    /// The tick at or after `at`, so that nothing fires early.
    fn tick_not_before(&self, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(nanos.div_ceil(u128::from(TICK_NANOS))).unwrap_or(u64::MAX).min(TICK_MAX)
    }

    fn tick_not_after(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_nanos() / u128::from(TICK_NANOS))
            .unwrap_or(u64::MAX)
            .min(TICK_MAX)
    }
}

fn slot_of(tick: u64) -> usize {
    tick as usize % SLOTS
}

/// How late a timer may be. A login waits for the network in units of 50 µs and for people in units
/// of seconds; between them only a script's `sleep` would notice.
pub const TICK: Duration = Duration::from_millis(2);

const TICK_NANOS: u64 = TICK.as_nanos() as u64;

/// Slots of the wheel: 16 s around, so that the deadlines of requests (10 s by default) are met in
/// their first revolution.
const SLOTS: usize = 8192;

/// Far beyond any deadline (four million years), and safe to add a revolution to.
const TICK_MAX: u64 = u64::MAX / 4;

/// An emptied slot keeps memory for this many timers, those of 2 ms at half a million a second;
/// what a burst needed more is returned.
const SLOT_KEEP: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn wheel() -> (Timers<u32>, Instant) {
        let now = Instant::now();
        (Timers::new(now), now)
    }

    fn expired(timers: &mut Timers<u32>, now: Instant) -> Vec<u32> {
        let mut out = Vec::new();
        timers.expire(now, &mut out);
        out
    }

    #[test]
    fn fires_in_order_and_once() {
        let (mut timers, start) = wheel();
        for (payload, millis) in [(3, 30), (1, 10), (2, 20), (4, 40)] {
            timers.set(start + Duration::from_millis(millis), payload);
        }
        assert_eq!(timers.next_deadline(), Some(start + Duration::from_millis(10)));
        assert!(expired(&mut timers, start + Duration::from_millis(9)).is_empty());
        assert_eq!(expired(&mut timers, start + Duration::from_millis(30)), [1, 2, 3]);
        assert!(expired(&mut timers, start + Duration::from_millis(30)).is_empty());
        assert_eq!(timers.next_deadline(), Some(start + Duration::from_millis(40)));
        assert_eq!(timers.len(), 1);
    }

    #[test]
    fn the_past_is_due_at_once() {
        let (mut timers, start) = wheel();
        let later = start + Duration::from_secs(100);
        assert!(expired(&mut timers, later).is_empty());
        timers.set(start + Duration::from_secs(1), 1);
        timers.set(start - Duration::from_secs(1), 2);
        assert!(timers.next_deadline().unwrap() <= later);
        assert_eq!(expired(&mut timers, later), [2, 1]);
        assert!(timers.is_empty() && timers.next_deadline().is_none());
    }

    #[test]
    fn hours_pass_over_many_revolutions() {
        let (mut timers, start) = wheel();
        let far = start + Duration::from_secs(3 * 3600);
        timers.set(far, 1);
        timers.set(far + Duration::from_secs(86_400 * 365), 2);
        for minute in 0..180 {
            assert!(expired(&mut timers, start + Duration::from_secs(minute * 60)).is_empty());
        }
        assert_eq!(timers.next_deadline(), Some(far));
        assert_eq!(expired(&mut timers, far), [1]);
    }

    #[test]
    fn after_a_long_absence_the_order_holds() {
        let (mut timers, start) = wheel();
        // The first two are in the same slot, two revolutions apart; the third is between them in
        // time, behind them on the wheel.
        timers.set(start + TICK * (2 * SLOTS as u32 + 5), 3);
        timers.set(start + TICK * 5, 1);
        timers.set(start + TICK * (SLOTS as u32 + 9), 2);
        assert_eq!(expired(&mut timers, start + Duration::from_secs(3600)), [1, 2, 3]);
    }

    #[test]
    fn a_burst_gives_its_memory_back() {
        let (mut timers, start) = wheel();
        for payload in 0..5000 {
            timers.set(start + TICK, payload);
        }
        assert_eq!(expired(&mut timers, start + TICK).len(), 5000);
        assert!(timers.slots.iter().all(|slot| slot.timers.capacity() <= SLOT_KEEP));
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// Set a timer this many microseconds from now; negative is the past.
        Set(i64),
        /// Let this many microseconds pass.
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (-5_000i64..50_000).prop_map(Step::Set),
            2 => (-60_000_000i64..60_000_000).prop_map(Step::Set),
            1 => (0i64..20_000_000_000).prop_map(Step::Set),
            4 => (0u64..30_000).prop_map(Step::Pass),
            2 => (0u64..50_000_000).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// Against a sorted map: the same timers, ordered by tick, none early, none late, and the
        /// next deadline exact.
        #[test]
        fn behaves_like_a_sorted_map(steps in prop::collection::vec(step(), 0..150)) {
            let start = Instant::now();
            let mut timers = Timers::new(start);
            let mut model: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
            let mut micros = 0u64;
            let tick_micros = TICK.as_micros() as u64;
            for (payload, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Set(ahead) => {
                        let at = micros.saturating_add_signed(ahead);
                        timers.set(start + Duration::from_micros(at), payload as u32);
                        model.entry(at.div_ceil(tick_micros)).or_default().push(payload as u32);
                    }
                    Step::Pass(ahead) => {
                        micros += ahead;
                        let mut due = Vec::new();
                        timers.expire(start + Duration::from_micros(micros), &mut due);
                        let later = model.split_off(&(micros / tick_micros + 1));
                        let expected: Vec<u32> = std::mem::replace(&mut model, later).into_values().flatten().collect();
                        prop_assert_eq!(due, expected);
                    }
                }
                let next = model.keys().next().map(|tick| start + Duration::from_micros(tick * tick_micros));
                prop_assert_eq!(timers.next_deadline(), next);
                prop_assert_eq!(timers.len(), model.values().map(Vec::len).sum::<usize>());
            }
        }
    }
}
