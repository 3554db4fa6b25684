//! The stores behind `storage`: one for each path that scripts open, shared by all workers, saved
//! to its file.
//!
//! Values are kept as JSON. Opening, syncing and closing touch the disk and run on helper threads;
//! everything else answers from memory. A thread of its own saves what has changed once a minute,
//! and closes stores that are not in use; it starts with the first store, and dropping [`Storages`]
//! makes it save a last time. A file is written beside its place and renamed, with mode 0600:
//! values may be secrets. Bounds: [`STORES_MAX`], and [`BYTES_MAX`] per store by our own count.

pub mod file;

use self::file::{Entries, Entry};
use crate::script::disk::{self, path_error};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All stores of the process.
#[derive(Default)]
pub struct Storages {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stores: Mutex<BTreeMap<PathBuf, Arc<Store>>>,
    saver: Mutex<Saver>,
    wake: Condvar,
}

/// How far the saving thread is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Saver {
    /// There is none (yet, or any more).
    #[default]
    None,
    Running,
    /// It is to save a last time.
    Stopping,
}

/// One store.
pub struct Store {
    path: PathBuf,
    content: Mutex<Content>,
    /// Held while the file is written: one at a time.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Content {
    entries: Entries,
    bytes: usize,
    /// Changed since the last save.
    is_dirty: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("too many storages are open")]
    TooManyStores,
    #[error("storage is full")]
    Full,
    /// The disk, or what lies on it.
    #[error("{0}")]
    File(String),
}

impl Storages {
    /// The store of this path; it is read from its file, or the file is made. Blocks.
    ///
    /// # Errors
    /// The file cannot be read or made, is none of ours, or there are too many stores.
    pub fn open(&self, path: &Path) -> Result<Arc<Store>, Error> {
        if let Some(store) = lock(&self.shared.stores).get(path) {
            return Ok(store.clone());
        }
        // Read without the lock: a disk that hangs must not keep others from their stores.
        let (store, is_new) = Store::read(path)?;
        let store = self.shared.keep(store)?;
        if is_new && let Err(error) = store.save(now()) {
            lock(&self.shared.stores).remove(path);
            return Err(error);
        }
        self.start_saver();
        Ok(store)
    }

    /// Without a thread stores are saved when scripts ask for it.
    fn start_saver(&self) {
        let mut saver = lock(&self.shared.saver);
        if *saver == Saver::None {
            let shared = self.shared.clone();
            let started = std::thread::Builder::new()
                .name("storage".into())
                .spawn(move || shared.save_for_ever());
            *saver = if started.is_ok() { Saver::Running } else { Saver::None };
        }
    }
}

impl Drop for Storages {
    fn drop(&mut self) {
        let mut saver = lock(&self.shared.saver);
        if *saver == Saver::Running {
            *saver = Saver::Stopping;
            self.shared.wake.notify_all();
            let waits = self
                .shared
                .wake
                .wait_timeout_while(saver, LAST_SAVE_MAX, |saver| *saver != Saver::None);
            drop(waits.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Shared {
    /// The store of this path, shared by all users: another thread may have been faster.
    fn keep(&self, store: Store) -> Result<Arc<Store>, Error> {
        let mut stores = lock(&self.stores);
        if stores.len() >= STORES_MAX && !stores.contains_key(&store.path) {
            return Err(Error::TooManyStores);
        }
        Ok(stores.entry(store.path.clone()).or_insert_with(|| Arc::new(store)).clone())
    }

    fn save_for_ever(&self) {
        loop {
            let saver = lock(&self.saver);
            let waits =
                self.wake.wait_timeout_while(saver, SAVE_EVERY, |saver| *saver == Saver::Running);
            let is_last = *waits.unwrap_or_else(PoisonError::into_inner).0 == Saver::Stopping;
            self.save_all();
            if is_last {
                break;
            }
        }
        *lock(&self.saver) = Saver::None;
        self.wake.notify_all();
    }

    /// What cannot be saved stays dirty, and the next script that syncs is told why.
    fn save_all(&self) {
        let stores: Vec<Arc<Store>> = lock(&self.stores).values().cloned().collect();
        for store in stores {
            if lock(&store.content).is_dirty {
                let _ = store.save(now());
            }
        }
        lock(&self.stores)
            .retain(|_, store| Arc::strong_count(store) > 1 || lock(&store.content).is_dirty);
    }
}

impl Store {
    /// What the file holds; an empty store, and true, if there is none.
    fn read(path: &Path) -> Result<(Store, bool), Error> {
        let exists =
            path.try_exists().map_err(|error| Error::File(path_error("stat", path, &error)))?;
        let mut content = Content::default();
        if exists {
            let bytes = disk::read_file(path).map_err(Error::File)?;
            content.entries = file::parse(&bytes)
                .map_err(|error| Error::File(format!("{}: {error}", path.display())))?;
            content.bytes = content.entries.iter().map(|(key, entry)| cost(key, entry)).sum();
        }
        Ok((
            Store { path: path.into(), content: Mutex::new(content), writing: Mutex::default() },
            !exists,
        ))
    }

    /// # Errors
    /// [`Error::Full`]; the old value stays then.
    pub fn set(&self, key: &[u8], entry: Entry) -> Result<(), Error> {
        let mut content = lock(&self.content);
        let before = content.entries.get(key).map_or(0, |old| cost(key, old));
        let bytes = content.bytes - before + cost(key, &entry);
        if bytes > BYTES_MAX {
            return Err(Error::Full);
        }
        content.entries.insert(key.into(), entry);
        content.bytes = bytes;
        content.is_dirty = true;
        Ok(())
    }

    /// A value that still counts.
    pub fn get(&self, key: &[u8], now: i64) -> Option<Arc<[u8]>> {
        lock(&self.content)
            .entries
            .get(key)
            .filter(|entry| entry.valid_until > now)
            .map(|entry| entry.value.clone())
    }

    /// All keys, also those of values that no longer count and are still there.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        lock(&self.content).entries.keys().cloned().collect()
    }

    /// All values that still count.
    pub fn valid(&self, now: i64) -> Vec<(Vec<u8>, Arc<[u8]>)> {
        let content = lock(&self.content);
        let valid = content.entries.iter().filter(|(_, entry)| entry.valid_until > now);
        valid.map(|(key, entry)| (key.clone(), entry.value.clone())).collect()
    }

    /// Forgets what no longer counts and writes the rest to the file. Blocks.
    ///
    /// # Errors
    /// The disk's; the store stays dirty then.
    pub fn save(&self, now: i64) -> Result<(), Error> {
        let _writing = lock(&self.writing);
        let entries = {
            let mut content = lock(&self.content);
            content.entries.retain(|_, entry| entry.valid_until > now);
            content.bytes = content.entries.iter().map(|(key, entry)| cost(key, entry)).sum();
            content.is_dirty = false;
            content.entries.clone()
        };
        self.write(&entries).inspect_err(|_| lock(&self.content).is_dirty = true)
    }

    fn write(&self, entries: &Entries) -> Result<(), Error> {
        let text = file::text(entries).map_err(|error| Error::File(error.to_string()))?;
        let mut beside = self.path.clone().into_os_string();
        beside.push(".tmp");
        let beside = PathBuf::from(beside);
        let failed =
            |operation| move |error| Error::File(path_error(operation, &self.path, &error));
        // Not waiting for a reader, should it be a pipe.
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NONBLOCK)
            .open(&beside);
        let mut file = file.map_err(|error| Error::File(path_error("open", &beside, &error)))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed("write"))?;
        std::fs::rename(&beside, &self.path).map_err(failed("rename"))
    }
}

/// The time as entries have it: Unix nanoseconds.
pub fn now() -> i64 {
    let since_1970 =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX)
}

