//! The thread that writes the log to standard output, and the bounded queue in front of it.
//!
//! Threads hand over whole buffers and get empty ones back; neither side ever holds a lock. After
//! its last write the writer lingers a moment before it sleeps, so that a busy server never pays
//! for waking it and a write carries the lines of many turns. An output that is stuck blocks this
//! thread only: past [`QUEUE_BYTES_MAX`] or [`QUEUE_CHUNKS_MAX`] buffers are dropped and their
//! lines counted. An output that is broken loses what was written to it and is tried again with the
//! next lines: the server goes on.

use crossbeam_queue::ArrayQueue;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, Thread};
use std::time::Duration;

/// The writer thread, held by the code that ends the process.
pub struct LogWriter {
    sink: LogSink,
    /// Closed when the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl LogWriter {
    /// Starts the thread on standard output, past the line buffer of the standard library.
    ///
    /// # Errors
    /// No file descriptor or no thread is to be had.
    pub fn stdout() -> io::Result<LogWriter> {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        LogWriter::spawn(Box::new(File::from(output)))
    }

    /// Starts the thread on any output.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn spawn(output: Box<dyn Write + Send>) -> io::Result<LogWriter> {
        LogWriter::with_bound(output, QUEUE_BYTES_MAX)
    }

    /// Where the logs of all threads end.
    pub fn sink(&self) -> &LogSink {
        &self.sink
    }

    /// Writes what is queued and ends the thread. False if that took longer than `patience`: the
    /// output is stuck, and the thread is left to the end of the process. Logs that are still in
    /// use afterwards are counted as dropped once the queue is full.
    pub fn shutdown(self, patience: Duration) -> bool {
        self.sink.0.closing.store(true, Ordering::SeqCst);
        self.sink.0.wake();
        self.ended.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Disconnected)
    }

    fn with_bound(output: Box<dyn Write + Send>, bytes_max: usize) -> io::Result<LogWriter> {
        let sink = LogSink(Arc::new(Queue::new(bytes_max)));
        let (alive, ended) = mpsc::channel::<()>();
        let queue = sink.0.clone();
        let thread = thread::Builder::new().name("log".into()).spawn(move || {
            let _alive = alive;
            write_log(&queue, output);
        })?;
        // Until this is set the sink is not in use, so the thread needs no waking.
        let _ = sink.0.writer.set(thread.thread().clone());
        Ok(LogWriter { sink, ended })
    }
}

/// The way to the writer, shared by all logs.
#[derive(Clone)]
pub struct LogSink(Arc<Queue>);

impl LogSink {
    /// Lines that were lost because the output was stuck or broken, since the start.
    pub fn lines_dropped(&self) -> u64 {
        self.0.lines_dropped.load(Ordering::Relaxed)
    }

    /// An empty buffer, used before if there is one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.0.free.pop().unwrap_or_default()
    }

    /// Queues a buffer, or drops it if the queue is full. Never waits.
    pub(super) fn send(&self, chunk: Chunk) {
        self.0.send(chunk);
    }

    /// A sink without a thread, emptied by [`LogSink::take`].
    #[cfg(test)]
    pub(super) fn detached() -> LogSink {
        LogSink(Arc::new(Queue::new(QUEUE_BYTES_MAX)))
    }

    #[cfg(test)]
    pub(super) fn take(&self) -> Option<Chunk> {
        self.0.next()
    }
}

/// Whole lines of one thread.
pub(super) struct Chunk {
    pub bytes: Vec<u8>,
    /// How many lines they are.
    pub lines: u32,
}

struct Queue {
    full: ArrayQueue<Chunk>,
    free: ArrayQueue<Vec<u8>>,
    bytes_max: usize,
    bytes_queued: AtomicUsize,
    lines_dropped: AtomicU64,
    /// The writer sleeps until it is woken.
    idle: AtomicBool,
    closing: AtomicBool,
    writer: OnceLock<Thread>,
}

impl Queue {
    fn new(bytes_max: usize) -> Queue {
        Queue {
            full: ArrayQueue::new(QUEUE_CHUNKS_MAX),
            free: ArrayQueue::new(FREE_BUFFERS_MAX),
            bytes_max,
            bytes_queued: AtomicUsize::new(0),
            lines_dropped: AtomicU64::new(0),
            idle: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            writer: OnceLock::new(),
        }
    }

