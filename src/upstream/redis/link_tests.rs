//! The link against a scripted server on a scripted clock.

use super::*;
use crate::proto::resp::View;
use crate::secret::Secret;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const GREETING: &[u8] = b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*1\r\n$4\r\nPING\r\n";

/// A link, its clock, and the answers so far.
struct Bench {
    link: Link,
    now: Instant,
    out: Vec<(AskId, Answer)>,
}

impl Bench {
    fn new(settings: Settings) -> Bench {
        let now = Instant::now();
        Bench { link: Link::new(settings, 7, now), now, out: Vec::new() }
    }

    /// Connected and greeted.
    fn ready() -> Bench {
        let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
        bench.connect();
        bench.say(b"%1\r\n+server\r\n+redis\r\n+PONG\r\n");
        assert!(bench.link.is_ready());
        bench
    }

    fn connect(&mut self) {
        assert!(self.link.wants_connection(self.now));
        self.link.handle_connecting(self.now);
        self.link.handle_connected(self.now);
        self.flush();
    }

    /// Everything the link has to send goes out.
    fn flush(&mut self) -> Vec<u8> {
        let bytes = self.link.transmit().to_vec();
        self.link.transmitted(bytes.len());
        bytes
    }

    /// The server says this.
    fn say(&mut self, bytes: &[u8]) {
        self.link.handle_bytes(bytes, self.now, &mut self.out);
    }

    fn close(&mut self) {
        self.link.handle_closed(None, self.now, &mut self.out);
    }

    fn refuse(&mut self) {
        let error = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        self.link.handle_closed(Some(&error), self.now, &mut self.out);
    }

    /// Asks GET with a second's time.
    fn ask(&mut self, who: u64) -> Option<Answer> {
        self.link.ask(AskId(who), self.now + SECOND, &get(who), self.now)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.link.handle_timeout(self.now, &mut self.out);
    }

    /// Lets time pass up to the next timeout of the link.
    fn pass_to_timeout(&mut self) {
        self.now = self.now.max(self.link.next_timeout().unwrap());
        self.link.handle_timeout(self.now, &mut self.out);
    }

    /// The answers since the last look, as text.
    fn answers(&mut self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.out)
            .into_iter()
            .map(|(AskId(who), answer)| (who, shown(&answer)))
            .collect()
    }
}

fn get(who: u64) -> Commands {
    Commands::one(&[b"GET", who.to_string().as_bytes()])
}

fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Reply(reply) => content(reply),
        Answer::Replies(replies) => replies.iter().map(content).collect::<Vec<_>>().join(","),
        Answer::Failed(failure) => format!("!{failure}"),
        other => panic!("no answer of Redis: {other:?}"),
    }
}

fn content(reply: &Reply) -> String {
    match reply.view() {
        View::Error(text) => format!("-{}", String::from_utf8_lossy(text)),
        View::Int(number) => number.to_string(),
        view => String::from_utf8_lossy(view.as_bytes().unwrap_or(b"(other)")).into_owned(),
    }
}

fn answered(list: &[(u64, &str)]) -> Vec<(u64, String)> {
    list.iter().map(|(who, text)| (*who, (*text).to_owned())).collect()
}

#[test]
fn replies_go_to_who_asked_in_order() {
    let mut bench = Bench::ready();
    for who in 1..=3 {
        assert!(bench.ask(who).is_none());
    }
    assert_eq!(bench.flush(), [get(1).bytes(), get(2).bytes(), get(3).bytes()].concat());
    bench.say(b"$1\r\na\r\n-ERR b\r\n:");
    assert_eq!(bench.answers(), answered(&[(1, "a"), (2, "-ERR b")]));
    bench.say(b"3\r\n");
    assert_eq!(bench.answers(), answered(&[(3, "3")]));
    assert_eq!((bench.link.waiting(), bench.link.next_timeout()), (0, None));
}

