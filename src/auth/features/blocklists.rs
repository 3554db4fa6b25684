//! The feature `rbl`: the client's address must not be on blocklists of the domain name system.
//!
//! All lists of the address's family are asked at the same time; the weights of those that know the
//! client add up, good lists having negative ones. A list that does not answer is passed over if it
//! may fail, and else makes the login a temporary failure, whatever the others say: it might have
//! been the good one. Bounds: the resolver's.

use super::{Decision, Trigger, client_address, is_exempt, note};
use crate::auth::login::LogValue;
use crate::auth::policy::{Blocklist, Blocklists};
use crate::auth::report::{Event, Level, Listing};
use crate::auth::request::Field;
use crate::auth::run::Run;
use crate::auth::scripts::ActionKind;
use crate::op::{Answer, DnsAnswer, DnsOp, Failure, Op, Subtask, boxed};
use crate::proto::dns::{Kind, reversed};
use crate::state::Exemption;
use std::net::IpAddr;
use std::time::Duration;

/// Looks the client up; what the lists said is added to `listings`.
///
/// # Errors
/// A list that must not fail could not be asked.
pub(in crate::auth) async fn blocklists<S>(
    run: &Run<'_, S>,
    listings: &mut Vec<Listing>,
) -> Result<Decision, Event> {
    match &run.policy.blocklists {
        Some(policy) => boxed(look_up(run, policy, listings)).await,
        None => Ok(Decision::Pass),
    }
}

async fn look_up<S>(
    run: &Run<'_, S>,
    policy: &Blocklists,
    listings: &mut Vec<Listing>,
) -> Result<Decision, Event> {
    if is_exempt(run, RBL.feature) {
        return Ok(Decision::Pass);
    }
    // What is no address is on no list; this host's are on none either.
    let Some(address) = client_address(run).filter(|address| !address.is_loopback()) else {
        return Ok(Decision::Pass);
    };
    if policy.ip_whitelist.contains(address) {
        note(run, RBL.feature, "Client is whitelisted");
        return Ok(Decision::Pass);
    }
    if run.policy.brute_force.soft_whitelist.exempts(
        Exemption::Rbl,
        run.login.request.get(Field::Username),
        address,
    ) {
        note(run, RBL.feature, "Username is whitelisted");
        return Ok(Decision::Pass);
    }
    let lists: Vec<&Blocklist> = policy.lists.iter().filter(|list| list.is_for(address)).collect();
    let lookups = lists.iter().map(|list| Op::Run(timed(name_of(address, list)))).collect();
    let answers = match run.ops.ask(Op::All(lookups), Duration::MAX).await {
        Answer::All(answers) => answers,
        Answer::Failed(failure) => return Err(could_not_ask("all", &failure)),
        _ => Vec::new(),
    };
    let (mut score, mut listed) = (0, false);
    for (list, answer) in lists.iter().zip(answers) {
        match answer
            .done::<(Answer, Duration)>()
            .and_then(|(answer, elapsed)| Ok((is_listed(list, answer)?, elapsed)))
        {
            Ok((found, elapsed)) => {
                listings.push(Listing { list: list.label, elapsed, found });
                if found {
                    (score, listed) = (score + list.weight, true);
                    let weight = LogValue::Number(list.weight.into());
                    run.login.custom_log.borrow_mut().push((format!("rbl {}", list.name), weight));
                }
            }
            Err(failure) if list.allow_failure => {
                note(run, &format!("rbl {}", list.name), &failure.to_string())
            }
            Err(failure) => return Err(could_not_ask(&list.name, &failure)),
        }
    }
    Ok(if listed && score >= policy.threshold { Decision::Trigger(RBL) } else { Decision::Pass })
}

/// Looks a name up and takes the time.
fn timed(name: String) -> Subtask {
    Subtask::new(async move |ops| {
        let began = ops.now();
        let answer = ops.ask(Op::Dns(DnsOp { name, kind: Kind::A }), Duration::MAX).await;
        (answer, ops.now().saturating_duration_since(began))
    })
}

/// The name that a list knows an address by; complete, so that no search list is tried for those
/// that do not exist.
fn name_of(address: IpAddr, list: &Blocklist) -> String {
    format!("{}.{}.", reversed(address), list.zone)
}

fn is_listed(list: &Blocklist, answer: Answer) -> Result<bool, Failure> {
    match answer {
        Answer::Dns(DnsAnswer::Records(records)) => Ok(records
            .iter()
            .filter_map(|record| record.address())
            .any(|address| list.return_codes.iter().any(|code| *code == address))),
        Answer::Dns(DnsAnswer::NoSuchName(_) | DnsAnswer::NoData(_)) => Ok(false),
        Answer::Failed(failure) => Err(failure),
        _ => Err(Failure::Protocol("an answer of another kind".into())),
    }
}

fn could_not_ask(list: &str, failure: &Failure) -> Event {
    Event::new(Level::Error, "Blocklist could not be asked")
        .with("rbl", list)
        .with("error", failure.to_string())
}

const RBL: Trigger = Trigger { feature: "rbl", actions: ActionKind::Rbl, temporary: None };
