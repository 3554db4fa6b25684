//! Checks of the monitored mail servers: a periodic task for each.
//!
//! Each server has its own pace: the next check begins [`PERIOD`] after the last one began, or when
//! that one has ended. A server that swallows packets therefore does not delay results of others.
//! Changes are logged and stored where all workers read them. Bound: [`AT_ONCE_MAX`] checks at a
//! time, each of at most [`PROBE_MAX`].

use crate::log::Level;
use crate::metrics::{Gauge, WorkerMetrics};
use crate::op::{Op, Ops, Subtask};
use crate::upstream::monitor::{Monitor, Server};
use crate::upstream::probe::{self, Fault, PROBE_MAX};
use crate::upstream::semaphore::Semaphore;
use crate::worker::reporting::Notices;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the checks of one configuration share.
#[derive(Clone)]
pub(super) struct Checks {
    semaphore: Semaphore,
    monitor: Arc<Monitor>,
    metrics: Rc<WorkerMetrics>,
    notices: Notices,
}

impl Checks {
    pub fn new(monitor: Arc<Monitor>, metrics: Rc<WorkerMetrics>, notices: Notices) -> Checks {
        let checks = Checks { semaphore: Semaphore::new(AT_ONCE_MAX), monitor, metrics, notices };
        checks.count_servers();
        checks
    }

    /// Checks a server, until dropped.
    pub async fn repeat(self, server: Arc<Server>, ops: Ops) {
        loop {
            let began = self.check(&server, &ops).await;
            let rest = PERIOD.saturating_sub(ops.now() - began);
            ops.ask(Op::Sleep(rest), Duration::MAX).await;
        }
    }

    /// Checks a server once; when that began.
    async fn check(&self, server: &Arc<Server>, ops: &Ops) -> Instant {
        // If even the line is full, a later check will tell.
        let Ok(_permit) = self.semaphore.acquire(ops, Duration::MAX).await else {
            return ops.now();
        };
        let (began, probed) = (ops.now(), server.clone());
        let probe =
            Subtask::new(move |ops| async move { probe::check(&ops, &probed.target).await });
        let outcome: Result<Result<(), Fault>, _> = ops.ask(Op::Run(probe), PROBE_MAX).await.done();
        let outcome = outcome.unwrap_or_else(|failure| Err(failure.into()));
        if server.note(outcome.is_ok()) {
            self.tell(server, outcome);
        }
        began
    }

    fn tell(&self, server: &Server, outcome: Result<(), Fault>) {
        let at = format!("{}:{}", server.target.host, server.target.port);
        let protocol = ("protocol", server.protocol.clone());
        match outcome {
            Ok(()) => self.notices.add(Level::Info, format!("Server up: {at}"), [protocol]),
            Err(fault) => self.notices.add(
                Level::Warn,
                format!("Server down: {at}"),
                [protocol, ("error", fault.to_string())],
            ),
        }
        self.count_servers();
    }

    fn count_servers(&self) {
        for (gauge, count) in [
            (Gauge::ServersWanted, self.monitor.servers.len()),
            (Gauge::ServersAlive, self.monitor.alive().count()),
        ] {
            self.metrics.set(gauge, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// From one check of a server to its next.
const PERIOD: Duration = Duration::from_secs(10);

/// Checks at a time. Connecting to servers that swallow packets takes seconds each: with this many,
/// a hundred of them still get their turn within a minute.
const AT_ONCE_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;
    use crate::op::{Answer, Failure, slot};
    use crate::secret::Secret;
    use crate::time::Now;
    use crate::upstream::probe::{Protocol, Target};
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn a_server_is_checked_every_ten_seconds_and_news_is_told_once() {
        let target = Target {
            protocol: Protocol::Imap,
            host: "192.0.2.1".into(),
            port: 143,
            tls: None,
            haproxy_v2: false,
            deep_check: false,
            request_uri: String::new(),
            username: String::new(),
            password: Secret::default(),
        };
        let server = Arc::new(Server::new("imap".into(), false, target));
        let registry = Registry::new("test", "", Now::read());
        let notices = Notices::default();
        let monitor = Arc::new(Monitor { servers: vec![server.clone()] });
        let checks = Checks::new(monitor, Rc::new(registry.worker("background")), notices.clone());
        let start = Instant::now();
        let (ops, driver) = slot(start, start + Duration::from_secs(1000));
        let mut task = pin!(checks.repeat(server.clone(), ops));
        let (mut now, mut log) = (start, Vec::new());
        // How long each check takes, and whether the server is found alive.
        for (began, seconds, alive) in
            [(0, 1, false), (10, 3, false), (20, 25, true), (45, 0, true), (55, 1, false)]
        {
            driver.set_now(now);
            assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!((now - start).as_secs(), began);
            let Some((Op::Run(_), until)) = driver.take_op() else { panic!("no check") };
            assert_eq!(until, now + PROBE_MAX);
            now += Duration::from_secs(seconds);
            driver.set_now(now);
            let outcome: Result<(), Fault> =
                if alive { Ok(()) } else { Err(Failure::TimedOut.into()) };
            driver.put_answer(Answer::Done(crate::op::Done::new(outcome)));
            assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(server.is_alive(), alive);
            let Some((Op::Sleep(rest), _)) = driver.take_op() else { panic!("no rest") };
            now += rest;
            driver.put_answer(Answer::Slept);
            log.extend(
                notices
                    .take()
                    .into_iter()
                    .map(|notice| format!("{} {notice:?}", (now - rest - start).as_secs())),
            );
        }
        let told: Vec<_> = log.iter().map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(
            told,
            ["1 Notice { level: Warn", "45 Notice { level: Info", "56 Notice { level: Warn"]
        );
        assert!(
            log[0].contains("Server down: 192.0.2.1:143") && log[1].contains("Server up"),
            "{log:?}"
        );
        assert!(
            registry
                .render(Now::read())
                .contains("backend_servers_status{server_status=\"alive\"} 0\n")
        );
    }
}