#[test]
fn several_commands_are_answered_together() {
    let mut bench = Bench::ready();
    let mut commands = get(1);
    commands.push(&[b"INCR", b"n"]);
    assert!(bench.link.ask(AskId(1), bench.now + SECOND, &commands, bench.now).is_none());
    assert!(bench.ask(2).is_none());
    bench.flush();
    bench.say(b"+a\r\n");
    assert_eq!(bench.answers(), []);
    bench.say(b":1\r\n+b\r\n");
    assert_eq!(bench.answers(), answered(&[(1, "a,1"), (2, "b")]));
}

#[test]
fn no_commands_are_answered_at_once() {
    let mut bench = Bench::ready();
    let answer = bench.link.ask(AskId(1), bench.now + SECOND, &Commands::default(), bench.now);
    assert!(matches!(answer, Some(Answer::Replies(replies)) if replies.is_empty()));
}

#[test]
fn asks_before_the_greeting_is_over_wait_for_it() {
    let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
    assert!(bench.ask(1).is_none());
    bench.link.handle_connecting(bench.now);
    assert!(bench.ask(2).is_none());
    assert_eq!(bench.link.transmit(), b"");
    bench.link.handle_connected(bench.now);
    assert!(bench.ask(3).is_none());
    assert_eq!(bench.flush(), GREETING);
    bench.say(b"%0\r\n");
    assert_eq!(bench.link.transmit(), b"");
    bench.say(b"+PONG\r\n");
    assert_eq!(bench.flush(), [get(1).bytes(), get(2).bytes(), get(3).bytes()].concat());
    bench.say(b"+a\r\n+b\r\n+c\r\n");
    assert_eq!(bench.answers(), answered(&[(1, "a"), (2, "b"), (3, "c")]));
}

#[test]
fn nobody_there_refuses_the_queue_and_then_at_once() {
    let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
    assert!(bench.ask(1).is_none());
    bench.link.handle_connecting(bench.now);
    bench.refuse();
    let text = "!dial tcp 127.0.0.1:6379: connect: connection refused";
    assert_eq!(bench.answers(), answered(&[(1, text)]));
    assert!(bench.link.is_disconnected() && !bench.link.wants_connection(bench.now));
    assert_eq!(shown(&bench.ask(2).unwrap()), text);
    bench.pass_to_timeout();
    assert!(bench.link.wants_connection(bench.now));
    assert!(bench.ask(3).is_none());
}

#[test]
fn a_server_that_returns_is_found_within_two_seconds() {
    let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
    for _ in 0..50 {
        bench.link.handle_connecting(bench.now);
        bench.refuse();
        let before = bench.now;
        bench.pass_to_timeout();
        assert!(bench.now > before && bench.now - before <= SECOND);
        assert!(bench.link.wants_connection(bench.now));
    }
    // Nor does an attempt without an answer take longer.
    bench.link.handle_connecting(bench.now);
    let before = bench.now;
    bench.pass_to_timeout();
    assert!(bench.link.is_disconnected() && bench.now - before <= SECOND);
    assert_eq!(shown(&bench.ask(1).unwrap()), "!dial tcp 127.0.0.1:6379: i/o timeout");
}

#[test]
fn what_was_in_flight_at_a_close_fails_and_is_not_sent_again() {
    let mut bench = Bench::ready();
    bench.pass(2 * SECOND);
    assert!(bench.ask(1).is_none() && bench.ask(2).is_none());
    bench.flush();
    bench.say(b"+a\r\n$5\r\nab");
    bench.close();
    assert_eq!(bench.answers(), answered(&[(1, "a"), (2, "!connection closed by 127.0.0.1:6379")]));
    // The first retry is at once, and what is asked now waits for it.
    assert!(bench.ask(3).is_none());
    bench.connect();
    bench.say(b"%0\r\n+PONG\r\n");
    assert_eq!(bench.flush(), get(3).bytes());
    bench.say(b"+c\r\n");
    assert_eq!(bench.answers(), answered(&[(3, "c")]));
}

#[test]
fn a_server_that_drops_every_connection_is_not_hammered() {
    let mut bench = Bench::ready();
    bench.close();
    assert!(!bench.link.wants_connection(bench.now));
    assert_eq!(shown(&bench.ask(1).unwrap()), "!connection closed by 127.0.0.1:6379");
}

