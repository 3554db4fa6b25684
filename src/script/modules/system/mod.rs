//! Modules for this machine: files, paths, child processes and facts about the system.

pub mod cmd;
pub mod filepath;
pub mod goos;
pub mod ioutil;
pub mod runtime;
pub mod shellescape;
pub mod storage;
pub mod tac;
