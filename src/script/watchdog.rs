//! The CPU watchdog: stops scripts that compute too long without giving the core back.
//!
//! One thread for all Lua states. A worker counts its resumes in [`Watch`] (odd: a script is
//! running); it never reads a clock for that. The watchdog looks every [`TICK`]; if the same odd
//! count stays for longer than the budget, it arms a hook in that state which raises `context
//! deadline exceeded` at every instruction from then on (LuaJIT is built with CHECKHOOK,
//! `luajit/changes`, or compiled loops would never look). The hook is sticky: `pcall` loops do not
//! outlive it. The worker disarms it when the resume returns. Arming and leaving exclude each other
//! by one compare-and-swap.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a worker and the watchdog share about one Lua state.
#[derive(Default)]
pub struct Watch {
    /// Counts resumes twice: odd while a script runs. [`ARMED`] is added while the hook is armed or
    /// being armed.
    count: AtomicU64,
    /// The hook is completely in place: the worker may take it away.
    in_place: AtomicBool,
    /// The count of the latest resume that took longer than the warning threshold: the run that
    /// leaves with it was that one.
    slow: AtomicU64,
}

/// What the watchdog made of one resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// It exceeded its budget: the hook is armed, and the caller takes it off.
    pub overran: bool,
    /// It took longer than [`SLOW`].
    pub was_slow: bool,
}

const ARMED: u64 = 1 << 63;

impl Watch {
    /// A script starts or goes on. Called by the state's own thread.
    pub fn enter(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// The script has given the core back.
    pub fn leave(&self) -> Left {
        let count = self.count.fetch_add(1, Ordering::AcqRel);
        let was_slow = self.slow.load(Ordering::Relaxed) == count & !ARMED;
        if count & ARMED == 0 {
            return Left { overran: false, was_slow };
        }
        // The watchdog is between its swap and the end of lua_sethook at the most: microseconds.
        while !self.in_place.swap(false, Ordering::AcqRel) {
            std::hint::spin_loop();
        }
        self.count.fetch_and(!ARMED, Ordering::AcqRel);
        Left { overran: true, was_slow }
    }
}

/// Handle on the watchdog thread; dropping it ends the thread.
pub struct Watchdog {
    watched: Arc<Mutex<Vec<Watched>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How the watchdog arms the hook of one state: `script::state` supplies it.
pub trait Arm: Send {
    /// Arms the hook. Called from the watchdog's thread while a script runs in the state.
    fn arm(&self);
}

struct Watched {
    watch: std::sync::Weak<Watch>,
    arm: Box<dyn Arm>,
    budget: Duration,
    seen: u64,
    since: Instant,
}

impl Watchdog {
    pub fn spawn() -> std::io::Result<Watchdog> {
        let watched = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn({
            let (watched, stop) = (watched.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Acquire) {
                    std::thread::park_timeout(TICK);
                    look(&watched);
                }
            }
        })?;
        Ok(Watchdog { watched, stop, thread: Some(thread) })
    }

    /// A handle that workers use to have their states watched.
    pub fn registrar(&self) -> Registrar {
        Registrar(self.watched.clone())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A watchdog that panicked has nothing left to tell.
            let _ = thread.join();
        }
    }
}

/// Adds states to the watchdog.
#[derive(Clone)]
pub struct Registrar(Arc<Mutex<Vec<Watched>>>);

impl Registrar {
    /// Watches a state: scripts may compute for `budget` at a stretch. Ends when the state drops
    /// its last `Arc<Watch>`, which it must do through [`Registrar::forget`] before the state is
    /// freed.
    pub fn watch(&self, watch: &Arc<Watch>, budget: Duration, arm: Box<dyn Arm>) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.push(Watched {
            watch: Arc::downgrade(watch),
            arm,
            budget,
            seen: 0,
            since: Instant::now(),
        });
    }

    /// Stops watching; when this returns the watchdog no longer touches the state.
    pub fn forget(&self, watch: &Arc<Watch>) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|w| !std::ptr::eq(w.watch.as_ptr(), Arc::as_ptr(watch)));
    }
}

fn look(watched: &Mutex<Vec<Watched>>) {
    let now = Instant::now();
    for state in watched.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        let Some(watch) = state.watch.upgrade() else { continue };
        let count = watch.count.load(Ordering::Acquire);
        if count != state.seen || count & 1 == 0 || count & ARMED != 0 {
            state.seen = count;
            state.since = now;
            continue;
        }
        let running = now.saturating_duration_since(state.since);
        if running >= SLOW {
            watch.slow.store(count, Ordering::Relaxed);
        }
        if running >= state.budget
            && watch
                .count
                .compare_exchange(count, count | ARMED, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        {
            state.arm.arm();
            watch.in_place.store(true, Ordering::Release);
        }
    }
}

/// How often the watchdog looks; the budget is exceeded by at most two of these.
const TICK: Duration = Duration::from_millis(10);

/// Uninterrupted computing that is worth a warning.
pub const SLOW: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    struct Flag(Arc<AtomicBool>);

    impl Arm for Flag {
        fn arm(&self) {
            self.0.store(true, Ordering::Release);
        }
    }

    #[test]
    fn arms_for_a_run_that_does_not_end_and_only_then() {
        let dog = Watchdog::spawn().unwrap();
        let (watch, armed) = (Arc::new(Watch::default()), Arc::new(AtomicBool::new(false)));
        dog.registrar().watch(&watch, Duration::from_millis(20), Box::new(Flag(armed.clone())));
        watch.enter();
        assert_eq!(watch.leave(), Left::default());
        watch.enter();
        while !armed.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        assert!(watch.leave().overran);
        watch.enter();
        assert_eq!(watch.leave(), Left::default());
    }

    #[test]
    fn only_the_resume_that_was_slow_is_told_so() {
        let dog = Watchdog::spawn().unwrap();
        let watch = Arc::new(Watch::default());
        dog.registrar().watch(&watch, Duration::from_secs(600), Box::new(Flag(Arc::default())));
        watch.enter();
        while watch.slow.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(watch.leave(), Left { overran: false, was_slow: true });
        watch.enter();
        assert_eq!(watch.leave(), Left::default());
    }

    #[test]
    fn a_forgotten_state_is_never_armed() {
        let dog = Watchdog::spawn().unwrap();
        let (watch, armed) = (Arc::new(Watch::default()), Arc::new(AtomicBool::new(false)));
        dog.registrar().watch(&watch, Duration::ZERO, Box::new(Flag(armed.clone())));
        dog.registrar().forget(&watch);
        watch.enter();
        // Two more states' turns: the watchdog has certainly looked since.
        let (other, seen) = (Arc::new(Watch::default()), Arc::new(AtomicBool::new(false)));
        dog.registrar().watch(&other, Duration::ZERO, Box::new(Flag(seen.clone())));
        other.enter();
        while !seen.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        assert!(!armed.load(Ordering::Acquire));
        assert!(!watch.leave().overran);
        assert!(other.leave().overran);
    }
}
