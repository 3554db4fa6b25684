//! Login counters that survive a restart, if Redis keeps the state.
//!
//! What the last process of this name saved is loaded once in the life of a process, when Redis
//! first answers, and added to what this one has counted; from then on the sums are saved every
//! [`SAVE_EVERY`] and at the drain. Nothing is saved before it is loaded: so a Redis that is away
//! at the start loses nothing. A save writes sums, not differences: one whose outcome is unknown
//! may be repeated, and a Redis that lost everything gets them back. The price is that of two
//! processes of one name at a time the later save stands. A process that is killed loses what it
//! counted since its last save.

use crate::log::Level;
use crate::metrics::Registry;
use crate::op::{Op, Ops};
use crate::state::{Error, Store};
use crate::worker::reporting::Notices;
use std::sync::Arc;
use std::time::Duration;

/// Whose counters, and where they are kept.
pub(super) struct LoginCounts {
    pub registry: Arc<Registry>,
    pub store: Store,
    /// `server.instance_name`
    pub instance: String,
    pub notices: Notices,
}

impl LoginCounts {
    /// Loads, then saves, until dropped; not at all where the store ends with the process.
    pub async fn keep(self, ops: Ops) {
        if !self.store.outlives_the_process() {
            return;
        }
        let mut fails = false;
        loop {
            // After a reload they are loaded already; where they are kept may be new.
            let outcome = if self.registry.has_restored_logins() {
                self.save(&ops).await
            } else {
                self.load(&ops).await
            };
            if let (Err(error), false) = (&outcome, fails) {
                self.complain(error);
            }
            fails = outcome.is_err();
            ops.ask(Op::Sleep(if fails { TRY_AGAIN } else { SAVE_EVERY }), Duration::MAX).await;
        }
    }

    /// Saves a last time.
    pub async fn keep_finally(self, ops: Ops) {
        if !self.store.outlives_the_process() {
            return;
        }
        let outcome = match self.load(&ops).await {
            Ok(()) => self.save(&ops).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            self.complain(&error);
        }
    }

    /// Loads them unless they are loaded.
    async fn load(&self, ops: &Ops) -> Result<(), Error> {
        if !self.registry.has_restored_logins() {
            self.registry.restore_logins(self.store.login_counts(ops, &self.instance).await?);
        }
        Ok(())
    }

    async fn save(&self, ops: &Ops) -> Result<(), Error> {
        self.store.save_login_counts(ops, &self.instance, self.registry.logins()).await
    }

    fn complain(&self, error: &Error) {
        let message = if self.registry.has_restored_logins() {
            "Login counters cannot be saved"
        } else {
            "Login counters cannot be loaded"
        };
        self.notices.add(Level::Warn, message, [("error", error.to_string())]);
    }
}

