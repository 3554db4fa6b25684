//! What takes a while: hashes that take long, tokens that are good as long as Redis has them, new
//! tokens.

use super::basic::SlowCheck;
use super::token::{Jwt, Pair};
use super::{Callers, Grant, Refusal};
use crate::op::{Answer, HashOp, Op, Ops};
use crate::secret::Secret;
use crate::state::{KeptToken, Store, TokenKind};
use std::time::Duration;

/// Something to find out before a caller is known.
#[derive(Debug)]
pub enum Check {
    Password(SlowCheck),
    /// Whether the token is the one that Redis has for its user.
    Stored {
        grant: Grant,
        token: Secret,
    },
}

/// Who it is, or why the caller is turned away.
pub type CheckResult = Result<Grant, Refusal>;

impl Check {
    /// Finds out. Whatever fails on the way is no wrong credential.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn run(self, callers: &Callers, state: &Store, ops: &Ops) -> CheckResult {
        match self {
            Check::Password(check) => password(&check, callers, ops).await,
            Check::Stored { grant, token } => {
                match state.token(ops, &grant.name, TokenKind::Access).await {
                    Ok(Some(kept)) if token.matches(&kept) => Ok(grant),
                    Ok(_) => Err(Refusal::InvalidToken),
                    Err(_) => Err(Refusal::Unavailable),
                }
            }
        }
    }

    /// Whether it costs a password hash: of those a worker checks one at a time.
    pub fn is_hash(&self) -> bool {
        matches!(self, Check::Password(_))
    }
}

async fn password(check: &SlowCheck, callers: &Callers, ops: &Ops) -> CheckResult {
    let Some(basic) = &callers.basic else { return Err(Refusal::WrongPassword) };
    if let Some(grant) = basic.recall(check) {
        return Ok(grant);
    }
    for (user, stored, plain) in basic.hashes(check) {
        match ops.ask(Op::Hash(HashOp { stored, plain }), Duration::MAX).await {
            Answer::Hash(Ok(true)) => {
                if let Some(grant) = basic.passed(check, user) {
                    return Ok(grant);
                }
            }
            Answer::Hash(Ok(false)) => {}
            // The queue is full, or time is over.
            _ => return Err(Refusal::Unavailable),
        }
    }
    Err(Refusal::WrongPassword)
}

/// What a client of the token endpoints brings.
#[derive(Debug)]
pub enum Issue {
    Token { username: String, password: Secret },
    Refresh(Secret),
}

/// A new pair of tokens, or why there is none.
pub type Issued = Result<Pair, NoToken>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoToken {
    WrongCredentials,
    InvalidRefreshToken,
    /// Redis has no refresh token of this user.
    UnknownRefreshToken,
    /// Redis has a newer one.
    ReplacedRefreshToken,
    UnknownUser,
    Unavailable,
}

impl NoToken {
    /// Whether the credentials were wrong, so that the address is to be counted.
    pub fn is_failure(self) -> bool {
        self != NoToken::Unavailable
    }
}

/// A new pair of tokens for a user who is known to be right.
///
/// # Errors
/// [`NoToken::Unavailable`]: Redis did not take it.
pub async fn issue(
    jwt: &Jwt,
    username: &str,
    roles: &[String],
    id: &str,
    now: u64,
    state: &Store,
    ops: &Ops,
) -> Issued {
    let pair = jwt.issue(username, roles, id, now).ok_or(NoToken::Unavailable)?;
    if jwt.stored {
        let mut kept =
            vec![KeptToken { kind: TokenKind::Access, token: &pair.token, ttl: jwt.expiry }];
        if let (Some(token), Some(ttl)) = (&pair.refresh, jwt.refresh_expiry) {
            kept.push(KeptToken { kind: TokenKind::Refresh, token, ttl });
        }
        state.keep_tokens(ops, username, &kept).await.map_err(|_| NoToken::Unavailable)?;
    }
    Ok(pair)
}

/// Whose refresh token this is.
///
/// # Errors
/// [`NoToken`].
pub async fn refreshed(
    jwt: &Jwt,
    token: &Secret,
    now: u64,
    state: &Store,
    ops: &Ops,
) -> Result<String, NoToken> {
    let username = jwt.refresh(token.expose(), now).ok_or(NoToken::InvalidRefreshToken)?;
    if jwt.stored {
        match state.token(ops, &username, TokenKind::Refresh).await {
            Ok(Some(kept)) if token.matches(&kept) => {}
            Ok(Some(_)) => return Err(NoToken::ReplacedRefreshToken),
            Ok(None) => return Err(NoToken::UnknownRefreshToken),
            Err(_) => return Err(NoToken::Unavailable),
        }
    }
    Ok(username)
}
