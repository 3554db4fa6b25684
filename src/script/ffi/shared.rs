//! What every host function of one Lua state can reach: the state's services and the run it was
//! called from.

use crate::auth::login::{BlockFacts, Login};
use crate::auth::scripts::StageKind;
use crate::op::{Answer, Op};
use crate::script::entry::{Entry, Returned};
use crate::script::services::Services;
use crate::script::watchdog::Watch;
use crate::upstream::connection::UpstreamConnection;
use mlua::ffi::lua_State;
use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::function::Finish;
use super::own::Own;

/// One per Lua state, at a fixed address for as long as the state lives: what every host function's
/// upvalue leads to.
pub struct Shared {
    pub services: Services,
    /// The main thread of the state; hooks are armed on it.
    pub(super) main: Cell<*mut lua_State>,
    /// The run whose coroutine is executing right now; null between resumes.
    current: Cell<*const Run<'static>>,
    /// Address of the metatable of request tables ([`super::Call::share_defaults`]); null until
    /// there is one.
    pub(super) defaults: Cell<*const c_void>,
    /// Names of the fields of request tables that are lists.
    pub(super) lists: Cell<&'static [&'static str]>,
    /// What stages have to themselves.
    pub own: Own,
    /// The watchdog's view of this state.
    pub watch: Arc<Watch>,
    /// Metatables of our userdata types, by type (see `userdata`).
    pub(super) types: RefCell<Vec<Registered>>,
    /// What the state's C closures point to; as long-lived as the state. Boxed: their addresses
    /// must not change.
    #[allow(clippy::vec_box, reason = "closures hold the addresses")]
    bindings: RefCell<Vec<Box<Binding>>>,
}

/// A host function in one state: the one upvalue of its C closure. Fetching an upvalue is a
/// function call, so it is one and not two.
pub(super) struct Binding {
    /// A `Function` or a `Waiting`, as the closure's entry knows; null for the shared `finish`.
    pub function: *const c_void,
    pub shared: *const Shared,
}

/// One registered type of one state.
pub(super) struct Registered {
    pub rust: TypeId,
    /// Address of the metatable: what a userdata is checked against.
    pub metatable: *const c_void,
    /// Where the registry keeps it.
    pub reference: c_int,
}

impl Shared {
    pub fn new(services: Services, watch: Arc<Watch>) -> Box<Shared> {
        Box::new(Shared {
            services,
            main: Cell::new(std::ptr::null_mut()),
            current: Cell::new(std::ptr::null()),
            defaults: Cell::new(std::ptr::null()),
            lists: Cell::new(&[]),
            own: Own::default(),
            watch,
            types: RefCell::default(),
            bindings: RefCell::default(),
        })
    }

    /// Keeps a binding for as long as the state lives.
    pub(super) fn bind(&self, function: *const c_void) -> *const Binding {
        let binding = Box::new(Binding { function, shared: self });
        let address = std::ptr::from_ref(&*binding);
        self.bindings.borrow_mut().push(binding);
        address
    }

    /// The run that is executing, if a script is.
    pub(super) fn run(&self) -> Option<&Run<'_>> {
        // SAFETY: `enter` set the pointer to a run that outlives the guard, and the guard's drop
        // takes it away again.
        unsafe { self.current.get().as_ref() }
    }

    /// Makes `run` the current one until the guard is dropped.
    pub(super) fn enter<'a>(&'a self, run: &'a Run<'a>) -> Entered<'a> {
        let outer = self.current.replace(std::ptr::from_ref(run).cast());
        Entered { shared: self, outer }
    }
}

pub(super) struct Entered<'a> {
    shared: &'a Shared,
    outer: *const Run<'static>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.shared.current.set(self.outer);
    }
}

/// One script run as host functions see it.
pub struct Run<'a> {
    pub login: &'a Login,
    /// In brute_force actions: the block they run for.
    pub block: Option<&'a BlockFacts>,
    pub stage: StageKind,
    /// Which stage table (environment, request table) of the state belongs to this run.
    pub slot: u32,
    /// Index of the script, for metrics and messages.
    pub script: u32,
    /// The function that is called, which tells how its results are read.
    pub entry: Entry,
    /// The script's environment outlives the run (`lua.config.reuse`).
    pub reuse: bool,
    /// The time as of the last resume.
    pub now: Cell<Instant>,
    /// It has computed longer than [`crate::script::watchdog::SLOW`] at a stretch.
    pub slow: Cell<bool>,
    /// What the script is waiting for, between a `start` and its yield.
    pub(super) wait: RefCell<Option<Wait>>,
    /// What the host has for the `finish` that follows.
    pub(super) answer: RefCell<Option<(Answer, Finish)>>,
    /// Connections that the script opened; they are closed when the run is dropped.
    pub connections: RefCell<Vec<Rc<Connection>>>,
    /// How many bytes it printed.
    pub printed: Cell<usize>,
    /// What the entry function returned.
    returned: RefCell<Option<Returned>>,
}

impl<'a> Run<'a> {
    pub fn new(
        login: &'a Login,
        stage: StageKind,
        slot: u32,
        script: u32,
        entry: Entry,
        reuse: bool,
        now: Instant,
    ) -> Run<'a> {
        Run {
            login,
            block: None,
            stage,
            slot,
            script,
            entry,
            reuse,
            now: Cell::new(now),
            slow: Cell::new(false),
            wait: RefCell::new(None),
            answer: RefCell::new(None),
            connections: RefCell::default(),
            printed: Cell::new(0),
            returned: RefCell::new(None),
        }
    }

    /// The owner of library changes, open files and the like that this run makes: its stage; or, if
    /// the script's environment outlives the run, the script.
    pub fn owner(&self) -> u32 {
        if self.reuse { REUSED - self.script } else { self.slot }
    }

    /// Keeps what the entry function returned, for the code that resumed it.
    pub fn put_returned(&self, returned: Returned) {
        *self.returned.borrow_mut() = Some(returned);
    }

    pub fn take_returned(&self) -> Option<Returned> {
        self.returned.borrow_mut().take()
    }

    /// The wait that the script has just yielded for.
    pub fn take_wait(&self) -> Option<Wait> {
        self.wait.borrow_mut().take()
    }

    /// Lays the answer ready for the coming resume.
    pub fn put_answer(&self, answer: Answer, finish: Finish) {
        *self.answer.borrow_mut() = Some((answer, finish));
    }
}

/// Owners that are scripts count down from here; stages count up from 1. Lua takes them for list
/// indices, which are ints.
const REUSED: u32 = i32::MAX as u32;

/// A connection of a run. The operation in progress has taken the upstream connection out; none is
/// left in a closed one.
pub struct Connection {
    pub upstream: RefCell<Option<UpstreamConnection>>,
}

impl Connection {
    pub fn new(upstream: UpstreamConnection) -> Connection {
        Connection { upstream: RefCell::new(Some(upstream)) }
    }
}

/// What a waiting host function asked for.
pub struct Wait {
    pub op: Op,
    /// At most this long; the script's and the request's own limits apply besides.
    pub limit: Duration,
    pub finish: Finish,
}