#[test]
fn a_late_reply_is_dropped_in_order() {
    let mut bench = Bench::ready();
    assert!(bench.link.ask(AskId(1), bench.now + 10 * MILLI, &get(1), bench.now).is_none());
    assert!(bench.ask(2).is_none());
    bench.flush();
    assert_eq!(bench.link.next_timeout(), Some(bench.now + 10 * MILLI));
    bench.pass(10 * MILLI);
    assert_eq!(bench.answers(), answered(&[(1, "!i/o timeout")]));
    bench.say(b"+late\r\n+b\r\n");
    assert_eq!(bench.answers(), answered(&[(2, "b")]));
}

#[test]
fn several_late_replies_are_dropped_together() {
    let mut bench = Bench::ready();
    let mut commands = get(1);
    commands.push(&[b"GET", b"x"]);
    assert!(bench.link.ask(AskId(1), bench.now + 10 * MILLI, &commands, bench.now).is_none());
    assert!(bench.ask(2).is_none());
    bench.flush();
    bench.say(b"+a\r\n");
    bench.pass(10 * MILLI);
    bench.say(b"+late\r\n+b\r\n");
    assert_eq!(bench.answers(), answered(&[(1, "!i/o timeout"), (2, "b")]));
}

#[test]
fn what_timed_out_before_it_was_sent_is_never_sent() {
    let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
    bench.connect();
    for (who, time) in [(1, 500), (2, 10), (3, 500), (4, 10)] {
        assert!(
            bench.link.ask(AskId(who), bench.now + time * MILLI, &get(who), bench.now).is_none()
        );
    }
    bench.pass(10 * MILLI);
    assert_eq!(bench.answers(), answered(&[(2, "!i/o timeout"), (4, "!i/o timeout")]));
    assert!(bench.ask(5).is_none());
    bench.say(b"%0\r\n+PONG\r\n");
    assert_eq!(bench.flush(), [get(1).bytes(), get(3).bytes(), get(5).bytes()].concat());
    bench.say(b"+a\r\n+c\r\n+e\r\n");
    assert_eq!(bench.answers(), answered(&[(1, "a"), (3, "c"), (5, "e")]));
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let mut bench = Bench::ready();
    assert!(bench.ask(1).is_none());
    bench.pass(500 * MILLI);
    bench.flush();
    bench.pass(500 * MILLI);
    assert_eq!(bench.answers(), answered(&[(1, "!i/o timeout")]));
    bench.pass(500 * MILLI);
    assert!(bench.ask(2).is_none() && bench.link.is_ready());
    bench.pass_to_timeout();
    assert_eq!(bench.answers(), answered(&[(2, "!connection closed by 127.0.0.1:6379")]));
    assert!(bench.link.wants_connection(bench.now));
}

#[test]
fn too_many_asks_are_refused() {
    let mut bench = Bench::new(Settings { asks_max: 2, ..Settings::new("127.0.0.1:6379") });
    assert!(bench.ask(1).is_none() && bench.ask(2).is_none());
    assert!(matches!(bench.ask(3), Some(Answer::Failed(Failure::Full("redis")))));
}

#[test]
fn too_many_bytes_are_refused() {
    let mut bench = Bench::ready();
    let large = Commands::one(&[b"SET", b"k", &vec![b'x'; OUTGOING_BYTES_MAX - 50]]);
    assert!(bench.link.ask(AskId(1), bench.now + SECOND, &large, bench.now).is_none());
    assert!(matches!(bench.ask(2), Some(Answer::Failed(Failure::Full("redis")))));
    bench.flush();
    assert!(bench.ask(2).is_none());
    assert!(bench.link.outgoing.capacity() <= OUTGOING_BYTES_KEEP);
}

#[test]
fn bytes_that_leave_piecemeal_leave_in_order() {
    let mut bench = Bench::ready();
    let mut expected = Vec::new();
    let mut sent = Vec::new();
    for who in 0..200 {
        let commands = Commands::one(&[b"SET", who.to_string().as_bytes(), &[b'v'; 5000]]);
        expected.extend_from_slice(commands.bytes());
        assert!(bench.link.ask(AskId(who), bench.now + SECOND, &commands, bench.now).is_none());
        let some = bench.link.transmit().iter().take(4321).copied().collect::<Vec<u8>>();
        bench.link.transmitted(some.len());
        sent.extend(some);
    }
    sent.extend(bench.flush());
    assert!(sent == expected);
    assert_eq!(bench.link.asked, bench.link.transmitted);
}

