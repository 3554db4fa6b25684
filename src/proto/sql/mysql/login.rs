//! Logging in: the server's greeting, our response, and the exchange of the authentication plugin.
//!
//! The order of calls: [`greeting`], over TLS [`ssl_request`] and the handshake, [`Login::begin`],
//! and [`Login::answer`] for each packet until it is done. A plugin that shows the password to the
//! server, or to an impostor, is used only if the address allows it, or where the connection is
//! private. Passwords go out in what is returned, and nowhere else.

use super::packet::{NEEDED, ServerError, error};
use super::public_key;
use crate::proto::sql::Malformed;
use crate::secret::Secret;
use mysql_common::auth::plugins::{
    AuthProc, ChallengeResponsePlugin, Context, Error as PluginError, Response,
};
use mysql_common::constants::CapabilityFlags;
use mysql_common::packets::{AuthPlugin, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;

/// What a server says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    capabilities: CapabilityFlags,
    nonce: Nonce,
    plugin: Vec<u8>,
}

type Nonce = [u8; 20];

/// Who logs in, and how that may be shown.
#[derive(Clone, Debug)]
pub struct Account {
    pub user: String,
    pub password: Secret,
    /// Empty: none.
    pub database: String,
    pub allow_clear_text: bool,
    pub allow_native: bool,
    pub allow_old: bool,
}

/// Who can listen on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// Anybody on the way.
    None,
    Tls,
    /// Nobody: it does not leave the machine.
    Unix,
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The server refuses, in its words.
    #[error("{0}")]
    Refused(ServerError),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// What the server wants is not allowed, or not known here.
    #[error("this authentication plugin is not supported: {0}")]
    Unsupported(String),
    /// The plugin's exchange went wrong.
    #[error("authentication failed: {0}")]
    Exchange(String),
}

/// What to do next.
#[derive(PartialEq, Eq)]
pub enum Step {
    /// Send this payload, then wait for an answer.
    Send(Vec<u8>),
    /// Wait for an answer.
    Wait,
    /// The session is open.
    Done,
}

/// One login under way.
pub struct Login {
    account: Account,
    privacy: Privacy,
    nonce: Nonce,
    plugin: AuthProc,
}

/// Reads the server's greeting.
///
/// # Errors
/// It refuses, is too old, or speaks something else.
pub fn greeting(payload: &[u8]) -> Result<Greeting, LoginError> {
    if payload.first() == Some(&0xFF) {
        return Err(LoginError::Refused(error(payload)?));
    }
    let greeting = read_greeting(payload)
        .ok_or(Malformed::Protocol("the server's greeting is not understood"))?;
    if greeting.capabilities.contains(NEEDED) {
        Ok(greeting)
    } else {
        Err(Malformed::Protocol("the server is too old").into())
    }
}

/// What is sent before the TLS handshake.
pub fn ssl_request(greeting: &Greeting, wanted: CapabilityFlags) -> Vec<u8> {
    let mut payload = Vec::new();
    SslRequest::new(
        greeting.common(wanted) | CapabilityFlags::CLIENT_SSL,
        PACKET_BYTES_MAX,
        UTF8MB4_GENERAL_CI,
    )
    .serialize(&mut payload);
    payload
}

impl Greeting {
    pub fn offers_tls(&self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_SSL)
    }

    /// What both sides can.
    fn common(&self, wanted: CapabilityFlags) -> CapabilityFlags {
        self.capabilities & (wanted | WANTED) & !CapabilityFlags::CLIENT_SSL
    }
}

