//! Brute force under scripted answers: the effects of failures, each rule of its own, and the
//! arithmetic against a plain model.

use super::rules::{Bucket, Histories, Rules, address};
use crate::auth::login::BlockFacts;
use crate::auth::report::Level;
use crate::auth::request::{Field, Mode};
use crate::auth::scripts::{ActionKind, StageKind};
use crate::auth::tests::{Case, FAIL, TRIGGER, alice, ending, found, line, login_with};
use crate::auth::{login::Login, scripts::BackendReturn};
use crate::metrics::LabelId;
use crate::op;
use crate::state::{
    Exception, Exemption, Failed, LoginEffects, MemoryStore, SoftWhitelist, Store, Tolerated,
    Tolerations,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn bucket(name: &str, period_s: u64, cidr: u8, limit: u64) -> Bucket {
    Bucket {
        name: name.into(),
        period: Duration::from_secs(period_s),
        cidr,
        ipv6: false,
        limit,
        ban_time: None,
        protocols: Vec::new(),
        oidc_cids: Vec::new(),
        label: LabelId::OTHER,
    }
}

fn rules(buckets: Vec<Bucket>) -> Rules {
    let histories = Histories { entries_max: 100, ttl: HOUR, ..Histories::default() };
    Rules { buckets, protocols: vec!["imap".into()], histories, ..Rules::default() }
}

/// [`alice`] and these rules; nothing is remembered in the process.
fn case(rules: Rules) -> Case {
    let mut case = Case::with_alice();
    case.policy.memory_cache_ttl = Duration::ZERO;
    case.policy.brute_force = rules;
    case
}

fn from(client_ip: &str, username: &str, password: &str) -> Login {
    login_with(username, password, |request| request.set(Field::ClientIp, client_ip.as_bytes()))
}

impl Case {
    /// Runs a login from an address: its end, `blocked` if no backend was asked.
    fn attempt(&self, client_ip: &str, username: &str, password: &str) -> String {
        self.calls();
        let end = ending(&self.run(&from(client_ip, username, password)));
        if self.calls().split(' ').any(|call| call == "b1") { end } else { "blocked".into() }
    }

    fn counts(&self, client_ip: &str) -> Vec<u64> {
        let (counters, _) =
            self.policy.brute_force.counters(address(client_ip.as_bytes()).unwrap(), b"imap", b"");
        self.drive(async |ops| self.state.client_status(ops, b"", &counters).await).counts.to_vec()
    }

    fn blocks(&self) -> Vec<String> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let blocks = self.drive(async |ops| self.state.blocks(ops).await).unwrap();
        blocks
            .into_iter()
            .map(|(network, bucket)| format!("{} {}", text(network), text(bucket)))
            .collect()
    }
}

/// Two buckets of different width and period, filled by one client and then by its neighbours.
#[test]
fn a_block_counts_and_spreads_as_its_buckets_say() {
    let case = case(rules(vec![bucket("b1m", 60, 32, 3), bucket("b1h", 3600, 24, 6)]))
        .action(ActionKind::BruteForce, |_| Ok(Some(0)));
    let action = |case: &Case| {
        let stages = case.stages();
        let (_, facts) = stages.iter().find(|(kind, _)| *kind == StageKind::Action)?;
        let told = case.told_blocks().pop()?;
        Some((told.counter, told.client_net, told.repeating, facts.brute_force_bucket.clone()))
    };
    for (password, counts) in [("bad0", [1, 1]), ("bad1", [2, 2]), ("bad2", [3, 3])] {
        assert_eq!(case.attempt("192.0.2.50", "ghost", password), FAIL);
        assert_eq!(case.counts("192.0.2.50"), counts);
    }
    assert_eq!((action(&case), case.blocks().len()), (None, 0));

    assert_eq!(case.attempt("192.0.2.50", "ghost", "bad3"), "blocked");
    assert_eq!(case.counts("192.0.2.50"), [4, 4]);
    assert_eq!(case.blocks(), ["192.0.2.50/32 b1m"]);
    assert_eq!(action(&case), Some((3, "192.0.2.50/32".into(), false, "b1m".into())));

    assert_eq!(case.attempt("192.0.2.50", "ghost", "bad4"), "blocked");
    assert_eq!(case.counts("192.0.2.50"), [5, 5]);
    assert_eq!(action(&case), Some((0, "192.0.2.50/32".into(), true, "b1m".into())));

    assert_eq!(case.attempt("192.0.2.1", "alice", "secret"), "ok");
    assert_eq!(case.counts("192.0.2.1"), [0, 5]);
    assert_eq!(case.attempt("192.0.2.9", "alice", "badbad"), FAIL);
    assert_eq!(case.counts("192.0.2.9"), [1, 6]);

    assert_eq!(case.attempt("192.0.2.9", "alice", "badbad"), "blocked");
    assert_eq!(case.counts("192.0.2.9"), [1, 7]);
    assert_eq!(case.blocks(), ["192.0.2.0/24 b1h", "192.0.2.50/32 b1m"]);
    let affected = case.drive(async |ops| case.state.affected_accounts(ops).await).unwrap();
    assert_eq!(affected, [(b"alice@example.test".to_vec(), vec![b"192.0.2.9".to_vec()])]);

    assert_eq!(case.attempt("192.0.2.77", "alice", "secret"), "blocked");
    assert_eq!(case.attempt("192.0.3.77", "alice", "secret"), "ok");
}

