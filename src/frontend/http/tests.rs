use super::*;
use crate::frontend::Session as AnySession;
use crate::proto::http::Limits;

const TIMEOUTS: Timeouts = Timeouts {
    head: Duration::from_secs(10),
    body: Duration::from_secs(20),
    idle: Duration::from_secs(60),
    write: Duration::from_secs(30),
};

/// A session beside a clock, with the default limits.
struct Client {
    session: AnySession,
    limits: Limits,
    began: Instant,
    now: Instant,
}

impl Client {
    fn new() -> Client {
        let now = Instant::now();
        Client {
            session: AnySession::http(now, &TIMEOUTS),
            limits: Limits::default(),
            began: now,
            now,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Step {
        self.session.receive(
            bytes,
            self.now,
            &Settings { limits: &self.limits, timeouts: &TIMEOUTS },
        )
    }

    fn answer(&mut self, text: &[u8], keep_alive: bool) {
        self.session.output().extend_from_slice(text);
        self.session.answered(keep_alive, self.now, &TIMEOUTS);
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.session.unsent()[..count].to_vec();
        self.session.sent(count, self.now, &TIMEOUTS);
        taken
    }

    fn take_all(&mut self) -> Vec<u8> {
        self.take(self.session.unsent().len())
    }

    fn deadline(&self) -> Duration {
        self.session.deadline() - self.began
    }
}

/// What a session makes of `stream` if it comes in these pieces, each request answered at once with
/// its target and body.
fn play(pieces: &[&[u8]]) -> Vec<u8> {
    let mut client = Client::new();
    let mut out = Vec::new();
    for piece in pieces {
        let mut fresh = *piece;
        loop {
            let step = client.send(fresh);
            fresh = &[];
            match step {
                Step::More => {
                    out.extend(client.take_all());
                    break;
                }
                Step::Request(received) => {
                    let Received { raw, head, body } = *received;
                    client.session.work_begins(client.now);
                    let text = [head.target.of(&raw), b" ", body.of(&raw), b"\n"].concat();
                    client.answer(&text, head.framing.keep_alive);
                    out.extend(client.take_all());
                }
                Step::Refuse(status, _) => {
                    client.answer(status.to_string().as_bytes(), false);
                    out.extend(client.take_all());
                }
            }
        }
    }
    out
}

const STREAMS: &[(&str, &str)] = &[
    ("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "/a \n"),
    ("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "/a \n/b \n"),
    (
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbodyGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        "/a body\n/b \n",
    ),
    (
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
        "/a body\n/b \n",
    ),
    (
        "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        "/a \n/b \n",
    ),
    (
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nrubbish\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        "/a \n400",
    ),
    (
        "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        "/a \n",
    ),
];

#[test]
fn however_a_stream_is_split_the_answers_are_the_same_and_in_order() {
    for (stream, answers) in STREAMS {
        let stream = stream.as_bytes();
        let expected = answers.as_bytes();
        assert_eq!(play(&[stream]), expected);
        let bytes: Vec<_> = stream.chunks(1).collect();
        assert_eq!(play(&bytes), expected);
        for at in 0..=stream.len() {
            let (first, second) = stream.split_at(at);
            assert_eq!(
                play(&[first, second]),
                expected,
                "split at {at}: {}",
                String::from_utf8_lossy(stream)
            );
        }
    }
}

#[test]
fn bytes_that_come_while_an_answer_is_worked_on_wait() {
    let mut client = Client::new();
    assert!(matches!(client.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), Step::Request(_)));
    client.session.work_begins(client.now);
    assert!(!client.session.wants_input());
    assert!(matches!(client.send(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"), Step::More));
    client.answer(b"answer", true);
    // It is still on its way out.
    assert!(!client.session.wants_input());
    assert_eq!(client.take_all(), b"answer");
    assert!(client.session.has_input());
    assert!(matches!(client.send(&[]), Step::Request(_)));
}

#[test]
fn a_client_that_sends_no_more_still_gets_its_answer() {
    let mut client = Client::new();
    assert!(matches!(client.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), Step::Request(_)));
    client.session.input_ended();
    assert!(!client.session.is_over(true));
    client.answer(b"answer", true);
    assert!(!client.session.is_over(true));
    client.take_all();
    assert!(client.session.is_over(true));
}

#[test]
fn a_slow_reader_takes_the_answer_in_pieces() {
    let mut client = Client::new();
    assert!(matches!(client.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), Step::Request(_)));
    client.answer(b"answer", true);
    assert_eq!(client.take(2), b"an");
    assert_eq!(client.session.unsent(), b"swer");
    assert!(!client.session.is_idle());
    assert_eq!(client.deadline(), TIMEOUTS.write);
    assert_eq!(client.take_all(), b"swer");
    assert!(client.session.is_idle());
    assert_eq!(client.deadline(), TIMEOUTS.idle);
}

#[test]
fn each_phase_has_its_time() {
    let mut client = Client::new();
    assert_eq!(client.deadline(), TIMEOUTS.head);
    client.now += Duration::from_secs(5);
    client.send(b"POST /a HTTP/1.1\r\n");
    assert_eq!(client.deadline(), Duration::from_secs(5) + TIMEOUTS.head);
    // Further pieces of a head give no more time.
    client.now += Duration::from_secs(1);
    client.send(b"Host: x\r\n");
    assert_eq!(client.deadline(), Duration::from_secs(5) + TIMEOUTS.head);
    client.send(b"Content-Length: 4\r\n\r\n");
    assert_eq!(client.deadline(), Duration::from_secs(6) + TIMEOUTS.body);
    assert_eq!(client.session.overdue(client.began + Duration::from_secs(25)), Overdue::No);
    assert_eq!(client.session.overdue(client.began + Duration::from_secs(26)), Overdue::Client);
    assert!(matches!(client.send(b"body"), Step::Request(_)));
    client.session.work_begins(client.now + Duration::from_secs(3));
    assert_eq!(client.session.overdue(client.now + Duration::from_secs(3)), Overdue::Work);
}

#[test]
fn a_whole_last_request_may_be_closed_at_once() {
    let mut client = Client::new();
    client.send(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client.answer(b"answer", false);
    assert!(client.session.ends_with_output(true));
    assert!(!client.session.ends_with_output(false));
    client.take_all();
    assert!(client.session.is_over(true));
}

#[test]
fn a_refused_request_is_read_on_until_its_end_or_a_bound() {
    let mut client = Client::new();
    assert!(matches!(
        client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nbegin"),
        Step::Refuse(413, _)
    ));
    client.answer(b"too large", false);
    assert!(!client.session.ends_with_output(true));
    client.take_all();
    assert_eq!(client.deadline(), TIMEOUTS.body);
    for _ in 0..DISCARD_BYTES_MAX / 65536 {
        assert!(client.session.wants_input());
        assert!(!client.session.is_over(true));
        client.send(&[b'x'; 65536]);
        assert!(!client.session.has_input());
    }
    assert!(client.session.is_over(true));

    let mut client = Client::new();
    client.send(b"rubbish\r\n\r\n");
    client.answer(b"malformed", false);
    client.take_all();
    assert!(!client.session.is_over(true));
    client.session.input_ended();
    assert!(client.session.is_over(true));
}

#[test]
fn what_is_kept_of_an_unfinished_request_is_known_and_given_back() {
    let mut client = Client::new();
    assert_eq!(client.session.buffered(), 0);
    client.send(&[b"GET /a HTTP/1.1\r\nA: ".as_slice(), &[b'x'; 10_000]].concat());
    assert!((10_000..20_000).contains(&client.session.buffered()));
    client.answer(b"too much", false);
    client.take_all();
    assert_eq!(client.session.buffered(), 0);

    let mut client = Client::new();
    client.send(
        &[
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n".as_slice(),
            &[b'x'; 40_000],
        ]
        .concat(),
    );
    assert!((40_000..90_000).contains(&client.session.buffered()));
    assert!(matches!(client.send(&[b'x'; 10_000]), Step::Request(_)));
    assert_eq!(client.session.buffered(), 0);
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let mut client = Client::new();
    client
        .send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.take_all(), CONTINUE);
    assert!(matches!(client.send(b"body"), Step::Request(_)));
}