fn cost(key: &[u8], entry: &Entry) -> usize {
    key.len() + entry.value.len() + ENTRY_BYTES
}

/// A store is nothing but its entries, each of which is changed as a whole: it can be used after a
/// panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SAVE_EVERY: Duration = Duration::from_secs(60);

/// How long the end of the process waits for a disk.
const LAST_SAVE_MAX: Duration = Duration::from_secs(5);

/// As many files as a server's scripts can have a use for.
pub const STORES_MAX: usize = 64;

/// As JSON with Base64 that is some 22 MiB, which `disk::FILE_BYTES_MAX` lets in again.
pub const BYTES_MAX: usize = 16 << 20;

/// What an entry takes beside its texts, about.
const ENTRY_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str, valid_until: i64) -> Entry {
        Entry { value: value.as_bytes().into(), valid_until }
    }

    fn value(store: &Store, key: &str, now: i64) -> Option<String> {
        store.get(key.as_bytes(), now).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    #[test]
    fn a_path_has_one_store_and_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.json");
        let storages = Storages::default();
        let store = storages.open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"data":{}}"#);
        store.set(b"k", entry("1", i64::MAX)).unwrap();
        assert_eq!(value(&storages.open(&path).unwrap(), "k", 0), Some("1".into()));
        drop((store, storages));
        let again = Storages::default().open(&path).unwrap();
        assert_eq!(value(&again, "k", 0), Some("1".into()));
    }

    #[test]
    fn what_is_over_is_not_seen_and_goes_with_the_next_save() {
        let folder = tempfile::tempdir().unwrap();
        let store = Storages::default().open(&folder.path().join("s")).unwrap();
        store.set(b"a", entry("1", 100)).unwrap();
        store.set(b"b", entry("2", 200)).unwrap();
        assert_eq!((value(&store, "a", 99), value(&store, "a", 100)), (Some("1".into()), None));
        assert_eq!(store.valid(150).len(), 1);
        assert_eq!(store.keys().len(), 2);
        store.save(150).unwrap();
        assert_eq!(store.keys(), [b"b"]);
    }

    #[test]
    fn a_full_store_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let store = Storages::default().open(&folder.path().join("s")).unwrap();
        let large = "x".repeat(BYTES_MAX / 2);
        store.set(b"a", entry(&large, i64::MAX)).unwrap();
        assert_eq!(store.set(b"b", entry(&large, i64::MAX)), Err(Error::Full));
        // Another value in place of the old one is no more than there was.
        store.set(b"a", entry(&large, i64::MAX)).unwrap();
        store.set(b"a", entry("", i64::MAX)).unwrap();
        store.set(b"b", entry(&large, i64::MAX)).unwrap();
    }

    #[test]
    fn files_that_cannot_be_used_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("broken");
        std::fs::write(&broken, "no json").unwrap();
        let storages = Storages::default();
        for path in [broken, folder.path().into(), folder.path().join("no/folder")] {
            assert!(matches!(storages.open(&path), Err(Error::File(_))), "{}", path.display());
        }
        assert_eq!(lock(&storages.shared.stores).len(), 0);
    }

    #[test]
    fn stores_that_nobody_holds_are_let_go_and_there_is_an_end_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let storages = Storages::default();
        let stores: Vec<_> = (0..STORES_MAX)
            .map(|at| storages.open(&folder.path().join(at.to_string())).unwrap())
            .collect();
        let more = folder.path().join("more");
        assert_eq!(storages.open(&more).err(), Some(Error::TooManyStores));
        drop(stores);
        storages.shared.save_all();
        assert!(storages.open(&more).is_ok());
    }
}
