//! Process life: bind, spawn, signals, reload, drain.
//!
//! The main thread loads the configuration, makes the shared stores, starts the background worker
//! (which runs the init scripts), then binds and starts the workers, prints the ready line and
//! waits for signals. SIGHUP: a new configuration is loaded and all scripts are compiled in a state
//! of their own before any worker hears of it; a faulty one is refused. SIGTERM and SIGINT: drain,
//! at most [`DRAIN_MAX`]. A server that gives up rights (`privileges.rs`) binds first.

mod landlock;
mod privileges;

use crate::auth::cache::ResultCache;
use crate::config::{
    self, Config, Finding, ListenAddress, ListenerPlaces, Loaded, Problem, Problems, Source,
};
use crate::epoch::{Epoch, Listeners, Unchanged, Unusable};
use crate::log::{Level, Log, LogWriter};
use crate::metrics::Registry;
use crate::process::permits::RequestLimit;
use crate::process::seats::Seats;
use crate::process::{Message, Process};
use crate::reactor::{Access, Address, Listener, Sender};
use crate::script::stores::targets::{Direction, Target, Targets};
use crate::script::watchdog::Watchdog;
use crate::time::Now;
use crate::upstream::health::Stores;
use crate::worker::{Fatal, LAST_SAVE_MAX, Listening, Role, Start, Worker};
use privileges::Privileges;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use std::io;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(#[from] Problems),
    /// What was read before cannot be read any more, and what to do about it.
    #[error("{0}\n{1}")]
    Again(Problems, String),
    #[error("{0}")]
    Unusable(#[from] Unusable),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: String, error: io::Error },
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Worker(#[from] Fatal),
}

impl From<Problem> for StartError {
    fn from(problem: Problem) -> StartError {
        StartError::Config(problem.into())
    }
}

/// Loads, starts, serves until told to stop.
///
/// # Errors
/// Everything that keeps the server from starting.
pub fn run(mut source: Source) -> Result<(), StartError> {
    let loaded = config::load(&source)?;
    harden()?;
    let files = raise_files_limit();
    let privileges = Privileges::of(&loaded)?;
    let (loaded, bound) = if privileges.is_any() {
        let (cores, config) = (cores().len().max(1), &loaded.config);
        let bound = listen(&Listeners::addresses(config), config.server.worker_count(cores))?;
        privileges.own_sockets(&bound.1)?;
        (give_up(&privileges, loaded, &mut source)?, Some(bound))
    } else {
        (loaded, None)
    };
    let signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1])?;
    let writer = LogWriter::stdout()?;
    let server = Server::start(&loaded.config, &writer, bound)?;
    let mut log = Log::new(writer.sink(), &server.epoch.log);
    tell_findings(loaded.warnings.iter().chain(&server.findings), &mut log);
    warn_of_few_files(files, &server, &mut log);
    for address in &server.addresses {
        log.line(Level::Info, Now::read())
            .text("msg", "ready")
            .text("address", address.to_string())
            .end();
        // The harness and service managers look for this line; it does not depend on the log level.
        log.raw(format!("loligo ready on {address}\n").as_bytes());
    }
    log.flush();
    server.serve(&source, signals, &mut log);
    drop(log);
    writer.shutdown(LOG_PATIENCE);
    Ok(())
}

/// Gives up what the configuration says, and reads the configuration again as it will be read from
/// now on.
fn give_up(
    privileges: &Privileges,
    loaded: Loaded,
    source: &mut Source,
) -> Result<Loaded, StartError> {
    // The same file, wherever the process is afterwards.
    if let Some(file) = loaded.files.first() {
        source.file = Some(std::path::absolute(file)?);
    }
    privileges.give_up(&loaded)?;
    let again = |problems| StartError::Again(problems, privileges.remedy());
    let mut read = config::load(source).map_err(again)?;
    privileges::unchanged(&loaded.config, &read).map_err(again)?;
    let warning = privileges.without_name_servers(&read);
    read.warnings.extend(warning);
    Ok(read)
}

/// The cores that this process may use.
fn cores() -> Vec<usize> {
    core_affinity::get_core_ids()
        .map(|ids| ids.into_iter().map(|id| id.id).collect())
        .unwrap_or_default()
}

/// What each worker listens on, by worker; and where that is.
type Bound = (Vec<Vec<Listening>>, Vec<Address>);

struct Server {
    /// As it was started.
    config: Config,
    process: Arc<Process>,
    epoch: Arc<Epoch>,
    workers: Vec<Running>,
    background: Running,
    addresses: Vec<Address>,
    /// What the scripts' authors may have misspelt, at the start.
    findings: Vec<Finding>,
    /// Ends after all Lua states.
    _watchdog: Watchdog,
}

struct Running {
    sender: Sender<Message>,
    thread: JoinHandle<Result<(), Fatal>>,
}

