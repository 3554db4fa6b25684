//! The server's demands for a password, answered: SCRAM-SHA-256, MD5, clear text.
//!
//! A password goes out in clear text only over a private connection, unless the address was told to
//! live without TLS (`sslmode=disable`): then that is what the operator chose. Channel binding is
//! not offered.

use super::message::ServerError;
use crate::proto::sql::Malformed;
use crate::secret::Secret;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

/// One login under way. Feed it the messages until it is done.
pub struct Login<'a> {
    user: &'a str,
    password: &'a Secret,
    scram: Option<ScramSha256>,
    /// The server has shown that it knows the password, where the method asks for that.
    proven: bool,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Send(Vec<u8>),
    Wait,
    /// The session is open.
    Done,
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The server refuses, in its words.
    #[error("{0}")]
    Refused(ServerError),
    #[error("pq: {0}")]
    Malformed(#[from] Malformed),
    /// The server wants something else than a password in one of the three forms.
    #[error("pq: unknown authentication response: {0}")]
    Unsupported(&'static str),
    /// The exchange went wrong: above all, a server that does not know the password.
    #[error("pq: the exchange of SCRAM-SHA-256 failed")]
    Exchange,
}

impl<'a> Login<'a> {
    pub fn new(user: &'a str, password: &'a Secret) -> Login<'a> {
        Login { user, password, scram: None, proven: true }
    }

    /// Goes on with a message.
    ///
    /// # Errors
    /// The server refuses, or wants what it does not get.
    pub fn answer(&mut self, message: &Message) -> Result<Step, LoginError> {
        match message {
            Message::AuthenticationOk if self.proven => Ok(Step::Wait),
            Message::AuthenticationOk => Err(LoginError::Exchange),
            Message::AuthenticationCleartextPassword => {
                sent(|out| frontend::password_message(self.password.expose(), out))
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(self.user.as_bytes(), self.password.expose(), body.salt());
                sent(|out| frontend::password_message(hash.as_bytes(), out))
            }
            Message::AuthenticationSasl(body) => {
                let mut mechanisms = body.mechanisms();
                if !mechanisms.any(|name| Ok(name == SCRAM_SHA_256)).unwrap_or(false) {
                    return Err(LoginError::Unsupported("SASL without SCRAM-SHA-256"));
                }
                let scram = ScramSha256::new(self.password.expose(), ChannelBinding::unsupported());
                let step = sent(|out| {
                    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out)
                });
                self.scram = Some(scram);
                self.proven = false;
                step
            }
            Message::AuthenticationSaslContinue(body) => {
                let scram = self.scram.as_mut().ok_or(LoginError::Exchange)?;
                scram.update(body.data()).map_err(|_| LoginError::Exchange)?;
                sent(|out| frontend::sasl_response(scram.message(), out))
            }
            Message::AuthenticationSaslFinal(body) => {
                let scram = self.scram.as_mut().ok_or(LoginError::Exchange)?;
                scram.finish(body.data()).map_err(|_| LoginError::Exchange)?;
                self.proven = true;
                Ok(Step::Wait)
            }
            Message::ErrorResponse(body) => {
                Err(LoginError::Refused(ServerError::read(body.fields(), "")))
            }
            Message::ReadyForQuery(_) if self.proven => Ok(Step::Done),
            Message::ParameterStatus(_)
            | Message::BackendKeyData(_)
            | Message::NoticeResponse(_) => Ok(Step::Wait),
            Message::AuthenticationGss
            | Message::AuthenticationSspi
            | Message::AuthenticationKerberosV5 => Err(LoginError::Unsupported("Kerberos")),
            _ => Err(Malformed::Protocol("unknown message during the login").into()),
        }
    }
}

fn sent(compose: impl FnOnce(&mut BytesMut) -> std::io::Result<()>) -> Result<Step, LoginError> {
    let mut out = BytesMut::new();
    compose(&mut out).map_err(|_| Malformed::Protocol("the password cannot be sent"))?;
    Ok(Step::Send(out.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(tag: u8, body: &[u8]) -> Message {
        let mut bytes = BytesMut::from(&[tag][..]);
        bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        bytes.extend_from_slice(body);
        Message::parse(&mut bytes).unwrap().unwrap()
    }

    fn ok() -> Message {
        message(b'R', &[0; 4])
    }

    #[test]
    fn a_password_goes_out_as_it_is_asked_for() {
        let password = "secret".into();
        let mut login = Login::new("ada", &password);
        assert_eq!(
            login.answer(&message(b'R', &[0, 0, 0, 3])),
            Ok(Step::Send(b"p\0\0\0\x0bsecret\0".to_vec()))
        );
        let hashed = b"p\0\0\0\x28md5020da75c9b0640aabc4609320fe23b45\0".to_vec();
        assert_eq!(login.answer(&message(b'R', b"\0\0\0\x05salt")), Ok(Step::Send(hashed)));
        assert_eq!(login.answer(&ok()), Ok(Step::Wait));
        assert_eq!(login.answer(&message(b'Z', b"I")), Ok(Step::Done));
    }

    #[test]
    fn a_server_must_prove_itself_where_the_method_asks_for_that() {
        let password = "secret".into();
        let mut login = Login::new("ada", &password);
        let Ok(Step::Send(first)) =
            login.answer(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"))
        else {
            panic!("nothing to send")
        };
        assert!(
            first.windows(14).any(|part| part == b"SCRAM-SHA-256\0")
                && first.windows(8).any(|part| part == b"n,,n=,r=")
        );
        assert_eq!(login.answer(&ok()), Err(LoginError::Exchange));
        assert_eq!(
            login.answer(&message(b'R', b"\0\0\0\x0br=another,s=c2FsdA==,i=4096")),
            Err(LoginError::Exchange)
        );
        assert_eq!(login.answer(&message(b'R', b"\0\0\0\x0cv=AAAA")), Err(LoginError::Exchange));
    }

    #[test]
    fn what_we_cannot_do_is_named() {
        let password = "secret".into();
        let mut login = Login::new("ada", &password);
        assert_eq!(
            login.answer(&message(b'R', b"\0\0\0\x07")),
            Err(LoginError::Unsupported("Kerberos"))
        );
        assert!(matches!(
            login.answer(&message(b'R', b"\0\0\0\x0aOTHER\0\0")),
            Err(LoginError::Unsupported(_))
        ));
        let error = login
            .answer(&message(b'E', b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"))
            .unwrap_err();
        assert_eq!(error.to_string(), "pq: password authentication failed (28P01)");
        assert!(matches!(login.answer(&message(b'1', b"")), Err(LoginError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn nothing_a_server_sends_makes_it_panic(bodies in proptest::collection::vec((0u8..14, proptest::collection::vec(any::<u8>(), 0..40)), 1..5)) {
            let password = "secret".into();
            let mut login = Login::new("ada", &password);
            for (kind, body) in bodies {
                let body = [&[0, 0, 0, kind][..], &body].concat();
                let mut bytes = BytesMut::from(&b"R"[..]);
                bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
                bytes.extend_from_slice(&body);
                if let Ok(Some(message)) = Message::parse(&mut bytes) {
                    let _ = login.answer(&message);
                }
            }
        }
    }
}
