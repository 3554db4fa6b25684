//! The counts of `nauthilus_psnet`, and the addresses of its targets. Rules:
//! `lua/modules/nauthilus_psnet.md`.

use crate::op::{BlockingJob, Op, Ops};
use crate::script::stores::Targets;
use crate::upstream::dns::resolve_host;
use std::sync::Arc;
use std::time::Duration;

/// Keeps them up to date, until dropped.
pub(super) async fn count(targets: Arc<Targets>, ops: Ops) {
    let mut looked_up = ops.now();
    loop {
        ops.ask(Op::Sleep(COUNT_EVERY), Duration::MAX).await;
        if targets.is_empty() {
            continue;
        }
        if ops.now() - looked_up >= LOOK_UP_EVERY {
            looked_up = ops.now();
            for host in targets.hosts() {
                // A name that cannot be found stays where it was.
                if let Ok(addresses) = resolve_host(&ops, &host).await {
                    targets.set_addresses(&host, &addresses);
                }
            }
        }
        let counting = targets.clone();
        // When the helpers are busy, the old counts stand until the next time.
        ops.ask(Op::Blocking(BlockingJob::new(move || counting.count())), COUNT_EVERY).await;
    }
}

const COUNT_EVERY: Duration = Duration::from_secs(5);
const LOOK_UP_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{self, Answer, DnsAnswer};
    use crate::proto::dns::Record;
    use crate::script::stores::targets::{Direction, Target};
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Instant;

    #[test]
    fn counts_every_five_seconds_and_looks_names_up_every_minute() {
        let targets = Arc::new(Targets::default());
        let target = Target {
            text: "db.example:1".into(),
            direction: Direction::Remote,
            description: String::new(),
            host: "db.example".into(),
            port: 1,
            addresses: Vec::new(),
            count: 7,
        };
        targets.register(target).unwrap();
        let mut now = Instant::now();
        let (ops, driver) = op::slot(now, now + super::super::FOREVER);
        let mut task = pin!(count(targets.clone(), ops));
        let (mut counted, mut looked_up) = (0, Vec::new());
        while counted < 30 {
            driver.set_now(now);
            assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let answer = match driver.take_op().unwrap().0 {
                Op::Sleep(duration) => {
                    now += duration;
                    Answer::Slept
                }
                Op::Blocking(work) => {
                    counted += 1;
                    Answer::Done(work.run().into())
                }
                Op::All(parts) => {
                    looked_up.push(counted);
                    let found = || {
                        Answer::Dns(DnsAnswer::Records(
                            [Record::Address([192, 0, 2, 1].into())].into(),
                        ))
                    };
                    Answer::All(parts.iter().map(|_| found()).collect())
                }
                op => panic!("{op:?}"),
            };
            driver.put_answer(answer);
        }
        // After 60 and 120 seconds, before the count of that time.
        assert_eq!(looked_up, [11, 23]);
        assert_eq!(targets.count_of("db.example:1"), Some(0));
    }
}