#[test]
fn notices_are_nobodys_answer() {
    let mut bench = Bench::ready();
    bench.say(b">2\r\n+invalidate\r\n*0\r\n");
    assert!(bench.ask(1).is_none());
    bench.flush();
    bench.say(b">2\r\n+invalidate\r\n*0\r\n+a\r\n>1\r\n+x\r\n");
    assert_eq!(bench.answers(), answered(&[(1, "a")]));
}

/// Who keeps what was read has to know when it may have changed.
#[test]
fn notices_and_lost_connections_invalidate_what_was_read() {
    let mut bench = Bench::ready();
    assert!(
        bench.link.take_invalidation(),
        "whatever was read before came over another connection"
    );
    assert!(bench.ask(1).is_none());
    bench.flush();
    bench.say(b"+a\r\n");
    assert!(!bench.link.take_invalidation());
    bench.say(b">2\r\n+invalidate\r\n*0\r\n");
    assert!(bench.link.take_invalidation() && !bench.link.take_invalidation());
    bench.close();
    assert!(bench.link.take_invalidation());
}

/// Whatever a server sends that is no answer to us ends the connection, and everybody is told.
#[test]
fn a_server_out_of_step_is_dropped() {
    for (bytes, why) in [
        (b"HTTP/1.1 400 Bad Request\r\n".as_slice(), "malformed reply"),
        (b"$-7\r\n", "malformed reply"),
        (b"*999999999\r\n", "reply of more than"),
        (b"+a\r\n+b\r\n+c\r\n", "unexpected reply"),
    ] {
        let mut bench = Bench::ready();
        assert!(bench.ask(1).is_none() && bench.ask(2).is_none());
        bench.flush();
        bench.say(bytes);
        assert!(bench.link.is_disconnected());
        let answers = bench.answers();
        assert_eq!(answers.iter().map(|(who, _)| *who).collect::<Vec<_>>(), [1, 2]);
        let refused = shown(&bench.ask(3).unwrap());
        assert!(refused.starts_with("!protocol error: ") && refused.contains(why), "{refused}");
    }
}

#[test]
fn a_reply_before_its_command_is_no_reply() {
    let mut bench = Bench::ready();
    assert!(bench.ask(1).is_none());
    bench.link.transmitted(get(1).bytes().len() - 1);
    bench.say(b"+somebody else's\r\n");
    assert_eq!(bench.answers(), answered(&[(1, "!protocol error: a reply before its command")]));

    let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
    bench.link.handle_connecting(bench.now);
    bench.link.handle_connected(bench.now);
    assert!(bench.ask(1).is_none());
    bench.say(b"+OK\r\n+PONG\r\n");
    assert_eq!(bench.answers(), answered(&[(1, "!a reply before its command")]));
}

