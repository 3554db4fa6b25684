//! What scripts keep beyond one request: process-wide or per worker, without Lua.
//!
//! [`super::services::Services`] hands these out; the modules of the same names in
//! [`super::modules`] are what scripts call. Nothing here names the raw API or a module.

pub mod cache;
pub mod databases;
pub mod pools;
pub mod storage;
pub mod targets;

pub use cache::ProcessCache;
pub use databases::Databases;
pub use pools::Pools;
pub use storage::Storages;
pub use targets::Targets;