#[test]
fn a_blocked_login_is_a_failure_with_actions_and_post_actions() {
    let case = case(rules(vec![bucket("b", 60, 24, 1)]))
        .action(ActionKind::BruteForce, |_| Ok(Some(0)))
        .post();
    case.attempt("192.0.2.9", "ghost", "x");
    case.stages();
    let login = from("192.0.2.9", "alice", "secret");
    let outcome = case.run(&login);
    assert_eq!(ending(&outcome), FAIL);
    assert_eq!(case.calls(), "bruteforce1 post1");
    let facts: Vec<_> = case.stages().into_iter().map(|(_, facts)| facts).collect();
    assert_eq!(
        (facts[0].feature.as_str(), facts[0].brute_force_bucket.as_str()),
        ("brute_force", "b")
    );
    // The post action knows the bucket, but neither network nor counter.
    assert_eq!(
        case.told_blocks(),
        [BlockFacts { client_net: "192.0.2.0/24".into(), repeating: false, counter: 1 }]
    );
    assert_eq!(
        (facts[1].feature.as_str(), facts[1].brute_force_bucket.as_str()),
        ("brute_force", "b")
    );
    assert_eq!(
        line(&outcome.report.events[0], &login),
        format!(
            "Brute force session={} brute_force=Brute force attack detected username=alice client_ip=192.0.2.9 rule_network=192.0.2.0/24 rule=b counter=1",
            "0".repeat(27)
        )
    );
}