    fn send(&self, chunk: Chunk) {
        let bytes = chunk.bytes.len();
        if self.bytes_queued.fetch_add(bytes, Ordering::Relaxed) + bytes > self.bytes_max {
            return self.refuse(chunk);
        }
        if let Err(chunk) = self.full.push(chunk) {
            return self.refuse(chunk);
        }
        // With the fence in `sleep`: either the writer sees the chunk, or we see that it is idle.
        fence(Ordering::SeqCst);
        if self.idle.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    fn refuse(&self, chunk: Chunk) {
        self.bytes_queued.fetch_sub(chunk.bytes.len(), Ordering::Relaxed);
        self.lost(u64::from(chunk.lines));
        self.recycle(chunk.bytes);
    }

    fn lost(&self, lines: u64) {
        self.lines_dropped.fetch_add(lines, Ordering::Relaxed);
    }

    fn next(&self) -> Option<Chunk> {
        let chunk = self.full.pop()?;
        self.bytes_queued.fetch_sub(chunk.bytes.len(), Ordering::Relaxed);
        Some(chunk)
    }

    /// Keeps a buffer for reuse, unless it has grown beyond the usual or there are enough.
    fn recycle(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= FREE_BUFFER_BYTES_MAX {
            buffer.clear();
            let _ = self.free.push(buffer);
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    fn wake(&self) {
        self.idle.store(false, Ordering::Relaxed);
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Waits for the next chunk: a moment without being woken, then until woken. Called by the
    /// writer only.
    fn sleep(&self) {
        thread::park_timeout(LINGER);
        while self.full.is_empty() && !self.is_closing() {
            self.idle.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if self.full.is_empty() && !self.is_closing() {
                thread::park();
            }
        }
        self.idle.store(false, Ordering::Relaxed);
    }
}

/// The thread's life: gather, write, sleep.
fn write_log(queue: &Queue, mut output: Box<dyn Write + Send>) {
    let mut batch = Vec::with_capacity(BATCH_BYTES);
    loop {
        let mut lines = 0;
        while batch.len() < BATCH_BYTES {
            let Some(chunk) = queue.next() else { break };
            lines += u64::from(chunk.lines);
            batch.extend_from_slice(&chunk.bytes);
            queue.recycle(chunk.bytes);
        }
        if batch.is_empty() {
            if queue.is_closing() {
                return;
            }
            queue.sleep();
            continue;
        }
        if write_whole(&mut *output, &batch).is_err() {
            queue.lost(lines);
        }
        batch.clear();
        batch.shrink_to(2 * BATCH_BYTES);
    }
}

/// `write_all` that also works with a non-blocking output: a terminal or pipe shared with another
/// program.
fn write_whole(output: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(LINGER),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A third of a second of a fully used server with 16 cores; a stuck output may cost this much
/// memory.
pub const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Buffers of one turn each, mostly small: a linger's worth of 16 workers at 10,000 turns a second,
/// many times over.
pub const QUEUE_CHUNKS_MAX: usize = 4096;
const FREE_BUFFERS_MAX: usize = 256;
const FREE_BUFFER_BYTES_MAX: usize = 256 * 1024;
/// What one write carries at most, unless a single buffer is longer.
const BATCH_BYTES: usize = 256 * 1024;
/// How long a line may wait for company: too short for people, long enough for hundreds of turns.
const LINGER: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::super::{Format, Level, Log, LogSettings};
    use super::*;
    use crate::time::Now;
    use std::sync::{Condvar, Mutex};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// An output that keeps what it gets, and holds each write back while it is stuck.
    #[derive(Clone, Default)]
    struct Stuck(Arc<Pipe>);

    #[derive(Default)]
    struct Pipe {
        /// Whether it is stuck, and what it got.
        state: Mutex<(bool, Vec<u8>)>,
        changed: Condvar,
    }

    impl Stuck {
        fn set_stuck(&self, stuck: bool) {
            self.0.state.lock().unwrap().0 = stuck;
            self.0.changed.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.state.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state =
                self.0.changed.wait_while(self.0.state.lock().unwrap(), |state| state.0).unwrap();
            // Short writes, as a pipe does them.
            let bytes = &bytes[..bytes.len().min(1000)];
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output that fails in turn with each of these, then works.
    struct Failing(Vec<ErrorKind>, Stuck);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.pop() {
                Some(kind) => Err(kind.into()),
                None => self.1.write(bytes),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(writer: &LogWriter) -> Log {
        Log::new(
            writer.sink(),
            &LogSettings { level: Level::Info, format: Format::Logfmt, instance: "test".into() },
        )
    }

    #[test]
    fn shutdown_writes_what_is_queued() {
        let output = Stuck::default();
        let writer = LogWriter::spawn(Box::new(output.clone())).unwrap();
        let mut log = log(&writer);
        for n in 0..1000_u32 {
            log.line(Level::Info, Now::read()).number("n", n).end();
            log.flush();
        }
        assert!(writer.shutdown(PATIENCE));
        let text = output.text();
        let numbers: Vec<&str> =
            text.lines().map(|line| line.rsplit_once("n=").unwrap().1).collect();
        assert_eq!(numbers, (0..1000).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn a_stuck_output_costs_lines_but_nobody_waits() {
        let output = Stuck::default();
        output.set_stuck(true);
        let writer = LogWriter::with_bound(Box::new(output.clone()), 64 * 1024).unwrap();
        let mut log = log(&writer);
        let lines = 10_000;
        for n in 0..lines {
            log.line(Level::Info, Now::read()).number("n", n as u32).end();
            log.flush();
        }
        let dropped = writer.sink().lines_dropped() as usize;
        assert!(dropped > lines / 2, "{dropped}");
        assert!(writer.sink().0.bytes_queued.load(Ordering::Relaxed) <= 64 * 1024);
        output.set_stuck(false);
        assert!(writer.shutdown(PATIENCE));
        let text = output.text();
        assert_eq!(text.lines().count() + dropped, lines);
        assert!(text.lines().all(|line| line.starts_with("level=info ") && line.contains(" n=")));
    }

    #[test]
    fn shutdown_gives_up_on_a_stuck_output() {
        let output = Stuck::default();
        output.set_stuck(true);
        let writer = LogWriter::spawn(Box::new(output.clone())).unwrap();
        log(&writer).line(Level::Info, Now::read()).end();
        assert!(!writer.shutdown(Duration::from_millis(1)));
        output.set_stuck(false);
    }

    #[test]
    fn a_broken_output_loses_its_lines_and_is_tried_again() {
        let output = Stuck::default();
        let writer =
            LogWriter::spawn(Box::new(Failing(vec![ErrorKind::BrokenPipe], output.clone())))
                .unwrap();
        let mut log = log(&writer);
        log.line(Level::Info, Now::read()).end();
        log.flush();
        while writer.sink().lines_dropped() == 0 {
            thread::yield_now();
        }
        log.raw(b"last\n");
        drop(log);
        let sink = writer.sink().clone();
        assert!(writer.shutdown(PATIENCE));
        assert_eq!(output.text(), "last\n");
        assert_eq!(sink.lines_dropped(), 1);
    }

    #[test]
    fn interruptions_and_busy_pipes_lose_nothing() {
        let output = Stuck::default();
        let kinds = vec![ErrorKind::WouldBlock, ErrorKind::Interrupted, ErrorKind::WouldBlock];
        let writer = LogWriter::spawn(Box::new(Failing(kinds, output.clone()))).unwrap();
        log(&writer).raw(b"a line\n");
        assert!(writer.shutdown(PATIENCE));
        assert_eq!(output.text(), "a line\n");
    }

    #[test]
    fn buffers_come_back() {
        let queue = Queue::new(QUEUE_BYTES_MAX);
        queue.recycle(Vec::with_capacity(100));
        queue.recycle(Vec::with_capacity(FREE_BUFFER_BYTES_MAX + 1));
        assert_eq!(queue.free.len(), 1);
        for _ in 0..2 * FREE_BUFFERS_MAX {
            queue.recycle(Vec::with_capacity(100));
        }
        assert_eq!(queue.free.len(), FREE_BUFFERS_MAX);
    }

    #[test]
    fn lines_of_many_threads_stay_whole_and_in_order() {
        let output = Stuck::default();
        let writer = LogWriter::spawn(Box::new(output.clone())).unwrap();
        thread::scope(|scope| {
            for thread in 0..4_u32 {
                let mut log = log(&writer);
                scope.spawn(move || {
                    for n in 0..500_u32 {
                        log.line(Level::Info, Now::read())
                            .number("thread", thread)
                            .number("n", n)
                            .end();
                        if n % 3 == 0 {
                            log.flush();
                        }
                    }
                });
            }
        });
        let sink = writer.sink().clone();
        assert!(writer.shutdown(PATIENCE));
        assert_eq!(sink.lines_dropped(), 0);
        let text = output.text();
        for thread in 0..4 {
            let mark = format!(" thread={thread} n=");
            let numbers: Vec<usize> =
                text.lines().filter_map(|line| line.split_once(&mark)?.1.parse().ok()).collect();
            assert_eq!(numbers, (0..500).collect::<Vec<_>>());
        }
    }
}
