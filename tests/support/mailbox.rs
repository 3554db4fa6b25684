//! A mail server of the tests' own: it takes every mail, or refuses all, and keeps what it took.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Speaks SMTP without anything that a client must not need. Serves until the tests end.
pub struct Mailbox {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    refuses: bool,
    mails: Vec<Mail>,
}

/// A mail that came: the recipient as the client named it, and everything that DATA brought.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub text: String,
}

impl Mailbox {
    pub fn start() -> Mailbox {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Mutex<Shared>>::default();
        std::thread::spawn({
            let shared = shared.clone();
            // A client that goes away in the middle is its own affair.
            move || listener.incoming().flatten().for_each(|stream| drop(talk(stream, &shared)))
        });
        Mailbox { address, shared }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether senders are told to come back later.
    pub fn refuse(&self, refuses: bool) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).refuses = refuses;
    }

    /// What it took so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).mails.clone()
    }
}

fn talk(mut stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut mail = Mail { to: String::new(), text: String::new() };
    stream.write_all(b"220 mailbox\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let refuses = shared.lock().unwrap_or_else(PoisonError::into_inner).refuses;
        let reply = match line.split([' ', ':']).next().unwrap_or_default() {
            "MAIL" if refuses => "451 come back later",
            "RCPT" => {
                mail.to = line;
                "250 yes"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    mail.text.push_str(&line);
                    mail.text.push('\n');
                }
                shared.lock().unwrap_or_else(PoisonError::into_inner).mails.push(mail.clone());
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 yes",
        };
        stream.write_all(reply.as_bytes())?;
        stream.write_all(b"\r\n")?;
    }
    Ok(())
}