#[test]
fn a_wrong_password_is_told_and_not_tried_in_a_loop() {
    let password = Secret::from("hunter2");
    let mut bench = Bench::new(Settings { password, ..Settings::new("127.0.0.1:6379") });
    bench.link.handle_connecting(bench.now);
    bench.link.handle_connected(bench.now);
    assert!(bench.ask(1).is_none());
    assert!(String::from_utf8_lossy(&bench.flush()).contains("hunter2"));
    bench.say(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n-NOAUTH Authentication required.\r\n");
    let text = "!WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(bench.answers(), answered(&[(1, text)]));
    assert_eq!(shown(&bench.ask(2).unwrap()), text);
    assert!(!bench.link.wants_connection(bench.now));
    assert!(!format!("{:?}", bench.link).contains("hunter2"));
}

#[test]
fn a_server_that_is_loading_is_tried_again() {
    let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
    bench.connect();
    bench.say(b"%0\r\n-LOADING Redis is loading the dataset in memory\r\n");
    assert_eq!(shown(&bench.ask(1).unwrap()), "!LOADING Redis is loading the dataset in memory");
    bench.pass_to_timeout();
    bench.connect();
    bench.say(b"%0\r\n+PONG\r\n");
    assert!(bench.link.is_ready());
}

#[test]
fn too_many_clients_is_told() {
    let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
    bench.link.handle_connecting(bench.now);
    bench.link.handle_connected(bench.now);
    assert!(bench.ask(1).is_none());
    // Before the greeting could be sent.
    bench.say(b"-ERR max number of clients reached\r\n");
    bench.close();
    assert_eq!(bench.answers(), answered(&[(1, "!ERR max number of clients reached")]));
}

#[test]
fn a_connection_that_ends_in_the_greeting_refuses() {
    let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
    bench.connect();
    assert!(bench.ask(1).is_none());
    bench.close();
    assert_eq!(bench.answers(), answered(&[(1, "!connection closed by 127.0.0.1:6379")]));
    assert!(!bench.link.wants_connection(bench.now));
}

#[test]
fn an_old_server_is_spoken_to_in_resp2_without_losing_the_queue() {
    let mut bench = Bench::new(Settings::new("127.0.0.1:6379"));
    bench.connect();
    assert!(bench.ask(1).is_none());
    bench.say(b"-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n+PONG\r\n");
    assert_eq!(bench.answers(), []);
    bench.connect();
    bench.say(b"+PONG\r\n");
    assert_eq!(bench.flush(), get(1).bytes());
    bench.say(b"+a\r\n");
    assert_eq!(bench.answers(), answered(&[(1, "a")]));
}

#[test]
fn events_of_a_dropped_connection_change_nothing() {
    let mut bench = Bench::ready();
    bench.close();
    bench.say(b"+late\r\n");
    bench.close();
    bench.link.handle_connected(bench.now);
    bench.link.transmitted(10);
    assert!(
        bench.link.is_disconnected() && bench.link.transmit().is_empty() && bench.out.is_empty()
    );
}

#[derive(Clone, Debug)]
enum Step {
    /// Ask so many commands, with so many milliseconds.
    Ask(u8, u64),
    /// The kernel takes so many bytes of ours.
    Send(usize),
    /// So many bytes of the server arrive.
    Receive(usize),
    /// So many milliseconds pass.
    Pass(u64),
    Close,
    /// The connection that is wanted comes about, or not.
    Connect(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u8..4, prop_oneof![1u64..50, Just(5_000)]).prop_map(|(count, time)| Step::Ask(count, time)),
        6 => (1usize..400).prop_map(Step::Send),
        6 => (1usize..60).prop_map(Step::Receive),
        2 => (1u64..40).prop_map(Step::Pass),
        1 => (1u64..3_000).prop_map(Step::Pass),
        1 => Just(Step::Close),
        4 => any::<bool>().prop_map(Step::Connect),
    ]
}

/// Echoes the second word of each command, and greets back; its replies wait in `saying` until they
/// are carried over.
#[derive(Default)]
struct Echo {
    hearing: Decoder,
    saying: Vec<u8>,
}

