//! What asks the file system: `glob` and `eval_symlinks`. Runs on helper threads.
//!
//! Bounds: [`FOUND_MAX`] names, [`LINKS_MAX`] links. A folder that cannot be read counts as empty,
//! as in the reference.

use super::path::{clean, join, split};
use super::pattern::{self, Pattern};
use crate::script::disk::{self, path_error};
use std::collections::VecDeque;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The names that match `pattern`, sorted folder by folder.
///
/// # Errors
/// A faulty pattern, or more than [`FOUND_MAX`] names.
pub fn glob(pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    Pattern::parse(pattern).map_err(|error| error.to_string())?;
    if !pattern::is_pattern(pattern) {
        let there = disk::path(pattern).symlink_metadata().is_ok();
        return Ok(if there { vec![pattern.to_vec()] } else { Vec::new() });
    }
    let (folder, name) = split(pattern);
    let folder = match folder {
        b"" => b".",
        b"/" => folder,
        _ => folder.strip_suffix(b"/").unwrap_or(folder),
    };
    let folders = if pattern::is_pattern(folder) { glob(folder)? } else { vec![folder.to_vec()] };
    let name = Pattern::parse(name).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for folder in folders {
        list(&folder, &name, &mut found)?;
    }
    Ok(found)
}

fn list(folder: &[u8], name: &Pattern, found: &mut Vec<Vec<u8>>) -> Result<(), String> {
    let Ok(entries) = std::fs::read_dir(disk::path(folder)) else { return Ok(()) };
    let mut names: Vec<Vec<u8>> =
        entries.flatten().map(|entry| entry.file_name().into_vec()).collect();
    names.sort_unstable();
    for entry in names {
        if name.matches(&entry) == Ok(true) {
            if found.len() == FOUND_MAX {
                return Err(format!("more than {FOUND_MAX} files match"));
            }
            found.push(join(&[folder, &entry]));
        }
    }
    Ok(())
}

/// `path` with every link in it followed; relative if it was and no link led elsewhere.
///
/// # Errors
/// Something on the way is missing or cannot be asked, or there are more than [`LINKS_MAX`] links.
pub fn eval_symlinks(path: &[u8]) -> Result<Vec<u8>, String> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    // The system knows no longer ones. This also bounds the loop: each step copies the path so far.
    if path.len() > PATH_BYTES_MAX {
        return Err(path_error(
            "lstat",
            disk::path(path),
            &std::io::Error::from_raw_os_error(libc::ENAMETOOLONG),
        ));
    }
    let mut done: Vec<u8> = if path.starts_with(b"/") { b"/".to_vec() } else { Vec::new() };
    let mut left: VecDeque<Vec<u8>> = elements(path).collect();
    let mut links = 0;
    while let Some(element) = left.pop_front() {
        if element == b".." {
            done = join(&[&done[..], b".."]);
            continue;
        }
        let next = join(&[&done[..], &element]);
        let at = disk::path(&next);
        let about = at.symlink_metadata().map_err(|error| path_error("lstat", at, &error))?;
        if !about.is_symlink() {
            if !left.is_empty() && !about.is_dir() {
                return Err(path_error(
                    "lstat",
                    at,
                    &std::io::Error::from_raw_os_error(libc::ENOTDIR),
                ));
            }
            done = next;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err("EvalSymlinks: too many links".into());
        }
        let target = at.read_link().map_err(|error| path_error("readlink", at, &error))?;
        let target = target.as_os_str().as_bytes();
        if target.starts_with(b"/") {
            done = b"/".to_vec();
        }
        for element in elements(target).collect::<Vec<_>>().into_iter().rev() {
            left.push_front(element);
        }
    }
    Ok(clean(&done))
}

fn elements(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|element| !element.is_empty() && *element != b".")
        .map(<[u8]>::to_vec)
}

const FOUND_MAX: usize = 100_000;

/// `PATH_MAX` of Linux, its zero byte included.
const PATH_BYTES_MAX: usize = 4095;
const LINKS_MAX: usize = 255;
