//! What the process gives up before it serves: root's rights (`server.run_as_user`,
//! `server.run_as_group`), the file system outside of a folder (`server.chroot`) or of some paths
//! (`server.landlock`).
//!
//! The order is that of the start: the configuration is read, names of users are looked up, sockets
//! are bound; then chroot, groups, user, Landlock; then the configuration is read again, and from
//! there on everything that is read (scripts, certificates, `/etc/resolv.conf`) is read as after a
//! reload. So a reload that could not work keeps the server from starting.
//!
//! All of it happens while the process has one thread: Landlock and `no_new_privs` hold for a thread
//! and those that it starts. User and group are set by the C library, which does it for all threads.

use super::landlock;
use crate::config::section::server::Landlock;
use crate::config::{Config, Finding, Loaded, Problem, Problems};
use crate::reactor::Address;
use nix::unistd::{self, Gid, Group, Uid, User};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

/// What a configuration wants given up, found possible as far as one can tell beforehand.
#[derive(Debug)]
pub struct Privileges {
    account: Option<Account>,
    chroot: Option<PathBuf>,
    landlock: Landlock,
}

/// Whom the process becomes.
#[derive(Clone, Debug)]
struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
    /// `gid` among them.
    groups: Vec<Gid>,
}

impl Privileges {
    /// Looks up the users and groups that a configuration names.
    ///
    /// # Errors
    /// They are unknown, or this process could not become them, or would give up nothing.
    pub fn of(loaded: &Loaded) -> Result<Privileges, Problem> {
        let server = &loaded.config.server;
        let account = account(loaded)?;
        let stays_root = account.is_none() && Uid::effective().is_root();
        if server.chroot.is_some() && !Uid::effective().is_root() {
            return Err(loaded.problem(CHROOT, NEEDS_ROOT));
        }
        if server.chroot.is_some() && stays_root {
            let why = "keeps nobody in who is root: set server.run_as_user, too";
            return Err(loaded.problem(CHROOT, why));
        }
        Ok(Privileges { account, chroot: server.chroot.clone(), landlock: server.landlock.clone() })
    }

    /// As [`Privileges::of`], for `check`, which anybody may run: what only root could try is told
    /// as a finding, and the rest is done.
    ///
    /// # Errors
    /// Names that are unknown.
    pub fn of_check(loaded: &Loaded) -> Result<(Privileges, Option<Finding>), Problem> {
        let wrong = match Privileges::of(loaded) {
            Ok(privileges) => return Ok((privileges, None)),
            Err(wrong) if Uid::effective().is_root() => return Err(wrong),
            Err(wrong) => wrong,
        };
        named(loaded)?;
        let text = "is not tried: only root can check that the files can be read then";
        let keys = [CHROOT, USER, GROUP];
        let key = keys.into_iter().find(|key| *key == wrong.path).unwrap_or(USER);
        let landlock = loaded.config.server.landlock.clone();
        let privileges = Privileges { account: None, chroot: None, landlock };
        Ok((privileges, Some(loaded.finding(key, text))))
    }

    /// Whether there is anything to give up.
    pub fn is_any(&self) -> bool {
        self.account.is_some() || self.chroot.is_some() || self.landlock.is_on()
    }

    /// Gives the files of unix sockets to the user that the process becomes; a group that was
    /// chosen for them stays.
    ///
    /// # Errors
    /// Those of the system.
    pub fn own_sockets(&self, addresses: &[Address]) -> io::Result<()> {
        let Some(account) = &self.account else { return Ok(()) };
        for address in addresses {
            if let Address::Unix(path) = address {
                account.own_socket(path)?;
            }
        }
        Ok(())
    }