impl Echo {
    fn hear(&mut self, bytes: &[u8]) {
        self.hearing.feed(bytes);
        while let Some(command) = self.hearing.poll_reply().unwrap() {
            let words: Vec<Vec<u8>> = command
                .view()
                .items()
                .unwrap()
                .map(|word| word.as_bytes().unwrap().to_vec())
                .collect();
            match words[0].as_slice() {
                b"HELLO" => self.saying.extend_from_slice(b"%0\r\n"),
                b"PING" => self.saying.extend_from_slice(b">1\r\n+notice\r\n+PONG\r\n"),
                _ => self.saying.extend_from_slice(Reply::bulk(&words[1]).frame()),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is cut where, times out, closes or refuses: every ask is answered exactly once,
    /// replies are its own, no command is sent twice, and nothing is answered later than its time.
    #[test]
    fn every_ask_is_answered_once_and_with_its_own(steps in prop::collection::vec(step(), 0..300)) {
        let mut bench = Bench::new(Settings { asks_max: 40, ..Settings::new("127.0.0.1:6379") });
        let mut server = Echo::default();
        let mut open: BTreeMap<u64, (u8, Instant)> = BTreeMap::new();
        let mut next = 0u64;
        let mut run = |step: Step, bench: &mut Bench, open: &mut BTreeMap<u64, (u8, Instant)>| {
            match step {
                Step::Ask(count, time) => {
                    next += 1;
                    let mut commands = Commands::default();
                    (0..count).for_each(|part| commands.push(&[b"ECHO", format!("{next}.{part}").as_bytes()]));
                    let until = bench.now + Duration::from_millis(time);
                    match bench.link.ask(AskId(next), until, &commands, bench.now) {
                        None => assert!(open.insert(next, (count, until)).is_none()),
                        Some(answer) => assert!(matches!(answer, Answer::Failed(Failure::Refused(_) | Failure::Full(_)))),
                    }
                }
                Step::Send(count) => {
                    let bytes: Vec<u8> = bench.link.transmit().iter().take(count).copied().collect();
                    bench.link.transmitted(bytes.len());
                    server.hear(&bytes);
                }
                Step::Receive(count) => {
                    let bytes: Vec<u8> = server.saying.drain(..count.min(server.saying.len())).collect();
                    bench.say(&bytes);
                }
                Step::Pass(time) => bench.pass(Duration::from_millis(time)),
                Step::Close => bench.close(),
                Step::Connect(succeeds) if bench.link.wants_connection(bench.now) => {
                    bench.link.handle_connecting(bench.now);
                    if succeeds { bench.link.handle_connected(bench.now) } else { bench.refuse() }
                    server = Echo::default();
                }
                Step::Connect(_) => {}
            }
            for (AskId(who), answer) in std::mem::take(&mut bench.out) {
                let (count, until) = open.remove(&who).expect("answered twice, or never asked");
                match &answer {
                    Answer::Failed(Failure::TimedOut) => assert!(bench.now >= until),
                    Answer::Failed(failure) => assert!(matches!(failure, Failure::Closed(_) | Failure::Refused(_)), "{failure}"),
                    Answer::Replies(_) => assert!(count > 1),
                    _ => assert_eq!(count, 1),
                }
                if !matches!(answer, Answer::Failed(_)) {
                    let own: Vec<String> = (0..count).map(|part| format!("{who}.{part}")).collect();
                    assert_eq!(shown(&answer), own.join(","));
                }
            }
            assert_eq!(bench.link.asked - bench.link.transmitted, (bench.link.outgoing.len() - bench.link.sent) as u64);
            assert!(bench.link.waiting() >= open.len());
        };
        for step in steps {
            run(step.clone(), &mut bench, &mut open);
            if matches!(step, Step::Pass(_)) {
                prop_assert!(open.values().all(|(_, until)| *until > bench.now), "somebody waits for longer than asked");
            }
        }
        run(Step::Close, &mut bench, &mut open);
        run(Step::Pass(10_000), &mut bench, &mut open);
        prop_assert!(open.is_empty());
        prop_assert_eq!(bench.link.waiting(), 0);
    }

    /// A server that sends anything at all: no panic, and everybody gets an answer in the end.
    #[test]
    fn garbage_is_survived(greeted in any::<bool>(), bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(b"+-:$*%>#_,(=~|\r\n0123456789-".to_vec())], 0..300))
    {
        let mut bench = if greeted { Bench::ready() } else { Bench::new(Settings::new("127.0.0.1:6379")) };
        if !greeted {
            bench.connect();
        }
        prop_assert!(bench.ask(1).is_none() && bench.ask(2).is_none());
        bench.flush();
        for part in bytes.chunks(7) {
            bench.say(part);
        }
        bench.close();
        // Disguised as a refusal of RESP3, garbage may also send the link back to connecting, the
        // queue intact.
        bench.pass(10 * SECOND);
        let mut who: Vec<u64> = bench.answers().into_iter().map(|(who, _)| who).collect();
        who.sort_unstable();
        prop_assert_eq!(who, [1, 2]);
    }
}
