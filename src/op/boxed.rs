//! Parts of a task that few tasks run.
//!
//! A future is as large as its largest part, and is copied into its box when its task is made. So
//! what most logins pass by (actions, blocklists, admin work) gets a box of its own when it is
//! reached, and its code stays out of the way of the rest.

use std::future::Future;
use std::pin::Pin;

/// Boxes a future, so that the future that awaits it stays small.
pub fn boxed<'a, T>(part: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(part)
}
