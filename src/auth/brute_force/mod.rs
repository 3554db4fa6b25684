//! Brute force: is this client's network blocked, has it failed too often, and what does a failure
//! leave behind.
//!
//! [`check`] judges a password login before anything else looks at it. One question to the state
//! answers for all buckets, and for the account of the login name. A client that is blocked, or
//! whose bucket is full, is turned away without asking a backend, unless it only repeats one wrong
//! password of a known user, or its address is tolerated. What the backends' word leaves behind is
//! [`super::effects`].
//!
//! Attempts that arrive together all see the same counters, so more of them than a bucket allows
//! may reach the backends. But none of them succeeds once the bucket is full: a success that
//! failures may have outrun is judged again ([`recheck`]), in the order in which the state sees
//! them. So an attacker learns no more from many guesses at once than from as many one after the
//! other. Attempts are not reserved beforehand, for that would turn away the parallel logins of
//! honest clients. (Across processes: [`Store::is_outrun`].)
//!
//! Without Redis the client is judged by what this process has seen; then there are no exemptions
//! and no tolerations. Called by the pipeline only.
//!
//! [`Store::is_outrun`]: crate::state::Store::is_outrun

pub(super) mod manual;
pub mod rules;
#[cfg(test)]
mod tests;

use crate::auth::features::is_local;
use crate::auth::login::{BlockFacts, LogValue};
use crate::auth::report::{BruteForceUse, Event, Level, PasswordsSeen, Report};
use crate::auth::request::{Field, Mode};
use crate::auth::run::Run;
use crate::auth::{accounts, scripts::Scripts};
use crate::op::boxed;
use crate::state::{
    self, ClientStatus, Counters, Evidence, Failed, LoginEffects, NewBlock, Owner, Tolerance,
    WrongPassword,
};
use rules::{Bucket, Buckets, Rules};
use std::net::IpAddr;
use std::time::Duration;

/// What the check found out about a login, for the stages after it.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// The client's counters; none: nothing of this login is counted.
    pub counters: Counters,
    buckets: Buckets,
    pub address: Option<IpAddr>,
    /// The status with which the client was let in; `None`: it was not judged, or exempt.
    status: Option<ClientStatus>,
    /// The password is in the histories already.
    pub is_noted: bool,
    /// Why it is unknown whether the login name has an account.
    pub outage: Option<state::Error>,
}

/// A login that is turned away.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub bucket: String,
    pub facts: BlockFacts,
}

/// Judges a login. Looks its account up in any case.
pub(super) async fn check<S: Scripts>(
    run: &Run<'_, S>,
    report: &mut Report,
) -> (Guard, Option<Vec<u8>>, Option<Block>) {
    let mut guard = Guard::default();
    if guard.begin(run, &mut report.events) {
        return boxed(first(run, guard, report)).await;
    }
    let known = accounts::known(run).await;
    guard.outage = known.as_ref().err().cloned();
    (guard, known.ok().flatten(), None)
}

/// The first judgement of a login, by one question to the state.
async fn first<S: Scripts>(
    run: &Run<'_, S>,
    mut guard: Guard,
    report: &mut Report,
) -> (Guard, Option<Vec<u8>>, Option<Block>) {
    let mut status = run
        .stores
        .state
        .client_status(run.ops, run.login.request.get(Field::Username), &guard.counters)
        .await;
    if let Some(error) = &status.outage {
        report.events.push(Event::new(Level::Error, OWN_COUNTERS).with("error", error.to_string()));
    }
    guard.outage = status.outage.clone();
    let account = status.account.take();
    let block = guard.judge(run, status, account.as_deref(), report).await;
    (guard, account, block)
}

/// Judges a login again whose password was right, if failures were counted since that may have
/// filled a bucket.
pub(super) async fn recheck<S: Scripts>(
    run: &Run<'_, S>,
    guard: &mut Guard,
    account: Option<&[u8]>,
    report: &mut Report,
) -> Option<Block> {
    let before = guard.status.take()?;
    let state = run.stores.state;
    if !state.is_outrun(&before, &guard.counters, run.ops.now()) {
        return None;
    }
    boxed(async move {
        let status = state.client_status(run.ops, b"", &guard.counters).await;
        guard.judge(run, status, account, report).await
    })
    .await
}

/// Counts a failure that is none of a password: of a feature that counts as one.
pub(super) async fn learn<S: Scripts>(
    run: &Run<'_, S>,
    guard: &Guard,
    feature: &str,
    events: &mut Vec<Event>,
) {
    if guard.counters.is_empty() || !run.policy.brute_force.is_learning(feature) {
        return;
    }
    let failures = Some(Failed {
        counters: &guard.counters,
        period_min: Duration::ZERO,
        username: run.login.request.get(Field::Username),
    });
    let written = run
        .stores
        .state
        .apply(run.ops, &LoginEffects { failures, ..LoginEffects::default() })
        .await;
    note_outage(written.rest, events);
}