impl Server {
    /// `bound`: the listeners, if they had to be there before; their number is that of the workers.
    fn start(
        config: &Config,
        writer: &LogWriter,
        bound: Option<Bound>,
    ) -> Result<Server, StartError> {
        let cores = cores();
        let count = match &bound {
            Some((listeners, _)) => listeners.len(),
            None => config.server.worker_count(cores.len().max(1)),
        };
        let watchdog = Watchdog::spawn()?;
        let process = process(config, writer, &watchdog)?;
        let epoch = Arc::new(Epoch::resolve(config, count, &process.metrics)?);
        let findings = crate::worker::try_scripts(&epoch, &process).map_err(Fatal::from)?;
        let core_of = |number: usize| cores.get(number % cores.len().max(1)).copied();
        let start = |role, name: String, core, listeners| Start {
            role,
            workers: count,
            name,
            core,
            listeners,
            process: process.clone(),
            epoch: epoch.clone(),
        };
        // The background worker has the last core to itself if there are more cores than workers.
        let background = spawn(start(
            Role::Background,
            "background".into(),
            core_of(cores.len().wrapping_sub(1)),
            Vec::new(),
        ))?;
        // No other code sets it.
        let _ = process.background.set(background.sender.clone());
        run_init(&epoch, &background);
        let (mut listeners, addresses) = match bound {
            Some(bound) => bound,
            None => listen(&epoch.listeners, count)?,
        };
        if config.server.insights.monitor_connections {
            count_own_connections(&process.targets, &addresses);
        }
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let own = listeners.pop().unwrap_or_default();
            workers.push(spawn(start(Role::Serving, number.to_string(), core_of(number), own))?);
        }
        let config = config.clone();
        Ok(Server {
            config,
            process,
            epoch,
            workers,
            background,
            addresses,
            findings,
            _watchdog: watchdog,
        })
    }

    /// Waits for signals until one says stop, then drains.
    fn serve(
        mut self,
        source: &Source,
        mut signals: signal_hook::iterator::Signals,
        log: &mut Log,
    ) {
        for signal in signals.forever() {
            match signal {
                SIGHUP => self.reload(source, log),
                // Listeners stay open over a reload; there is nothing to reopen.
                SIGUSR1 => {
                    log.line(Level::Info, Now::read()).text("msg", "listeners are kept").end()
                }
                _ => break,
            }
            log.flush();
        }
        log.line(Level::Info, Now::read()).text("msg", "draining").end();
        log.flush();
        let until = Instant::now() + DRAIN_MAX;
        for worker in &self.workers {
            tell(&worker.sender, Message::Drain);
        }
        // What workers leave undone is abandoned with them; post actions that they queued are still
        // run.
        self.workers.into_iter().for_each(|worker| join_until(worker.thread, until, log));
        tell(&self.background.sender, Message::Drain);
        // However long the others took, it has time to save the login counters.
        join_until(self.background.thread, until.max(Instant::now() + 2 * LAST_SAVE_MAX), log);
        drop(self.process);
    }

    fn reload(&mut self, source: &Source, log: &mut Log) {
        log.line(Level::Info, Now::read()).text("msg", "received reload signal").end();
        let outcome =
            config::load(source).map_err(|problems| problems.to_string()).and_then(|loaded| {
                privileges::unchanged(&self.config, &loaded).map_err(|wrong| wrong.to_string())?;
                let mut epoch =
                    Epoch::resolve(&loaded.config, self.workers.len(), &self.process.metrics)
                        .map_err(|error| error.to_string())?;
                let mut findings = crate::worker::try_scripts(&epoch, &self.process)
                    .map_err(|error| error.to_string())?;
                let unchanged = epoch.listeners.keep_to(&self.epoch.listeners);
                findings.extend(needing_restart(unchanged, &loaded.listeners));
                epoch.monitor.know_from(&self.epoch.monitor);
                epoch.know_keys_from(&self.epoch);
                Ok((Arc::new(epoch), loaded, findings))
            });
        match outcome {
            Ok((epoch, loaded, findings)) => {
                tell_findings(loaded.warnings.iter().chain(&findings), log);
                *log = Log::new(&self.process.log, &epoch.log);
                self.process
                    .metrics
                    .show_response_times(loaded.config.server.prometheus_timer.enabled);
                self.process.metrics.reloaded(&loaded.config.server.instance_name, Now::read());
                self.process.requests.set_max(epoch.max_concurrent_requests);
                tell(&self.background.sender, Message::Reload(epoch.clone()));
                run_init(&epoch, &self.background);
                for worker in &self.workers {
                    tell(&worker.sender, Message::Reload(epoch.clone()));
                }
                self.epoch = epoch;
                self.process.results.clear();
                log.line(Level::Info, Now::read()).text("msg", "configuration reloaded").end();
            }
            Err(error) => {
                for line in error.lines() {
                    log.line(Level::Error, Now::read())
                        .text("msg", "configuration reload failed")
                        .text("error", line)
                        .end();
                }
            }
        }
    }
}

