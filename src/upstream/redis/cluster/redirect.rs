//! Redirections: what a node says about where a command belongs, and about coming back later.
//! Rules: the cluster specification, "MOVED redirection", "ASK redirection", redis.io.

use super::slots::node_address;

/// What to do with a command that a node refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// The slot is served elsewhere, from now on.
    Moved { slot: u16, address: String },
    /// The slot is on its way elsewhere: this command is to be asked there, after ASKING.
    Ask { address: String },
    /// It may work in a moment: a slot on its way, a failover under way, a node that has just come
    /// up.
    Later,
    /// Nothing.
    GiveUp,
}

/// Reads the refusal of the node at `asked`.
pub(super) fn advice(text: &str, asked: &str) -> Advice {
    let mut words = text.split(' ');
    match words.next().unwrap_or_default() {
        code @ ("MOVED" | "ASK") => {
            let slot = words.next().and_then(|slot| slot.parse().ok());
            match (slot, words.next().and_then(|target| target_of(target, asked))) {
                (Some(slot), Some(address)) if code == "MOVED" => Advice::Moved { slot, address },
                (Some(_), Some(address)) => Advice::Ask { address },
                // A node that does not know where: it may learn.
                _ => Advice::Later,
            }
        }
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" => Advice::Later,
        _ => Advice::GiveUp,
    }
}

fn target_of(target: &str, asked: &str) -> Option<String> {
    let (host, port) = target.rsplit_once(':')?;
    node_address(host.trim_matches(['[', ']']).as_bytes(), port.parse().ok()?, asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_and_what_to_do() {
        let moved = |slot, address: &str| Advice::Moved { slot, address: address.into() };
        for (text, advice_wanted) in [
            ("MOVED 3999 127.0.0.1:6381", moved(3999, "127.0.0.1:6381")),
            ("MOVED 3999 ::1:6381", moved(3999, "[::1]:6381")),
            ("MOVED 3999 redis-2.example.org:6381", moved(3999, "redis-2.example.org:6381")),
            ("MOVED 3999 :6381", moved(3999, "redis.example.org:6381")),
            ("ASK 3999 127.0.0.1:6381", Advice::Ask { address: "127.0.0.1:6381".into() }),
            ("MOVED 3999 ?:6381", Advice::Later),
            ("MOVED 99999 127.0.0.1:6381", Advice::Later),
            ("MOVED 3999 127.0.0.1:0", Advice::Later),
            ("MOVED 3999", Advice::Later),
            ("MOVED", Advice::Later),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Advice::Later),
            ("CLUSTERDOWN The cluster is down", Advice::Later),
            ("OOM command not allowed", Advice::GiveUp),
            ("", Advice::GiveUp),
        ] {
            assert_eq!(advice(text, "redis.example.org:6379"), advice_wanted, "{text}");
        }
    }
}
