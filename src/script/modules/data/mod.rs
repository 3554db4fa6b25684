//! Modules that work on data alone: formats, text, numbers, time and cryptography. None of them
//! waits or keeps state.

pub mod base64;
pub mod bit;
pub mod crypto;
pub mod hex;
pub mod humanize;
pub mod json;
pub mod regexp;
pub mod stats;
pub mod strings;
pub mod template;
pub mod time;
pub mod xmlpath;
pub mod yaml;