fn tell_findings<'a>(findings: impl Iterator<Item = &'a Finding>, log: &mut Log) {
    for finding in findings {
        log.line(Level::Warn, Now::read()).text("msg", finding.to_string()).end();
    }
}

/// Tries a configuration without serving: everything that [`run`] would refuse but the listeners.
/// Gives up what the server would, for good. Logs the findings that do not keep the server from
/// starting.
///
/// # Errors
/// The first stage of the start that fails, with all its problems.
pub fn check(mut source: Source, loaded: Loaded) -> Result<Vec<Finding>, StartError> {
    let (privileges, untried) = Privileges::of_check(&loaded)?;
    let loaded = match privileges.is_any() {
        true => give_up(&privileges, loaded, &mut source)?,
        false => loaded,
    };
    let config = &loaded.config;
    let (writer, watchdog) = (LogWriter::spawn(Box::new(io::sink()))?, Watchdog::spawn()?);
    let process = process(config, &writer, &watchdog)?;
    let epoch = Epoch::resolve(config, 1, &process.metrics)?;
    let findings = crate::worker::try_scripts(&epoch, &process).map_err(Fatal::from)?;
    Ok(loaded.warnings.into_iter().chain(untried).chain(findings).collect())
}

/// The stores that all workers share.
fn process(
    config: &Config,
    writer: &LogWriter,
    watchdog: &Watchdog,
) -> Result<Arc<Process>, StartError> {
    let metrics =
        Registry::new(&config.server.instance_name, env!("CARGO_PKG_VERSION"), Now::read());
    let targets = Arc::new(Targets::default());
    let collected = targets.clone();
    metrics.collect_from(move |scrape| collected.collect(scrape));
    metrics.show_response_times(config.server.prometheus_timer.enabled);
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::from)?;
    let stores: Arc<Stores> = Arc::default();
    metrics.collect_from({
        let stores = stores.clone();
        move |scrape| stores.collect(scrape)
    });
    Ok(Arc::new(Process {
        results: ResultCache::new(&secret, RESULTS_BYTES_MAX),
        memory: Arc::default(),
        throttle: Default::default(),
        rate_limit: Default::default(),
        jobs: Default::default(),
        cache: Arc::default(),
        storages: Arc::default(),
        pools: Arc::default(),
        targets,
        metrics,
        stores,
        log: writer.sink().clone(),
        watchdog: watchdog.registrar(),
        background: OnceLock::new(),
        requests: Arc::new(RequestLimit::new(config.server.max_concurrent_requests as usize)),
    }))
}

/// Has the connections to our own listeners counted, as those of a target that a script registered.
fn count_own_connections(targets: &Targets, addresses: &[Address]) {
    for address in addresses {
        let Address::Tcp(address) = address else { continue };
        let target = Target {
            text: address.to_string(),
            direction: Direction::Local,
            description: "HTTP listener".into(),
            host: address.ip().to_string(),
            port: address.port(),
            addresses: vec![address.ip()],
            count: 0,
        };
        // Init scripts may have taken all places; then they are counted and this is not.
        let _ = targets.register(target);
    }
}

/// Starts a worker on a thread of its own and waits until it is ready to serve.
fn spawn(start: Start) -> Result<Running, StartError> {
    let (ready, outcome) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name(format!("worker-{}", start.name))
        .stack_size(STACK_BYTES)
        .spawn(move || {
            if let Some(id) = start.core {
                core_affinity::set_for_current(core_affinity::CoreId { id });
            }
            match Worker::new(start) {
                Ok((worker, sender)) => {
                    let told = ready.send(Ok(sender));
                    drop(ready);
                    if told.is_ok() { worker.run() } else { Ok(()) }
                }
                Err(error) => {
                    // The main thread waits for it.
                    let _ = ready.send(Err(error));
                    Ok(())
                }
            }
        })?;
    let sender =
        outcome.recv().map_err(|_| io::Error::other("a worker ended before it began"))??;
    Ok(Running { sender, thread })
}

/// Stack of a worker's thread. Scripts nest calls from C code at most 225 deep
/// (luajit/changes/c-stack.patch) and their own coroutines 190 deep (`lua/host/base.lua`); the
/// nesting tests pass with 1 MiB in an unoptimised build. What is not used takes no memory.
const STACK_BYTES: usize = 8 << 20;

/// Has the background worker run the init scripts, and waits for their end.
fn run_init(epoch: &Epoch, background: &Running) {
    if epoch.scripts.init.is_empty() {
        return;
    }
    let (done, ended) = mpsc::channel();
    tell(&background.sender, Message::Init(done));
    // It ends with an error when the other end is dropped, which is what is awaited.
    let _ = ended.recv();
}