impl Login {
    /// Our response to the greeting.
    ///
    /// # Errors
    /// [`LoginError::Exchange`].
    pub fn begin(
        greeting: &Greeting,
        account: Account,
        privacy: Privacy,
        wanted: CapabilityFlags,
    ) -> Result<(Login, Vec<u8>), LoginError> {
        let mut capabilities = greeting.common(wanted);
        if privacy == Privacy::Tls {
            capabilities |= CapabilityFlags::CLIENT_SSL;
        }
        // A plugin that we will not use is answered by the oldest one, which makes the server ask
        // for another or refuse.
        let offered = AuthPlugin::from_bytes(&greeting.plugin);
        let name =
            if is_allowed(&offered, &account) { offered } else { AuthPlugin::MysqlNativePassword };
        let plugin = name.init().map_err(|error| LoginError::Unsupported(error.to_string()))?;
        let mut login = Login { account, privacy, nonce: greeting.nonce, plugin };
        let first = login.run(&greeting.nonce)?.unwrap_or_default();
        let database = Some(login.account.database.as_bytes()).filter(|name| !name.is_empty());
        let name = capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH).then_some(name);
        let user = Some(login.account.user.as_bytes());
        let response = HandshakeResponse::new(
            Some(first),
            SINCE_UTF8MB4,
            user,
            database,
            name,
            capabilities,
            None,
            PACKET_BYTES_MAX,
        );
        let mut payload = Vec::new();
        response.serialize(&mut payload);
        Ok((login, payload))
    }

    /// Goes on with a packet of the server.
    ///
    /// # Errors
    /// The server refuses, or wants what it does not get.
    pub fn answer(&mut self, payload: &[u8]) -> Result<Step, LoginError> {
        match payload.split_first() {
            Some((0x00, _)) => Ok(Step::Done),
            Some((0xFF, _)) => Err(LoginError::Refused(error(payload)?)),
            Some((0xFE, rest)) => self.switch(rest),
            Some((0x01, data)) => Ok(self.more(data)?.map_or(Step::Wait, Step::Send)),
            _ => Err(Malformed::Protocol("unknown packet during the login").into()),
        }
    }

    /// The server wants another plugin.
    fn switch(&mut self, rest: &[u8]) -> Result<Step, LoginError> {
        // One that names none means the plugin of before 4.1.
        let (name, data) = match rest.iter().position(|byte| *byte == 0) {
            Some(at) => {
                (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default())
            }
            None if rest.is_empty() => {
                (AuthPlugin::MysqlOldPassword.as_bytes(), self.nonce.as_slice())
            }
            None => {
                return Err(
                    Malformed::Protocol("truncated change of the authentication plugin").into()
                );
            }
        };
        let plugin = AuthPlugin::from_bytes(name);
        if !is_allowed(&plugin, &self.account) {
            return Err(LoginError::Unsupported(String::from_utf8_lossy(name).into_owned()));
        }
        // The nonce ends with a zero that does not belong to it.
        let data = if data.len() == size_of::<Nonce>() + 1 {
            data.split_last().map_or(data, |(_, data)| data)
        } else {
            data
        };
        let data = data.to_vec();
        if let Ok(nonce) = data.as_slice().try_into() {
            self.nonce = nonce;
        }
        self.plugin = plugin.init().map_err(|error| LoginError::Unsupported(error.to_string()))?;
        Ok(Step::Send(self.run(&data)?.unwrap_or_default()))
    }

    fn more(&mut self, data: &[u8]) -> Result<Option<Vec<u8>>, LoginError> {
        // What is longer than a status is the server's key.
        if data.len() > 1 { self.run(&public_key::checked(data)?) } else { self.run(data) }
    }

    fn run(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, LoginError> {
        let context = Exchange {
            password: self.account.password.expose(),
            privacy: self.privacy,
            nonce: &self.nonce,
        };
        match self.plugin.run(context, challenge) {
            Ok(Response::Next { packet } | Response::Last { packet }) => Ok(packet),
            Err(PluginError::FeatureRequired(name)) => {
                Err(LoginError::Unsupported(name.to_owned()))
            }
            Err(error) => Err(LoginError::Exchange(error.to_string())),
        }
    }
}

/// What a plugin may know.
struct Exchange<'a> {
    password: &'a [u8],
    privacy: Privacy,
    nonce: &'a Nonce,
}

impl Context for Exchange<'_> {
    fn pass(&self) -> &[u8] {
        self.password
    }

    fn is_ipc_transport(&self) -> bool {
        self.privacy == Privacy::Unix
    }

    fn is_tls_transport(&self) -> bool {
        self.privacy == Privacy::Tls
    }

    fn scramble(&self) -> &[u8] {
        self.nonce
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}

fn is_allowed(plugin: &AuthPlugin<'_>, account: &Account) -> bool {
    match plugin {
        AuthPlugin::CachingSha2Password | AuthPlugin::Sha256Password => true,
        AuthPlugin::MysqlNativePassword => account.allow_native,
        AuthPlugin::MysqlClearPassword => account.allow_clear_text,
        AuthPlugin::MysqlOldPassword => account.allow_old,
        _ => false,
    }
}

/// Version 10 of the greeting.
fn read_greeting(payload: &[u8]) -> Option<Greeting> {
    let (10, rest) = payload.split_first()? else { return None };
    let version = rest.iter().position(|byte| *byte == 0)?;
    let (_connection, rest) = rest.get(version + 1..)?.split_first_chunk::<4>()?;
    let (first, rest) = rest.split_first_chunk::<8>()?;
    let ([_, low @ .., _, _, _, a, b, _], rest) = rest.split_first_chunk::<9>()?;
    let (_reserved, rest) = rest.split_first_chunk::<10>()?;
    let [c, d] = low.first_chunk::<2>()?;
    let capabilities = CapabilityFlags::from_bits_truncate(u32::from_le_bytes([*c, *d, *a, *b]));
    let (second, rest) = rest.split_first_chunk::<12>()?;
    let mut nonce = [0; 20];
    nonce.get_mut(..8)?.copy_from_slice(first);
    nonce.get_mut(8..)?.copy_from_slice(second);
    // A zero ends the nonce, and one the plugin's name; some servers forget the latter.
    let plugin = rest.split_first().map_or(rest, |(_, plugin)| plugin);
    let plugin = plugin.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    Some(Greeting { capabilities, nonce, plugin })
}

/// What we can do. Not CLIENT_DEPRECATE_EOF, nor compression: one way through a result is enough.
const WANTED: CapabilityFlags = NEEDED
    .union(CapabilityFlags::CLIENT_LONG_PASSWORD)
    .union(CapabilityFlags::CLIENT_LONG_FLAG)
    .union(CapabilityFlags::CLIENT_CONNECT_WITH_DB)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PS_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA);

/// The longest packet that we take, as the server is told.
const PACKET_BYTES_MAX: u32 = 1 << 24;

const UTF8MB4_GENERAL_CI: u8 = 45;

/// From this version on the crate sets utf8mb4; any server that is still running is newer.
const SINCE_UTF8MB4: (u16, u16, u16) = (5, 5, 3);

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
