//! What a request runs as: a random program that waits for all that can be waited for, and checks
//! that each answer is the one to its question.

use crate::random::Random;
use loligo::op::{
    Answer, BlockingJob, ConnectionId, ConnectionOp, DnsAnswer, DnsOp, Done, Failure, HashOp, Op,
    Ops, Subtask, drive, slot,
};
use loligo::proto::dns;
use loligo::secret::Secret;
use loligo::upstream::semaphore::Semaphore;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// What all jobs of a world share.
#[derive(Clone)]
pub struct Shared {
    semaphore: Semaphore,
    /// How many hold a permit.
    holders: Rc<Cell<usize>>,
    questions: Rc<Cell<u64>>,
    subtasks: Rc<RefCell<Vec<Subtasking>>>,
}

/// A subtask and the question that it was begun for: each is alive as long as its half is.
struct Subtasking {
    subtask: Weak<()>,
    question: Weak<()>,
}

impl Shared {
    pub fn new() -> Shared {
        Shared {
            semaphore: Semaphore::new(PERMITS),
            holders: Rc::default(),
            questions: Rc::default(),
            subtasks: Rc::default(),
        }
    }

    /// Subtasks live no longer than somebody waits for them.
    pub fn check(&self) {
        self.subtasks.borrow_mut().retain(|subtasking| {
            let alive = subtasking.subtask.strong_count() > 0;
            assert!(!alive || subtasking.question.strong_count() > 0, "a subtask outlives its ask");
            alive
        });
    }

    /// At the end all permits are free, and nobody waits for one.
    pub fn check_permits(&self, now: Instant) {
        assert_eq!((self.holders.get(), self.semaphore.waiting()), (0, 0));
        let (ops, driver) = slot(now, now + Duration::from_secs(1));
        let acquire = async {
            let first = self.semaphore.acquire(&ops, Duration::MAX).await;
            let second = self.semaphore.acquire(&ops, Duration::MAX).await;
            first.is_ok() && second.is_ok()
        };
        let free = drive(acquire, &driver, |_| Answer::Failed(Failure::TimedOut));
        assert!(free, "a permit was lost");
    }

    fn number(&self) -> u64 {
        self.questions.set(self.questions.get() + 1);
        self.questions.get()
    }
}