    /// Gives everything up. Nothing is left half done but by an error, which ends the process.
    ///
    /// # Errors
    /// A step failed or could be undone, or there is more than one thread.
    pub fn give_up(&self, loaded: &Loaded) -> Result<(), Problem> {
        let key = if self.account.is_some() { USER } else { LANDLOCK_READ };
        if threads().is_some_and(|count| count != 1) {
            return Err(loaded.problem(key, "can only be done while there is one thread"));
        }
        if let Some(folder) = &self.chroot {
            let entered = unistd::chroot(folder).and_then(|()| unistd::chdir("/"));
            entered.map_err(|error| {
                loaded
                    .problem(CHROOT, format!("cannot enter {}: {}", folder.display(), error.desc()))
            })?;
        }
        if let Some(account) = &self.account {
            account.become_it().map_err(|why| loaded.problem(USER, why))?;
        }
        landlock::restrict(&self.landlock).map_err(|(key, why)| loaded.problem(key, why))
    }

    /// Asked afterwards: a resolver without `/etc/resolv.conf` asks 127.0.0.1, where there is most
    /// likely no server.
    pub fn without_name_servers(&self, loaded: &Loaded) -> Option<Finding> {
        if loaded.config.server.dns.resolver.is_some() || std::fs::File::open(RESOLV_CONF).is_ok() {
            return None;
        }
        let key = match &self.chroot {
            Some(_) => CHROOT,
            None if self.landlock.is_on() => LANDLOCK_READ,
            None => USER,
        };
        let text = "/etc/resolv.conf cannot be read then, so names will not be found: provide it, or set server.dns.resolver";
        Some(loaded.finding(key, text))
    }

    /// Follows what a user has to know to mend files that could be read before.
    pub fn remedy(&self) -> String {
        let user = self.account.as_ref().map(|account| format!("as user {:?}", account.name));
        let folder = self.chroot.as_ref().map(|path| format!("inside of {}", path.display()));
        let landlock = self.landlock.is_on().then(|| "within server.landlock".to_owned());
        let how: Vec<_> = [user, folder, landlock].into_iter().flatten().collect();
        format!(
            "The server reads its files again {}, at start and for every reload; each must be readable then.",
            how.join(", ")
        )
    }
}

impl Account {
    fn own_socket(&self, path: &Path) -> io::Result<()> {
        // What lies at the path is looked at and given away by one descriptor: in a folder that
        // others may write to, another file may take its place.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?;
        let about = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(about.st_mode) != FileType::Socket {
            return Err(io::Error::other(format!("{} is no socket any more", path.display())));
        }
        let is_chosen = about.st_gid != Gid::effective().as_raw();
        let group = (!is_chosen).then(|| rustix::fs::Gid::from_raw(self.gid.as_raw()));
        let user = rustix::fs::Uid::from_raw(self.uid.as_raw());
        Ok(rustix::fs::chownat(&file, "", Some(user), group, AtFlags::EMPTY_PATH)?)
    }

    /// Groups first: without root's rights they could not be set any more.
    fn become_it(&self) -> Result<(), String> {
        let (uid, gid) = (self.uid, self.gid);
        unistd::setgroups(&self.groups)
            .and_then(|()| unistd::setresgid(gid, gid, gid))
            .and_then(|()| unistd::setresuid(uid, uid, uid))
            .map_err(|error| format!("cannot become {:?}: {}", self.name, error.desc()))?;
        let is_it = || -> nix::Result<bool> {
            let (uids, gids) = (unistd::getresuid()?, unistd::getresgid()?);
            let mut groups = unistd::getgroups()?;
            let mut wanted = self.groups.clone();
            groups.sort_unstable_by_key(|group| group.as_raw());
            wanted.sort_unstable_by_key(|group| group.as_raw());
            Ok([uids.real, uids.effective, uids.saved] == [uid; 3]
                && [gids.real, gids.effective, gids.saved] == [gid; 3]
                && groups == wanted)
        };
        let root = Uid::from_raw(0);
        if is_it() != Ok(true) || unistd::setresuid(root, root, root).is_ok() {
            return Err(format!("did not become {:?} for good", self.name));
        }
        Ok(())
    }
}