/// What a process that is killed loses at most.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// After a failure.
const TRY_AGAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Count;
    use crate::op::{Answer, Driver, Failure, RedisOp, slot};
    use crate::proto::resp::Reply;
    use crate::state::{MemoryStore, RedisStore};
    use crate::time::Now;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;

    const LIMIT: Duration = Duration::from_secs(1);

    /// The task of a process that has counted so many successes.
    struct Bench {
        registry: Arc<Registry>,
        notices: Notices,
        driver: Driver,
        task: Pin<Box<dyn Future<Output = ()>>>,
    }

    impl Bench {
        fn new<F: Future<Output = ()> + 'static>(
            successes: u64,
            begin: impl FnOnce(LoginCounts, Ops) -> F,
        ) -> Bench {
            let registry = Registry::new("mail 1", "", Now::read());
            let worker = registry.worker("0");
            (0..successes).for_each(|_| worker.count(Count::LoginsSucceeded));
            let store =
                Store::Redis(RedisStore::new("nt_", LIMIT, LIMIT, Duration::ZERO, Arc::default()));
            let notices = Notices::default();
            let counts = LoginCounts {
                registry: registry.clone(),
                store,
                instance: "mail 1".into(),
                notices: notices.clone(),
            };
            let now = Instant::now();
            let (ops, driver) = slot(now, now + super::super::FOREVER);
            let task = Box::pin(begin(counts, ops));
            Bench { registry, notices, driver, task }
        }

        /// What it does next: a command, `sleep` and the seconds, or `end`.
        fn next(&mut self) -> String {
            match self.task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(()) => "end".into(),
                Poll::Pending => match self.driver.take_op().unwrap().0 {
                    Op::Sleep(time) => format!("sleep {}", time.as_secs()),
                    Op::Redis(RedisOp { commands, .. }) => {
                        let words = String::from_utf8(commands.bytes().to_vec()).unwrap();
                        words
                            .split("\r\n")
                            .filter(|line| !line.is_empty() && !line.starts_with(['*', '$']))
                            .collect::<Vec<_>>()
                            .join(" ")
                    }
                    op => panic!("{op:?}"),
                },
            }
        }

        fn then(&mut self, answer: Answer) -> String {
            self.driver.put_answer(answer);
            self.next()
        }
    }

    fn saved(success: &str, failure: &str) -> Answer {
        Answer::Reply(Reply::array(
            &[success, failure].map(|digits| Reply::bulk(digits.as_bytes())),
        ))
    }

    fn away() -> Answer {
        Answer::Failed(Failure::Closed("redis".into()))
    }

    const LOAD: &str = "HMGET nt_COUNTER_MAIL 1 success failure";

    #[test]
    fn what_was_saved_is_added_and_the_sums_are_saved() {
        let mut bench = Bench::new(3, LoginCounts::keep);
        assert_eq!(bench.next(), LOAD);
        assert_eq!(bench.then(saved("10", "20")), "sleep 60");
        assert_eq!(bench.registry.logins(), (13, 20));
        assert_eq!(bench.then(Answer::Slept), "HSET nt_COUNTER_MAIL 1 success 13 failure 20");
        assert_eq!(bench.then(Answer::Reply(Reply::int(0))), "sleep 60");
        assert!(bench.notices.take().is_empty());
    }

    #[test]
    fn nothing_is_saved_before_it_is_loaded_and_it_is_loaded_once() {
        let mut bench = Bench::new(3, LoginCounts::keep);
        assert_eq!(bench.next(), LOAD);
        for _ in 0..3 {
            assert_eq!(bench.then(away()), "sleep 5");
            assert_eq!(bench.then(Answer::Slept), LOAD);
        }
        assert_eq!(bench.notices.take().len(), 1);
        bench.then(saved("10", "0"));
        bench.registry.restore_logins((10, 0));
        assert_eq!(bench.registry.logins(), (13, 0));
    }

    #[test]
    fn a_save_that_fails_is_repeated() {
        let mut bench = Bench::new(3, LoginCounts::keep);
        bench.next();
        bench.then(Answer::Reply(Reply::array(&[Reply::nil(), Reply::nil()])));
        let save = "HSET nt_COUNTER_MAIL 1 success 3 failure 0";
        assert_eq!(bench.then(Answer::Slept), save);
        assert_eq!(bench.then(away()), "sleep 5");
        assert_eq!(bench.then(Answer::Slept), save);
        assert_eq!(bench.then(Answer::Reply(Reply::error("OOM no"))), "sleep 5");
        assert_eq!(bench.notices.take().len(), 1);
    }

    #[test]
    fn the_last_save_needs_what_was_saved_before() {
        let mut bench = Bench::new(3, LoginCounts::keep_finally);
        assert_eq!(bench.next(), LOAD);
        assert_eq!(bench.then(saved("10", "20")), "HSET nt_COUNTER_MAIL 1 success 13 failure 20");
        assert_eq!(bench.then(Answer::Reply(Reply::int(0))), "end");

        let mut bench = Bench::new(3, LoginCounts::keep_finally);
        bench.next();
        assert_eq!(bench.then(away()), "end");
        assert_eq!(bench.notices.take().len(), 1);

        let mut bench = Bench::new(3, LoginCounts::keep_finally);
        bench.registry.restore_logins((1, 1));
        assert_eq!(bench.next(), "HSET nt_COUNTER_MAIL 1 success 4 failure 1");
    }

    #[test]
    fn what_is_no_counter_is_left_alone() {
        for reply in [
            Reply::error("WRONGTYPE no"),
            Reply::array(&[Reply::bulk(b"many"), Reply::nil()]),
            Reply::nil(),
            Reply::array(&[]),
        ] {
            let mut bench = Bench::new(3, LoginCounts::keep);
            bench.next();
            assert_eq!(bench.then(Answer::Reply(reply)), "sleep 5");
            assert_eq!(bench.then(Answer::Slept), LOAD);
        }
    }

    #[test]
    fn in_memory_there_is_nothing_to_do() {
        let in_memory = |counts: LoginCounts| LoginCounts {
            store: Store::Memory(Arc::new(MemoryStore::default())),
            ..counts
        };
        assert_eq!(Bench::new(3, |counts, ops| in_memory(counts).keep(ops)).next(), "end");
        assert_eq!(Bench::new(3, |counts, ops| in_memory(counts).keep_finally(ops)).next(), "end");
    }
}
