//! The client against canned servers: what goes out, what is made of what comes, when it tries
//! again.

use super::*;
use crate::op::{Answer, ConnectionOp};
use crate::proto::ldap::{Operation, Request, Scope, compose, compose_filter};
use crate::tls::ClientTlsSettings;
use crate::upstream::canned::Canned;

fn settings() -> Settings {
    Settings {
        servers: vec![Server::parse("ldap://192.0.2.1").unwrap()],
        tls: None,
        start_tls: false,
        bind: Bind::Anonymous,
        connections_max: 2,
        idle_max: 1,
        waiting_max: 0,
        connect_time: Duration::from_secs(5),
        bind_time: Duration::from_secs(5),
        search_time: Duration::from_secs(5),
        modify_time: Duration::from_secs(5),
        size_limit: 0,
        time_limit: 0,
        retries: 0,
        retry_pause: Duration::from_millis(1),
        retry_pause_max: Duration::from_millis(2),
    }
}

fn client(settings: Settings) -> Client {
    Ldap::new(&BTreeMap::from([("default".to_owned(), Arc::new(settings))]))
        .pool("default")
        .unwrap()
}

fn search() -> Search {
    let filter = compose_filter(b"(uid=ada)").unwrap();
    Search {
        base: "o=x".into(),
        scope: Scope::Sub,
        filter,
        attributes: Vec::new(),
        size_limit: 0,
        time_limit: 0,
    }
}

/// `tag` of a response to request `id`, ended with `code`.
fn ended(id: u8, tag: u8, code: u8) -> Vec<u8> {
    vec![0x30, 0x0c, 2, 1, id, tag, 7, 0x0a, 1, code, 4, 0, 4, 0]
}

/// An entry `o=x` with `cn: ab`.
fn entry(id: u8) -> Vec<u8> {
    [
        &[0x30, 0x18, 2, 1, id, 0x64, 0x13][..],
        b"\x04\x03o=x\x30\x0c\x30\x0a\x04\x02cn\x31\x04\x04\x02ab",
    ]
    .concat()
}

/// Runs searches one after the other; sleeps pass.
fn searches(client: &Client, server: &mut Canned, count: usize) -> Vec<Result<Vec<Entry>, Error>> {
    let now = std::time::Instant::now();
    let (ops, driver) = crate::op::slot(now, now + Duration::from_secs(60));
    let task = async {
        let mut outcomes = Vec::new();
        for _ in 0..count {
            outcomes.push(client.search(&ops, &search()).await);
        }
        outcomes
    };
    crate::op::drive(task, &driver, |op| {
        if matches!(op, Op::Sleep(_)) { Answer::Slept } else { server.answer(op) }
    })
}

fn found() -> Vec<Entry> {
    vec![Entry { dn: b"o=x".to_vec(), attributes: vec![(b"cn".to_vec(), vec![b"ab".to_vec()])] }]
}

#[test]
fn a_connection_is_opened_once_and_used_again() {
    let mut server =
        Canned::of_bytes(vec![entry(1), ended(1, 0x65, 0), [entry(2), ended(2, 0x65, 0)].concat()]);
    let outcomes = searches(&client(settings()), &mut server, 2);
    assert_eq!(outcomes, [Ok(found()), Ok(found())]);
    assert_eq!(server.transcript.matches("<open 192.0.2.1:389>").count(), 1);
}

#[test]
fn it_binds_and_encrypts_first() {
    let tls =
        ClientTls::new(&ClientTlsSettings { skip_verify: true, ..ClientTlsSettings::default() })
            .unwrap();
    let bind = || Bind::Simple("cn=me".into(), Secret::from("pw"));
    let by_start_tls =
        Settings { start_tls: true, tls: Some(tls.clone()), bind: bind(), ..settings() };
    let pieces = vec![ended(1, 0x78, 0), ended(2, 0x61, 0), ended(3, 0x65, 0)];
    let mut server = Canned::of_bytes(pieces);
    assert_eq!(searches(&client(by_start_tls), &mut server, 1), [Ok(Vec::new())]);
    let bind_bytes =
        String::from_utf8_lossy(&compose(2, &Request::Bind("cn=me", b"pw"))).into_owned();
    assert!(
        server.transcript.contains(&format!("<tls 192.0.2.1>{bind_bytes}")),
        "{:?}",
        server.transcript
    );

    let ldaps = Settings {
        servers: vec![Server::parse("ldaps://192.0.2.1").unwrap()],
        tls: Some(tls),
        bind: bind(),
        ..settings()
    };
    let mut server = Canned::of_bytes(vec![ended(1, 0x61, 0), ended(2, 0x65, 0)]);
    assert_eq!(searches(&client(ldaps), &mut server, 1), [Ok(Vec::new())]);
    assert!(
        server.transcript.starts_with("<open 192.0.2.1:636><tls 192.0.2.1>"),
        "{:?}",
        server.transcript
    );
}

#[test]
fn a_refused_bind_is_an_error_without_the_password() {
    let bound = Settings { bind: Bind::Simple("cn=me".into(), Secret::from("pw")), ..settings() };
    let outcomes = searches(&client(bound), &mut Canned::of_bytes(vec![ended(1, 0x61, 49)]), 1);
    assert_eq!(outcomes, [Err(Error::Refused { code: 49, text: String::new() })]);
    assert!(!format!("{outcomes:?}").contains("pw"));
}