#[test]
fn who_is_spared_and_who_is_not_even_counted() {
    let soft_whitelist = SoftWhitelist::default();
    soft_whitelist.add(Exemption::BruteForce, b"alice", "198.51.100.0/24".parse().unwrap());
    let own = Rules {
        ip_whitelist: vec!["203.0.113.0/24".parse().unwrap()],
        soft_whitelist: Arc::new(soft_whitelist),
        ..rules(vec![bucket("b", 60, 8, 1)])
    };
    let log = |login: &Login| {
        login
            .custom_log
            .borrow()
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (client_ip, username, protocol, counted, logged) in [
        ("127.0.0.1", "ghost", "imap", 0, "localhost"),
        ("::1", "ghost", "imap", 0, "localhost"),
        ("", "ghost", "imap", 0, "localhost"),
        ("198.51.100.7", "Alice", "imap", 1, "Username is whitelisted"),
        ("203.0.113.9", "ghost", "imap", 0, "Client is whitelisted"),
        ("192.0.2.9", "ghost", "default", 0, ""),
        ("192.0.2.9", "ghost", "imap", 1, ""),
        ("127.0.0.2", "ghost", "imap", 1, ""),
    ] {
        let case = case(own.clone());
        let login = login_with(username, "wrong", |request| {
            request.set(Field::ClientIp, client_ip.as_bytes());
            request.set(Field::Protocol, protocol.as_bytes());
        });
        let outcome = case.run(&login);
        assert_eq!(ending(&outcome), FAIL, "{client_ip} {protocol}");
        if let Some(address) = address(client_ip.as_bytes()).filter(|address| address.is_ipv4()) {
            assert_eq!(case.counts(&address.to_string()), [counted], "{client_ip} {protocol}");
        }
        let expected = if logged.is_empty() {
            logged.to_owned()
        } else {
            format!("brute_force=Text({:?})", logged.as_bytes())
        };
        assert_eq!(log(&login), expected);
        let warned = outcome.report.events.iter().any(|event| event.level == Level::Warn);
        assert_eq!(warned, protocol == "default", "{protocol}");
    }
}

#[test]
fn an_address_that_is_none_passes_with_a_line() {
    let case = case(rules(vec![bucket("b", 60, 32, 1)]));
    for _ in 0..3 {
        let login = from("garbage", "ghost", "x");
        let outcome = case.run(&login);
        assert!(
            line(&outcome.report.events[0], &login)
                .ends_with("error=unable to parse IP address 'garbage'")
        );
    }
    assert_eq!(case.attempt("garbage", "alice", "secret"), "ok");
}

#[test]
fn lookups_neither_count_nor_are_blocked() {
    let case = case(rules(vec![bucket("b", 60, 32, 1)]));
    let lookup = |username: &str| {
        login_with(username, "", |request| {
            request.mode = Mode::NoAuth;
        })
    };
    for _ in 0..3 {
        case.run(&lookup("ghost"));
    }
    assert_eq!(case.counts("192.0.2.9"), [0]);
    case.attempt("192.0.2.9", "ghost", "x");
    assert_eq!(case.attempt("192.0.2.9", "alice", "secret"), "blocked");
    assert_eq!(ending(&case.run(&lookup("alice"))), "ok");
}

#[test]
fn a_backend_that_breaks_counts_nothing() {
    let case = case(rules(vec![bucket("b", 60, 32, 1)]));
    for _ in 0..3 {
        case.attempt("192.0.2.9", "broken", "x");
    }
    assert_eq!(case.counts("192.0.2.9"), [0]);
}

#[test]
fn features_count_if_they_are_learnt_from() {
    for (learning, count) in [(vec!["lua".to_owned()], 1), (vec!["rbl".to_owned()], 0)] {
        let case = case(Rules { learning, ..rules(vec![bucket("b", 60, 32, 5)]) })
            .feature(|_| Ok(Some(TRIGGER)));
        case.run(&from("192.0.2.9", "alice", "secret"));
        assert_eq!(case.counts("192.0.2.9"), [count]);
    }
}

#[test]
fn a_known_user_who_repeats_one_wrong_password_is_not_blocked() {
    let mut own = rules(vec![bucket("b", 60, 32, 2)]);
    (own.histories.exempt, own.histories.remember) = (true, true);
    let case = case(own);
    for n in 1..=6 {
        let login = from("192.0.2.9", "alice", "same");
        let outcome = case.run(&login);
        assert_eq!((ending(&outcome).as_str(), case.calls().as_str()), (FAIL, "b1"));
        // Each attempt counts once, in the histories too.
        assert_eq!((outcome.report.passwords.retries, outcome.report.passwords.total), (n, 1));
        assert_eq!(outcome.report.brute_force.is_some_and(|used| used.exempted), n > 2);
    }
    assert_eq!((case.counts("192.0.2.9"), case.blocks().len()), (vec![6], 0));
    assert_eq!(case.attempt("192.0.2.9", "alice", "another"), "blocked");
    assert_eq!(case.attempt("192.0.2.9", "alice", "same"), "blocked");
    assert_eq!(case.attempt("192.0.2.9", "alice", "secret"), "blocked");
}

#[test]
fn strangers_who_repeat_themselves_are_blocked() {
    let mut own = rules(vec![bucket("b", 60, 32, 2)]);
    (own.histories.exempt, own.histories.remember) = (true, true);
    let case = case(own);
    let ends = [0; 3].map(|_| case.attempt("192.0.2.9", "ghost", "same"));
    assert_eq!(ends, [FAIL, FAIL, "blocked"]);
}

#[test]
fn full_histories_are_left_alone() {
    let mut own = rules(vec![bucket("b", 60, 32, 1)]);
    own.histories.entries_max = 2;
    let case = case(own);
    let totals = ["p0", "p1", "p2", "p3", "p4", "p5"]
        .map(|password| case.run(&from("192.0.2.9", "ghost", password)).report.passwords.total);
    assert_eq!(totals, [0, 1, 2, 3, 3, 3]);
}

#[test]
fn an_address_with_enough_good_users_is_tolerated() {
    let tolerated = Tolerated { percent: 100, ttl: HOUR };
    let exception = Exception { network: "192.0.2.0/24".parse().unwrap(), tolerated };
    let own = Rules {
        tolerations: Arc::new(Tolerations::new(Tolerated::default(), vec![exception])),
        ..rules(vec![bucket("b", 60, 32, 2)])
    };
    let mut case = Case::new().backend("b", &["imap"], |login: &Login| {
        let right = login.request.get(Field::Password) == b"secret";
        Ok(BackendReturn { code: 0, result: Some(found("account", right)) })
    });
    (case.policy.memory_cache_ttl, case.policy.brute_force) = (Duration::ZERO, own);
    for client_ip in ["192.0.2.9", "198.51.100.9"] {
        for (username, password) in
            [("u1", "secret"), ("u2", "secret"), ("eve", "bad1"), ("eve", "bad2")]
        {
            case.attempt(client_ip, username, password);
        }
    }
    assert_eq!(case.attempt("192.0.2.9", "u3", "secret"), "ok");
    assert_eq!(case.attempt("198.51.100.9", "u3", "secret"), "blocked");
    // Good users are forgotten with time; the failures that came later are not.
    for n in 0..4 {
        case.later(1000 * SECOND);
        case.attempt("192.0.2.9", &format!("eve{n}"), "bad");
    }
    let last = [0; 3].map(|_| case.attempt("192.0.2.9", "mallory", "bad"));
    assert_eq!(last[2], "blocked");
}

#[test]
fn failures_that_outran_a_success_block_it() {
    // While the backend looks at the right password, others fail.
    let outrun = |failures: u64| {
        let own = rules(vec![bucket("b", 60, 32, 3)]);
        let (counters, _) = own.counters("192.0.2.9".parse().unwrap(), b"imap", b"");
        let memory = Arc::new(MemoryStore::default());
        let state = Store::Memory(memory.clone());
        let mut case = Case::new().backend("b", &["imap"], move |login| {
            let now = Instant::now();
            let (ops, driver) = op::slot(now, now + SECOND);
            for _ in 0..failures {
                let effects = LoginEffects {
                    failures: Some(Failed {
                        counters: &counters,
                        period_min: Duration::ZERO,
                        username: b"ada",
                    }),
                    ..LoginEffects::default()
                };
                let written = op::drive(state.apply(&ops, &effects), &driver, |op| {
                    panic!("nobody answers {op:?}")
                });
                assert_eq!(written.rest, Ok(()));
            }
            Ok(alice(login))
        });
        (case.policy.brute_force, case.state) = (own, Store::Memory(memory));
        (ending(&case.run(&from("192.0.2.9", "alice", "secret"))), case.counts("192.0.2.9"))
    };
    assert_eq!(outrun(2), ("ok".into(), vec![2]));
    assert_eq!(outrun(3), (FAIL.into(), vec![4]));
    assert_eq!(outrun(99), (FAIL.into(), vec![100]));
}

/// The rules again, as plainly as can be.
#[derive(Default)]
struct Model {
    /// Key → count, last failure.
    counters: std::collections::BTreeMap<(usize, u8), (u64, u64)>,
    /// Network size and number → end.
    blocks: std::collections::BTreeMap<(u8, u8), Option<u64>>,
}

impl Model {
    fn attempt(&mut self, buckets: &[Bucket], client: u8, right: bool, now: u64) -> &'static str {
        let network = |bucket: &Bucket| (bucket.cidr, client >> (32 - bucket.cidr));
        let count = |model: &Model, at: usize| {
            let (count, last) =
                model.counters.get(&(at, network(&buckets[at]).1)).copied().unwrap_or_default();
            if now < last + buckets[at].period.as_secs() { count } else { 0 }
        };
        let is_blocked = |bucket: &Bucket| {
            self.blocks.get(&network(bucket)).is_some_and(|end| end.is_none_or(|end| now < end))
        };
        let blocked = buckets.iter().position(is_blocked);
        let full = (0..buckets.len()).find(|at| count(self, *at) + 1 > buckets[*at].limit);
        let by = blocked.or(full);
        let period_min = by.map_or(Duration::ZERO, |at| buckets[at].period);
        if let (None, Some(at)) = (blocked, full) {
            self.blocks.insert(
                network(&buckets[at]),
                buckets[at].ban_time.map(|time| now + time.as_secs()),
            );
        }
        if by.is_none() && right {
            return "ok";
        }
        for at in (0..buckets.len()).filter(|at| buckets[*at].period >= period_min) {
            let count = count(self, at);
            self.counters.insert((at, network(&buckets[at]).1), (count + 1, now));
        }
        if by.is_some() { "blocked" } else { FAIL }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_arithmetic_is_that_of_a_plain_model(
        shapes in prop::collection::vec((1u64..50, 28u8..=32, 1u64..5, prop::option::of(1u64..60)), 1..4),
        attempts in prop::collection::vec((0u8..16, any::<bool>(), 0u64..20), 1..80),
    ) {
        let buckets: Vec<_> = shapes
            .iter()
            .enumerate()
            .map(|(at, (period, cidr, limit, ban))| Bucket {
                ban_time: ban.map(Duration::from_secs),
                ..bucket(&format!("b{at}"), *period, *cidr, *limit)
            })
            .collect();
        // Buckets of one shape share their counter.
        prop_assume!((0..buckets.len()).all(|a| (0..a).all(|b| (buckets[a].period, buckets[a].cidr, buckets[a].limit) != (buckets[b].period, buckets[b].cidr, buckets[b].limit))));
        let (case, mut model, mut now) = (case(rules(buckets.clone())), Model::default(), 0);
        for (client, right, seconds) in attempts {
            now += seconds;
            case.later(Duration::from_secs(seconds));
            let password = if right { "secret" } else { "wrong" };
            let is = case.attempt(&format!("192.0.2.{client}"), "alice", password);
            prop_assert_eq!(is, model.attempt(&buckets, client, right, now));
        }
    }
}
