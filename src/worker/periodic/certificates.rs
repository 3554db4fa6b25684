//! Certificates, keys, authorities and revocation lists of the listeners: read again when their
//! files have changed.
//!
//! On a helper thread, so that a slow disk does not block the loop. Files that cannot be used are
//! told of once, and the former ones stay in force: a renewal writes its files one after the other.

use crate::log::Level;
use crate::op::{BlockingJob, Op, Ops};
use crate::tls::{Flaw, Refreshed, ServerTls};
use crate::worker::reporting::Notices;
use std::time::Duration;

/// Looks at the files for as long as the configuration is in force.
pub(in crate::worker) async fn renew(listeners: Vec<ServerTls>, notices: Notices, ops: Ops) {
    loop {
        ops.ask(Op::Sleep(LOOK_EVERY), Duration::MAX).await;
        let of_job = listeners.clone();
        let job = Op::Blocking(BlockingJob::new(move || {
            of_job.iter().map(ServerTls::refresh).collect::<Vec<_>>()
        }));
        // A helper thread that has no time now has some later.
        let Ok(all) = ops.ask(job, LOOK_MAX).await.done::<Vec<Refreshed>>() else { continue };
        for refreshed in all {
            match refreshed {
                Refreshed::Unchanged => {}
                Refreshed::Renewed(warnings) => {
                    notices.add(Level::Info, "TLS certificates were read again", []);
                    tell(&notices, "TLS certificate", warnings);
                }
                Refreshed::Kept(flaws) => {
                    tell(&notices, "changed TLS files cannot be used, the former ones stay", flaws);
                }
            }
        }
    }
}

fn tell(notices: &Notices, message: &str, flaws: Vec<Flaw>) {
    for flaw in flaws {
        notices.add(Level::Warn, message, [("error", flaw.to_string())]);
    }
}

/// How old a certificate is in force at most after its renewal; a look costs a system call a file.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// To read all files.
const LOOK_MAX: Duration = Duration::from_secs(30);