fn tell(sender: &Sender<Message>, message: Message) {
    let mut message = message;
    // A full mailbox is full of post actions, which the worker is busy with.
    while let Err(back) = sender.send(message) {
        message = back;
        std::thread::yield_now();
    }
}

fn join_until(thread: JoinHandle<Result<(), Fatal>>, until: Instant, log: &mut Log) {
    while !thread.is_finished() && Instant::now() < until {
        std::thread::park_timeout(JOIN_LOOK);
    }
    if !thread.is_finished() {
        log.line(Level::Warn, Now::read()).text("msg", "a worker did not stop in time").end();
        return;
    }
    match thread.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log
            .line(Level::Error, Now::read())
            .text("msg", "a worker failed")
            .text("error", error.to_string())
            .end(),
        Err(_) => log.line(Level::Error, Now::read()).text("msg", "a worker panicked").end(),
    }
}

/// Listeners for every worker: each its own TCP socket (the kernel spreads connections), and a
/// share of every unix socket.
fn listen(wanted: &Listeners, count: usize) -> Result<Bound, StartError> {
    let mut per_worker: Vec<Vec<Listening>> =
        std::iter::repeat_with(Vec::new).take(count).collect();
    let mut addresses = Vec::new();
    for listener in wanted.iter() {
        let address = match &listener.address {
            ListenAddress::Tcp(address) => Address::Tcp(*address),
            ListenAddress::Unix(path) => Address::Unix(path.clone()),
        };
        let access = Access { mode: listener.mode, group: listener.group };
        let bound = Listener::bind_all(&address, access, count);
        let bound =
            bound.map_err(|error| StartError::Listen { address: address.to_string(), error })?;
        addresses.extend(bound.first().map(|listener| listener.local_address().clone()));
        let seats = Arc::new(Seats::default());
        for (own, socket) in per_worker.iter_mut().zip(bound) {
            own.push(Listening { socket, seats: seats.clone() });
        }
    }
    Ok((per_worker, addresses))
}

/// What a reload does not change of the listeners, where it stands.
fn needing_restart(unchanged: Unchanged, places: &ListenerPlaces) -> Vec<Finding> {
    let Unchanged { added, differing, removed } = unchanged;
    let added =
        added.into_iter().map(|at| places.finding(at, "is not listened on before a restart"));
    let differing = differing
        .into_iter()
        .map(|at| places.finding(at, "keeps its mode and group until a restart"));
    let removed = removed.into_iter().map(|address| {
        let address = match address {
            ListenAddress::Tcp(address) => address.to_string(),
            ListenAddress::Unix(path) => format!("unix:{}", path.display()),
        };
        places.finding_of_list(format!("{address} is listened on until a restart, as before"))
    });
    added.chain(differing).chain(removed).collect()
}

/// As many file descriptors as the system grants us: the number. The soft limit, often 1,024, is
/// for programs that use select(2).
fn raise_files_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let granted = getrlimit(Resource::Nofile);
    let Rlimit { current, maximum } = granted;
    if current == maximum
        || setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err()
    {
        return current.unwrap_or(u64::MAX);
    }
    maximum.unwrap_or(u64::MAX)
}

/// A request has a connection, and scripts may open another one for it.
fn warn_of_few_files(files: u64, server: &Server, log: &mut Log) {
    let requests = server.epoch.max_concurrent_requests as u64;
    let needed =
        FILES_BESIDE_REQUESTS + server.workers.len() as u64 * FILES_PER_WORKER + 2 * requests;
    if files < needed {
        let text = "file descriptors may run out: raise the limit (LimitNOFILE) or lower server.max_concurrent_requests";
        log.line(Level::Warn, Now::read())
            .text("msg", text)
            .number("limit", files)
            .number("needed", needed)
            .end();
    }
}

/// Pollers, pipes, the log, the connection to Redis and what scripts keep open.
const FILES_PER_WORKER: u64 = 32;

/// Standard streams, the background worker, listeners.
const FILES_BESIDE_REQUESTS: u64 = 64;

/// No core dumps: a process that holds passwords must not leave them on the disk. And no rights by
/// programs that scripts start: set-user-ID bits and file capabilities have no effect.
fn harden() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{
            DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit,
        };
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        // Failing to forbid what is usually forbidden anyway is no reason not to serve.
        let _ = setrlimit(Resource::Core, none);
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        rustix::thread::set_no_new_privs(true)?;
    }
    Ok(())
}

/// How long requests under way may take after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// How long the last log lines may take to leave.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// How often the end of a thread is looked for.
const JOIN_LOOK: Duration = Duration::from_millis(5);

/// The in-process result cache: at about 500 bytes a login, the last hundred thousand users.
const RESULTS_BYTES_MAX: usize = 64 << 20;