/// Runs a program; an error is what it could not wait for.
pub fn run(
    ops: Ops,
    shared: Shared,
    mut random: Random,
    depth: usize,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>>>> {
    Box::pin(async move {
        for _ in 0..random.below(4) {
            if random.one_in(5) {
                let permit = shared.semaphore.acquire(&ops, limit(&mut random)).await?;
                let holding = Holding::new(&shared.holders);
                ops.ask(Op::Sleep(Duration::from_millis(5)), Duration::MAX).await;
                drop((holding, permit));
            }
            let asking = Rc::new(());
            let (op, expected) = question(&shared, &mut random, depth, &asking);
            let answer = ops.ask(op, limit(&mut random)).await;
            drop(asking);
            check(answer, &expected)?;
        }
        Ok(())
    })
}

/// Counts who holds a permit, and stops when it is dropped, by cancellation too.
struct Holding(Rc<Cell<usize>>);

impl Holding {
    fn new(holders: &Rc<Cell<usize>>) -> Holding {
        holders.set(holders.get() + 1);
        assert!(holders.get() <= PERMITS, "more hold a permit than there are");
        Holding(holders.clone())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn limit(random: &mut Random) -> Duration {
    [Duration::from_millis(20), Duration::from_secs(1), Duration::MAX][random.below(3)]
}

/// What an answer must look like.
enum Expected {
    Name(String),
    Hash(String),
    Received(Vec<u8>),
    Number(u64),
    Slept,
    Finished,
    All(Vec<Expected>),
}

fn question(shared: &Shared, random: &mut Random, depth: usize, asking: &Rc<()>) -> (Op, Expected) {
    let number = shared.number();
    match random.below(if depth < DEPTH_MAX { 8 } else { 6 }) {
        0 => (Op::Sleep(Duration::from_millis(random.below(200) as u64)), Expected::Slept),
        1 => {
            let text = format!("hash {number}");
            let op = HashOp { stored: Secret::new(text.as_bytes()), plain: Secret::new(b"x") };
            (Op::Hash(op), Expected::Hash(text))
        }
        2 => {
            let buffer = number.to_le_bytes().to_vec();
            let op = ConnectionOp::Receive(ConnectionId(number), buffer.clone());
            (Op::Connection(op), Expected::Received(buffer))
        }
        3 => (Op::Blocking(BlockingJob::new(move || number)), Expected::Number(number)),
        4 | 5 => {
            // Whoever is asked sees to the limit itself, as links to Redis do.
            let place = if random.one_in(2) { "redis" } else { "dns" };
            let name = format!("{number}.{place}");
            (Op::Dns(DnsOp { name: name.clone(), kind: dns::Kind::Ptr }), Expected::Name(name))
        }
        6 => {
            let (shared, random) = (shared.clone(), Random(random.next()));
            let question = Rc::downgrade(asking);
            let subtask = Subtask::new(move |ops| async move {
                let alive = Rc::new(());
                let subtask = Rc::downgrade(&alive);
                shared.subtasks.borrow_mut().push(Subtasking { subtask, question });
                let finished = run(ops, shared, random, depth + 1).await;
                drop(alive);
                finished
            });
            (Op::Run(subtask), Expected::Finished)
        }
        _ => {
            let count = random.below(4);
            let questions = (0..count).map(|_| question(shared, random, depth + 1, asking));
            let (ops, expected) = questions.unzip();
            (Op::All(ops), Expected::All(expected))
        }
    }
}

fn check(answer: Answer, expected: &Expected) -> Result<(), Failure> {
    match (answer, expected) {
        (Answer::Failed(failure), _) => return Err(failure),
        (Answer::Slept, Expected::Slept) => {}
        (Answer::Hash(Err(text)), Expected::Hash(expected)) => assert_eq!(&text, expected),
        (Answer::Received(bytes), Expected::Received(expected)) => assert_eq!(&bytes, expected),
        (Answer::Dns(DnsAnswer::Records(records)), Expected::Name(expected)) => {
            assert_eq!(*records, [dns::Record::Name(expected.clone())]);
        }
        (answer @ Answer::Done(_), Expected::Number(expected)) => {
            assert_eq!(answer.done::<u64>(), Ok(*expected));
        }
        (answer @ Answer::Done(_), Expected::Finished) => {
            return answer.done::<Result<(), Failure>>().and_then(|finished| finished);
        }
        (Answer::All(answers), Expected::All(expected)) => {
            assert_eq!(answers.len(), expected.len(), "parts of an answer");
            // All of them are checked, also behind one that failed.
            let checked = answers.into_iter().zip(expected);
            let checked: Vec<_> = checked.map(|(answer, part)| check(answer, part)).collect();
            return checked.into_iter().collect();
        }
        (answer, _) => panic!("an answer to another question: {answer:?}"),
    }
    Ok(())
}

/// What an upstream says.
pub fn answer(op: Op) -> Answer {
    match op {
        Op::Hash(op) => Answer::Hash(Err(String::from_utf8(op.stored.expose().to_vec()).unwrap())),
        Op::Connection(ConnectionOp::Receive(_, buffer)) => Answer::Received(buffer),
        Op::Blocking(job) => Answer::Done(Done::from(job.run())),
        Op::Dns(op) => Answer::Dns(DnsAnswer::Records([dns::Record::Name(op.name)].into())),
        op => panic!("the scheduler keeps {op:?} to itself"),
    }
}

const PERMITS: usize = 2;

/// Subtasks within subtasks.
const DEPTH_MAX: usize = 3;