/// Whom the process is to become, if it is not that already.
fn account(loaded: &Loaded) -> Result<Option<Account>, Problem> {
    let (user, group) = named(loaded)?;
    let (is_root, uid, gid) = (Uid::effective().is_root(), Uid::effective(), Gid::effective());
    let user = match (user, group) {
        (None, None) => return Ok(None),
        (None, Some(group)) if !is_root && group.gid == gid => return Ok(None),
        (None, Some(_)) if is_root => {
            let why = "binds nobody who is root: set server.run_as_user, too";
            return Err(loaded.problem(GROUP, why));
        }
        (None, Some(_)) => return Err(loaded.problem(GROUP, NEEDS_ROOT)),
        (Some(user), group) => Account::new(loaded, user, group)?,
    };
    if is_root {
        return Ok(Some(user));
    }
    match user.uid == uid && user.gid == gid {
        true => Ok(None),
        false => Err(loaded.problem(USER, NEEDS_ROOT)),
    }
}

impl Account {
    fn new(loaded: &Loaded, user: User, group: Option<Group>) -> Result<Account, Problem> {
        if user.uid.is_root() {
            let why = "is root, which gives nothing up: name another user, or remove it";
            return Err(loaded.problem(USER, why));
        }
        let gid = group.map_or(user.gid, |group| group.gid);
        let unusable = |why: String| loaded.problem(USER, why);
        let name = CString::new(user.name.as_str()).map_err(|error| unusable(error.to_string()))?;
        let groups = unistd::getgrouplist(&name, gid).map_err(|error| {
            unusable(format!("the groups of {:?} cannot be found: {}", user.name, error.desc()))
        })?;
        Ok(Account { name: user.name, uid: user.uid, gid, groups })
    }
}

/// The user and the group that are named.
fn named(loaded: &Loaded) -> Result<(Option<User>, Option<Group>), Problem> {
    let server = &loaded.config.server;
    let found = |key, what: &str, name: &str, error: Option<nix::Error>| {
        let why = error.map_or("", |error| error.desc());
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        loaded.problem(
            key,
            format!("there is no {what} {name:?} on this system{why}: add it, or name another"),
        )
    };
    let user = match server.run_as_user.as_deref().filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => match User::from_name(name) {
            Ok(Some(user)) => Some(user),
            missing => return Err(found(USER, "user", name, missing.err())),
        },
    };
    let group = match server.run_as_group.as_deref().filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => match Group::from_name(name) {
            Ok(Some(group)) => Some(group),
            missing => return Err(found(GROUP, "group", name, missing.err())),
        },
    };
    Ok((user, group))
}

/// A reload cannot change what was given up at start, nor undo it.
///
/// # Errors
/// The keys that differ, with their places.
pub fn unchanged(started: &Config, loaded: &Loaded) -> Result<(), Problems> {
    let (before, now) = (&started.server, &loaded.config.server);
    let differs = [
        (USER, before.run_as_user != now.run_as_user),
        (GROUP, before.run_as_group != now.run_as_group),
        (CHROOT, before.chroot != now.chroot),
        (LANDLOCK_READ, before.landlock.read != now.landlock.read),
        (LANDLOCK_WRITE, before.landlock.write != now.landlock.write),
    ];
    let why = "differs from the start: only a restart can change it";
    let problems: Vec<_> =
        differs.into_iter().filter(|(_, d)| *d).map(|(key, _)| loaded.problem(key, why)).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

/// How many threads the process has; none: this cannot be checked without `/proc`.
fn threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

const RESOLV_CONF: &str = "/etc/resolv.conf";

const USER: &str = "server.run_as_user";
const GROUP: &str = "server.run_as_group";
const CHROOT: &str = "server.chroot";
pub(super) const LANDLOCK_READ: &str = "server.landlock.read";
pub(super) const LANDLOCK_WRITE: &str = "server.landlock.write";

const NEEDS_ROOT: &str = "needs root: start the server as root, or remove it and let the service manager do it (systemd: User=, Group=, RootDirectory=)";
