//! An SMTP server that takes every message and keeps it: what a relay behind a real server passes
//! mail on to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct SmtpSink {
    pub port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
}

/// A message that was handed in.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The commands of its envelope, as they came: `MAIL FROM:<…>`, `RCPT TO:<…>`.
    pub envelope: Vec<String>,
    /// Line ends are `\n`, dots are unstuffed.
    pub text: String,
}

impl SmtpSink {
    pub fn start() -> SmtpSink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = SmtpSink { port: listener.local_addr().unwrap().port(), taken: Arc::default() };
        let taken = sink.taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = taken.clone();
                // A client that goes away ends its session.
                std::thread::spawn(move || drop(serve(stream, &taken)));
            }
        });
        sink
    }

    /// What it has taken so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, taken: &Mutex<Vec<Taken>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut message = Taken::default();
    stream.write_all(b"220 sink ESMTP\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let reply = match line.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "MAIL" | "RCPT" => {
                message.envelope.push(line);
                "250 ok"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    message.text += line.strip_prefix('.').unwrap_or(&line);
                    message.text.push('\n');
                }
                taken.lock().unwrap().push(std::mem::take(&mut message));
                "250 taken"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => "250 sink",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
    }
    Ok(())
}
