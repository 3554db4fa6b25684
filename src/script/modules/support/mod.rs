//! What several modules use and what is no module of its own.

pub mod asking;
pub mod base;
pub mod bundled;
pub mod streams;
pub mod work;