#[test]
fn no_such_object_is_no_entry_and_any_other_code_an_error() {
    for (code, expected) in
        [(32, Ok(Vec::new())), (4, Err(Error::Refused { code: 4, text: String::new() }))]
    {
        assert_eq!(
            searches(&client(settings()), &mut Canned::of_bytes(vec![ended(1, 0x65, code)]), 1),
            [expected]
        );
    }
}

#[test]
fn a_broken_connection_is_tried_again_as_often_as_is_set() {
    let hopeful = || client(Settings { retries: 1, ..settings() });
    // The first connection ends at once, the second answers.
    let mut server = Canned::of_bytes(vec![Vec::new(), ended(1, 0x65, 0)]);
    assert_eq!(searches(&hopeful(), &mut server, 1), [Ok(Vec::new())]);
    let mut server = Canned::of_bytes(vec![]);
    assert!(matches!(
        searches(&hopeful(), &mut server, 1)[..],
        [Err(Error::Failure(Failure::Closed(_)))]
    ));
    assert_eq!(server.transcript.matches("<open").count(), 2);
}

#[test]
fn servers_are_tried_in_their_order() {
    let two =
        ["ldap://192.0.2.1", "ldap://192.0.2.2"].map(|uri| Server::parse(uri).unwrap()).to_vec();
    let client = client(Settings { servers: two, ..settings() });
    let mut server = Canned::of_bytes(vec![ended(1, 0x65, 0)]);
    let mut asked = Vec::new();
    let outcome = server_run(&client, |op| match &op {
        Op::Connection(ConnectionOp::Open(address))
            if address.to_string().contains("192.0.2.1:") =>
        {
            asked.push(address.to_string());
            Answer::Failed(Failure::Refused("refused".into()))
        }
        _ => server.answer(op),
    });
    assert_eq!((outcome, asked), (Ok(Vec::new()), vec!["192.0.2.1:389".to_owned()]));
}

fn server_run(client: &Client, answer: impl FnMut(Op) -> Answer) -> Result<Vec<Entry>, Error> {
    let now = std::time::Instant::now();
    let (ops, driver) = crate::op::slot(now, now + Duration::from_secs(60));
    crate::op::drive(client.search(&ops, &search()), &driver, answer)
}

#[test]
fn what_nobody_asked_for_ends_the_connection() {
    for piece in [
        ended(9, 0x65, 0),
        ended(1, 0x61, 0),
        b"HTTP/1.1 400".to_vec(),
        vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff],
    ] {
        let client = client(settings());
        assert!(
            searches(&client, &mut Canned::of_bytes(vec![piece.clone()]), 1)[0].is_err(),
            "{piece:x?}"
        );
        assert!(client.0.idle.borrow().is_empty());
    }
    // A notice of disconnection.
    let outcome = searches(&client(settings()), &mut Canned::of_bytes(vec![ended(0, 0x78, 52)]), 1);
    assert!(matches!(outcome[..], [Err(Error::Failure(Failure::Closed(_)))]), "{outcome:?}");
}

#[test]
fn a_flood_of_entries_is_cut_off() {
    let many: Vec<u8> = entry(1).repeat(ENTRIES_MAX + 1);
    let outcome = searches(&client(settings()), &mut Canned::of_bytes(vec![many]), 1);
    assert_eq!(outcome, [Err(Error::TooLarge("too many entries"))]);
}

#[test]
fn no_more_connections_than_the_pool_has() {
    let client = client(Settings { connections_max: 1, waiting_max: 1, ..settings() });
    let now = std::time::Instant::now();
    let enter = || crate::op::slot(now, now + Duration::from_secs(60));
    let (ops, driver) = enter();
    let mut busy =
        Some(crate::op::drive(client.place(&ops), &driver, |op| panic!("{op:?}")).unwrap());
    let mut server = Canned::of_bytes(vec![ended(1, 0x65, 0)]);
    let outcome = server_run(&client, |op| match op {
        Op::Notified(notify) => {
            assert!(!notify.is_notified());
            // One more does not fit into the line.
            let third = server_run(&client, |op| panic!("{op:?}"));
            assert!(matches!(third, Err(Error::Failure(Failure::Full(_)))), "{third:?}");
            // Who was first is done.
            busy = None;
            assert!(notify.is_notified());
            Answer::Notified
        }
        op => server.answer(op),
    });
    assert_eq!((outcome, client.0.semaphore.waiting()), (Ok(Vec::new()), 0));

    let (ops, driver) = enter();
    let _busy = crate::op::drive(client.place(&ops), &driver, |op| panic!("{op:?}")).unwrap();
    let late = server_run(&client, |_| Answer::Failed(Failure::TimedOut));
    assert_eq!(late, Err(Error::Failure(Failure::TimedOut)));
}

#[test]
fn a_modification_is_not_tried_again_once_it_is_sent() {
    let client = client(Settings { retries: 3, ..settings() });
    let modify = Modify {
        dn: "o=x".into(),
        operation: Operation::Add,
        attributes: vec![(b"cn".to_vec(), b"x".to_vec())],
    };
    let mut server = Canned::of_bytes(vec![]);
    let outcome = server.run(|ops| async move { client.modify(&ops, &modify).await });
    assert!(matches!(outcome, Err(Error::Failure(Failure::Unavailable(_)))), "{outcome:?}");
    assert_eq!(server.transcript.matches("<open").count(), 1);
}
