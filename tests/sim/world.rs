//! A world: some clients, a scheduler, upstreams, a clock.
//!
//! Invariants, checked after each step: each request has one answer, in order; each ask has one
//! answer; tasks are counted right; at the end nothing is left, and connections of upstreams that
//! nobody waits for any more were given up.

use crate::client::{Client, TIMEOUTS, is_request};
use crate::job::{self, Shared};
use crate::random::Random;
use loligo::frontend::Overdue;
use loligo::metrics::LabelId;
use loligo::op::{self, Answer, AskId, Failure, Op};
use loligo::proto::http::Framing;
use loligo::reactor::Key;
use loligo::worker::scheduler::{Body, Event, Origin, Scheduler, TaskKind};
use std::time::{Duration, Instant};

pub struct World {
    random: Random,
    now: Instant,
    scheduler: Scheduler<Result<(), Failure>>,
    shared: Shared,
    clients: Vec<Client>,
    /// Asks that an upstream has not answered.
    pending: Vec<Pending>,
    /// Asks that were answered or given up; an upstream may not know.
    stale: Vec<AskId>,
    periodic: Vec<Key>,
    background: usize,
}

struct Pending {
    ask: AskId,
    op: Op,
    /// Whoever answers sees to the limit itself.
    until: Option<Instant>,
    /// The connection that works for it.
    connection: Option<Key>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut random = Random(seed);
        let now = Instant::now();
        let clients = 1 + random.below(CLIENTS_MAX);
        World {
            scheduler: Scheduler::new(now),
            shared: Shared::new(),
            clients: (0..clients).map(|number| Client::new(number, &mut random, now)).collect(),
            pending: Vec::new(),
            stale: Vec::new(),
            periodic: Vec::new(),
            background: 0,
            random,
            now,
        }
    }

    /// Steps until everything is sent and answered; how many answers there were.
    pub fn run(mut self) -> usize {
        for _ in 0..STEPS {
            self.step();
            self.settle();
        }
        self.wind_up();
        self.clients.iter().map(|client| client.composed).sum()
    }

    fn step(&mut self) {
        let client = self.random.below(self.clients.len());
        match self.random.below(12) {
            0..=3 => self.deliver(client),
            4..=5 => {
                let count = self.random.below(60);
                self.clients[client].take(count, self.now);
            }
            6..=7 => self.answer_some(),
            8 => {
                let longest = if self.random.one_in(20) { 9000 } else { 40 };
                self.now += Duration::from_millis(self.random.below(longest) as u64);
            }
            9 => self.answer_late(),
            10 => self.begin_other(),
            _ if self.random.one_in(8) => self.close(client),
            _ => {}
        }
    }

    /// The next bytes of a client arrive, unless the session has no use for them.
    fn deliver(&mut self, number: usize) {
        let count = if self.random.one_in(3) { 500 } else { 1 + self.random.below(30) };
        let client = &mut self.clients[number];
        if client.closed || !client.session.wants_input() {
            return;
        }
        if let Some(request) = client.receive(count, self.now) {
            self.serve(number, &request);
        }
    }

    fn serve(&mut self, number: usize, request: &[u8]) {
        let client = &mut self.clients[number];
        assert!(client.task.is_none(), "a request while another is being worked on");
        let at = client.received;
        assert!(is_request(number, at, request), "{:?}", String::from_utf8_lossy(request));
        client.received += 1;
        let deadline = self.now + REQUEST_TIME;
        let (ops, driver) = op::slot(self.now, deadline);
        let random = Random(self.random.next());
        let body = Body::Job(job::run(ops, self.shared.clone(), random, 0));
        let framing = Framing { minor: 1, keep_alive: true, ..Framing::default() };
        let connection = Key { index: u32::try_from(number).unwrap(), generation: 0 };
        let kind = TaskKind::Exchange(Origin { connection, framing, route: LabelId::OTHER });
        let task = self.scheduler.begin(kind, body, driver, self.now);
        // Sooner than the limits of its asks, so that it happens that a task is told.
        client.session.work_begins(self.now + REQUEST_TIME / 2);
        client.task = Some(task);
    }

    /// A post action, or another configuration with periodic tasks of its own.
    fn begin_other(&mut self) {
        let (ops, driver) = op::slot(self.now, self.now + REQUEST_TIME);
        let random = Random(self.random.next());
        let job = job::run(ops, self.shared.clone(), random, 1);
        if self.random.one_in(2) {
            self.background += 1;
            self.scheduler.begin(TaskKind::Background, Body::Job(job), driver, self.now);
        } else {
            if self.random.one_in(3) {
                self.end_periodic();
            }
            let body = Body::Periodic(Box::pin(async { drop(job.await) }));
            self.periodic.push(self.scheduler.begin(TaskKind::Periodic, body, driver, self.now));
        }
    }

    fn end_periodic(&mut self) {
        for task in std::mem::take(&mut self.periodic) {
            self.scheduler.cancel(task);
        }
        self.give_up();
    }

    fn close(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.closed = true;
        if let Some(task) = client.task.take() {
            assert!(matches!(self.scheduler.cancel(task), Some(TaskKind::Exchange(_))));
        }
        self.give_up();
    }

    fn answer_some(&mut self) {
        if !self.pending.is_empty() {
            let at = self.random.below(self.pending.len());
            let Pending { ask, op, .. } = self.pending.swap_remove(at);
            let answer = match self.random.one_in(10) {
                true => Answer::Failed(Failure::Unavailable("gone".into())),
                false => job::answer(op),
            };
            self.scheduler.answer(ask, answer);
            self.stale.push(ask);
        }
    }

    /// An upstream answers although nobody waits any more.
    fn answer_late(&mut self) {
        if !self.stale.is_empty() {
            let at = self.random.below(self.stale.len());
            self.scheduler.answer(self.stale[at], Answer::Notified);
        }
    }

    /// What a turn of the worker does, and the invariants.
    fn settle(&mut self) {
        self.scheduler.expire(self.now);
        self.give_up();
        self.see_to_limits();
        self.run_tasks();
        self.see_to_clients();
        loop {
            self.run_tasks();
            if !self.drive_clients() {
                break;
            }
        }
        self.check();
    }

    fn see_to_limits(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            if pending.until.is_some_and(|until| until <= self.now) {
                self.scheduler.answer(pending.ask, Answer::Failed(Failure::TimedOut));
                self.stale.push(pending.ask);
            } else {
                self.pending.push(pending);
            }
        }
    }

    fn see_to_clients(&mut self) {
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            if client.closed {
                continue;
            }
            match (client.session.overdue(self.now), client.task) {
                (Overdue::No, _) => {}
                (Overdue::Work, Some(task)) => {
                    assert!(!client.expired, "a task goes on behind its deadline");
                    client.expired = true;
                    client.session.extend(self.now + GRACE);
                    self.scheduler.expire_task(task);
                    self.give_up();
                }
                _ => self.close(number),
            }
        }
    }

    fn run_tasks(&mut self) {
        while let Some(event) = self.scheduler.next(self.now) {
            match event {
                Event::Ask { ask, op, until } => self.begin(ask, op, until),
                Event::Ended { kind: TaskKind::Exchange(origin), .. } => {
                    let number = origin.connection.index as usize;
                    let client = &mut self.clients[number];
                    assert!(client.task.is_some(), "an answer that nobody waits for");
                    let keep_alive = !self.random.one_in(12);
                    client.compose(number, keep_alive, self.now);
                }
                Event::Ended { kind, .. } => {
                    assert!(matches!(kind, TaskKind::Background), "{kind:?}");
                    self.background -= 1;
                }
            }
        }
        self.give_up();
    }

    /// Connections whose asks were given up work for nobody any more.
    fn give_up(&mut self) {
        for (ask, connection) in self.scheduler.take_abandoned() {
            let at = self.pending.iter().position(|pending| pending.ask == ask);
            let Some(at) = at else { panic!("{ask:?} was answered, and is given up") };
            let pending = self.pending.swap_remove(at);
            assert_eq!(pending.connection, Some(connection));
            self.stale.push(ask);
        }
    }

    /// An upstream is asked. It may answer at once.
    fn begin(&mut self, ask: AskId, op: Op, until: Instant) {
        let mut pending = Pending { ask, op, until: None, connection: None };
        match &pending.op {
            Op::Sleep(duration) => {
                match self.now.checked_add(*duration) {
                    Some(at) if at <= until => self.scheduler.sleep(ask, at),
                    _ => self.scheduler.limit(ask, until),
                }
                return;
            }
            _ if self.random.one_in(4) => {
                self.stale.push(ask);
                return self.scheduler.answer(ask, job::answer(pending.op));
            }
            Op::Dns(op) if op.name.ends_with("redis") => pending.until = Some(until),
            Op::Connection(_) => {
                let connection = Key { index: Key::from_bits(ask.0).index, generation: 77 };
                self.scheduler.set_connection(ask, connection);
                self.scheduler.limit(ask, until);
                pending.connection = Some(connection);
            }
            _ => self.scheduler.limit(ask, until),
        }
        self.pending.push(pending);
    }

    /// Serves the next requests among the bytes that have come. Whether there were any.
    fn drive_clients(&mut self) -> bool {
        let mut served = false;
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            if client.closed || client.session.is_busy() || !client.session.unsent().is_empty() {
                continue;
            }
            if client.session.has_input()
                && let Some(request) = client.receive(0, self.now)
            {
                self.serve(number, &request);
                served = true;
            } else if client.session.is_over(client.is_sent()) {
                client.closed = true;
            }
        }
        served
    }

    fn check(&self) {
        let tasks = self.clients.iter().filter(|client| client.task.is_some()).count();
        self.shared.check();
        assert_eq!(self.scheduler.jobs(), tasks + self.background, "tasks are miscounted");
        for (number, client) in self.clients.iter().enumerate() {
            client.check(number);
        }
    }

    /// Nobody goes away any more: whatever was begun comes to its end.
    fn wind_up(&mut self) {
        self.end_periodic();
        for _ in 0..STEPS_TO_THE_END {
            if self.clients.iter().all(Client::is_done) && self.scheduler.unfinished() == 0 {
                break;
            }
            for number in 0..self.clients.len() {
                let client = &mut self.clients[number];
                client.take(usize::MAX, self.now);
                if !client.closed && client.session.wants_input() {
                    self.deliver(number);
                }
            }
            self.answer_some();
            self.now += Duration::from_millis(20);
            self.settle();
        }
        self.now += REQUEST_TIME;
        self.settle();
        // The limits of what was given up are over by now.
        self.pending.retain(|pending| pending.connection.is_some());
        assert!(self.pending.is_empty(), "connections work for nobody");
        assert_eq!((self.scheduler.unfinished(), self.scheduler.asks()), (0, 0), "tasks are left");
        self.shared.check_permits(self.now);
        for (number, client) in self.clients.iter().enumerate() {
            assert!(client.is_done(), "client {number} has {} answers", client.composed);
            assert!(client.closed || client.ends || client.buffered_is_zero());
        }
    }
}

const CLIENTS_MAX: usize = 5;
const STEPS: usize = 300;

/// Enough for the bytes and the questions of all clients.
const STEPS_TO_THE_END: usize = 400;

const REQUEST_TIME: Duration = Duration::from_secs(3);

/// How long a task that was told of its deadline may take to wind up.
const GRACE: Duration = Duration::from_secs(5);

/// A client that takes too long is closed; one that does its part is not.
const _: () = assert!(TIMEOUTS.head.as_secs() > REQUEST_TIME.as_secs());