/// Records how a login ended, for tolerations.
pub(super) async fn record<S: Scripts>(
    run: &Run<'_, S>,
    guard: &Guard,
    succeeded: bool,
    events: &mut Vec<Event>,
) {
    let rules = &run.policy.brute_force;
    let Some(address) = guard.address.filter(|_| !guard.counters.is_empty()) else { return };
    let Some(tolerated) = rules.tolerations.of(address) else { return };
    let client = rules.toleration_client(address);
    let tolerance = Tolerance { client: client.as_bytes(), within: tolerated.ttl };
    let recorded = boxed(run.stores.state.record_user(
        run.ops,
        tolerance,
        run.login.request.get(Field::Username),
        succeeded,
    ))
    .await;
    note_outage(recorded, events);
}

/// What histories say once the password is in them; and the password, to be put there, as far as
/// they have room.
pub(super) fn enter<'a>(
    rules: &Rules,
    owner: Owner<'a>,
    hash: state::PasswordHash,
    mut evidence: Evidence,
    events: &mut Vec<Event>,
) -> (WrongPassword<'a>, PasswordsSeen) {
    let has_room = |history: &state::History| history.len() <= rules.histories.entries_max;
    let (of_account, of_client) = (has_room(&evidence.account), has_room(&evidence.client));
    if of_account {
        evidence.account.add(&hash);
    } else {
        events.push(
            Event::new(Level::Warn, "Too many password hashes for this account")
                .with("account", owner.name),
        );
    }
    if of_client {
        evidence.client.add(&hash);
    }
    let of_this_account = evidence.account.len();
    let merged = evidence.account.merged(&evidence.client);
    let retries = u32::try_from(merged.count(&hash)).unwrap_or(u32::MAX);
    let seen =
        PasswordsSeen { retries, of_account: of_this_account as u64, total: merged.len() as u64 };
    (WrongPassword { owner, hash, ttl: rules.histories.ttl, of_account, of_client }, seen)
}

/// Failures that could not be written are counted in this process all the same.
pub(super) fn note_outage(written: Result<(), state::Error>, events: &mut Vec<Event>) {
    if let Err(error) = written {
        events.push(
            Event::new(Level::Error, "Brute-force state cannot be written")
                .with("error", error.to_string()),
        );
    }
}

impl Guard {
    /// Whether the login is to be judged; whether it is to be counted, its counters say. The first
    /// reason in this order is the one that the log gives.
    fn begin<S>(&mut self, run: &Run<'_, S>, events: &mut Vec<Event>) -> bool {
        let (rules, request) = (&run.policy.brute_force, &run.login.request);
        if request.mode != Mode::Auth || rules.buckets.is_empty() {
            return false;
        }
        let log = |text: &str| {
            run.login.custom_log.borrow_mut().push((FEATURE.into(), LogValue::Text(text.into())))
        };
        let client_ip = request.get(Field::ClientIp);
        if is_local(client_ip) {
            log("localhost");
            return false;
        }
        let Some(address) = rules::address(client_ip) else {
            let text =
                format!("unable to parse IP address '{}'", String::from_utf8_lossy(client_ip));
            events.push(Event::new(Level::Error, "Client is not checked").with("error", text));
            return false;
        };
        let protocol = request.get(Field::Protocol);
        let (is_whitelisted, is_protocol) =
            (rules.is_whitelisted(address), rules.is_protocol(protocol));
        if !is_whitelisted && is_protocol {
            (self.counters, self.buckets) =
                rules.counters(address, protocol, request.get(Field::OidcCid));
            self.address = Some(address);
        }
        if rules.soft_whitelist.exempts(
            state::Exemption::BruteForce,
            request.get(Field::Username),
            address,
        ) {
            log("Username is whitelisted");
            return false;
        }
        if is_whitelisted {
            log("Client is whitelisted");
        } else if !is_protocol {
            let text = format!("Not enabled for protocol '{}'", String::from_utf8_lossy(protocol));
            events.push(Event::new(Level::Warn, "Client is not checked").with(FEATURE, text));
        }
        !self.counters.is_empty()
    }

    /// Judges a client by its status.
    async fn judge<S>(
        &mut self,
        run: &Run<'_, S>,
        status: ClientStatus,
        account: Option<&[u8]>,
        report: &mut Report,
    ) -> Option<Block> {
        let full = status.blocked.or_else(|| self.counters.first_full(&status.counts));
        let Some(at) = full else {
            self.status = Some(status);
            return None;
        };
        let bucket = self.buckets.get(at).and_then(|at| run.policy.brute_force.buckets.get(*at))?;
        let counter = if status.blocked.is_some() {
            0
        } else {
            status.counts.get(at).copied().unwrap_or_default()
        };
        let block = Block {
            bucket: bucket.name.clone(),
            facts: BlockFacts {
                client_net: String::from_utf8_lossy(self.counters.network(at)).into_owned(),
                repeating: status.blocked.is_some(),
                counter,
            },
        };
        let is_outage = status.outage.is_some();
        self.enforce(run, block, (at, bucket), account, is_outage, report).await
    }

    /// Turns a client away, or lets it in; either way its password goes into the histories.
    async fn enforce<S>(
        &mut self,
        run: &Run<'_, S>,
        block: Block,
        (at, bucket): (usize, &Bucket),
        account: Option<&[u8]>,
        is_outage: bool,
        report: &mut Report,
    ) -> Option<Block> {
        let (rules, request, state) =
            (&run.policy.brute_force, &run.login.request, run.stores.state);
        let address = self.address?;
        let (client, at_tolerations) =
            (rules.history_client(address), rules.toleration_client(address));
        let owner = Owner {
            name: account.unwrap_or(request.get(Field::Username)),
            client: client.as_bytes(),
        };
        let tolerated = rules.tolerations.of(address);
        let hash = rules.histories.hash(request);
        let mut let_in = None;
        let mut password = None;
        if !is_outage {
            let within = tolerated.map(|tolerated| Tolerance {
                client: at_tolerations.as_bytes(),
                within: tolerated.ttl,
            });
            match state.evidence(run.ops, &owner, within).await {
                Ok(evidence) => {
                    let repeats = !block.facts.repeating
                        && rules.histories.exempt
                        && account.is_some()
                        && is_only(&evidence, &hash);
                    let is_tolerated = tolerated.is_some_and(|tolerated| {
                        tolerated.allows(evidence.positive, evidence.negative)
                    });
                    let_in = if repeats {
                        Some(LetIn::Repeats)
                    } else {
                        is_tolerated.then_some(LetIn::Tolerated)
                    };
                    let (wrong, seen) = enter(rules, owner, hash, evidence, &mut report.events);
                    password = Some(wrong);
                    report.passwords = seen;
                }
                // Nothing speaks for the client.
                Err(error) => note_outage(Err(error), &mut report.events),
            }
        }
        self.is_noted = password.is_some();
        report.brute_force =
            Some(BruteForceUse { bucket: bucket.label, exempted: let_in == Some(LetIn::Repeats) });
        report.events.push(line(run, &block, let_in, report.passwords.retries));
        let is_new = let_in.is_none() && !block.facts.repeating;
        let new_block = NewBlock {
            network: block.facts.client_net.as_bytes(),
            bucket: block.bucket.as_bytes(),
            time: bucket.ban_time,
            failures: block.facts.counter,
        };
        let effects = LoginEffects {
            block: is_new.then_some(new_block),
            affected: account.filter(|_| let_in.is_none()),
            password,
            failures: let_in.is_none().then_some(Failed {
                counters: &self.counters,
                period_min: self.counters.period(at),
                username: request.get(Field::Username),
            }),
            ..LoginEffects::default()
        };
        note_outage(state.apply(run.ops, &effects).await.rest, &mut report.events);
        let_in.is_none().then_some(block)
    }
}

/// Why a client is let in although its bucket is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LetIn {
    /// It only ever sent this one wrong password.
    Repeats,
    Tolerated,
}

/// Whether all that is known of a client is this one password, of this account.
fn is_only(evidence: &Evidence, hash: &state::PasswordHash) -> bool {
    evidence.account.count(hash) > 0 && evidence.account.clone().merged(&evidence.client).len() == 1
}

/// The line about a bucket that is full.
fn line<S>(run: &Run<'_, S>, block: &Block, let_in: Option<LetIn>, retries: u32) -> Event {
    let message = match let_in {
        Some(LetIn::Repeats) => "Repeating wrong password",
        Some(LetIn::Tolerated) => "IP address is tolerated",
        None if block.facts.repeating => "Brute force attack detected (cached result)",
        None => "Brute force attack detected",
    };
    let request = &run.login.request;
    Event::new(Level::Info, "Brute force")
        .with(FEATURE, message)
        .with("username", request.get(Field::Username))
        .with("client_ip", request.get(Field::ClientIp))
        .with("rule_network", block.facts.client_net.as_str())
        .with("rule", block.bucket.as_str())
        .with("counter", retries.to_string())
}

/// As scripts and logs name the feature.
pub(super) const FEATURE: &str = "brute_force";

const OWN_COUNTERS: &str =
    "Redis cannot be asked: clients are judged by what this process has counted";
