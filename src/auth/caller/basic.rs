//! Users of the API with HTTP basic credentials, each with a hashed password.
//!
//! Several entries may have one name: while a secret is changed, the old one and the new one are
//! both good. Hashes that take long are checked on the hash thread, one at a time per worker; once
//! a password was right, its fingerprint stands for the hash as long as the configuration is in
//! force, so that the next request costs an HMAC. There is one such fingerprint per user, so what
//! is kept is bounded by the configuration. Rules: RFC 7617.

use super::fingerprint::{Fingerprint, Fingerprints};
use super::rights::{Grant, Rights};
use crate::password::{self, Cost};
use crate::secret::Secret;
use std::sync::OnceLock;

/// `server.basic_auth`, enabled.
pub struct Basic {
    pub users: Vec<BasicUser>,
}

pub struct BasicUser {
    name: String,
    /// None: the password itself was configured, and only its fingerprint is kept.
    stored: Option<Secret>,
    /// The fingerprint of the right password, once it is known.
    right: OnceLock<Fingerprint>,
    rights: Rights,
}

/// What can be said without a hash that takes long.
#[derive(Debug)]
pub enum Checked {
    Right(Grant),
    Wrong,
    /// These hashes have to be checked.
    Slow(SlowCheck),
}

/// A password that is to be checked against hashes that take long.
pub struct SlowCheck {
    password: Secret,
    fingerprint: Fingerprint,
    /// The users to try, by their place.
    candidates: Vec<usize>,
    /// There is no user of this name: one hash is checked for its time only.
    is_nobody: bool,
}

impl std::fmt::Debug for SlowCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlowCheck")
    }
}

impl BasicUser {
    /// With a hash, of one of the schemes that `password` knows.
    pub fn hashed(name: &str, stored: Secret, rights: Rights) -> BasicUser {
        BasicUser { name: name.to_owned(), stored: Some(stored), right: OnceLock::new(), rights }
    }

    /// With the password itself.
    pub fn plain(
        name: &str,
        password: &[u8],
        fingerprints: &Fingerprints,
        rights: Rights,
    ) -> BasicUser {
        let right = OnceLock::from(fingerprint(fingerprints, name.as_bytes(), password));
        BasicUser { name: name.to_owned(), stored: None, right, rights }
    }

    fn grant(&self) -> Grant {
        Grant { name: self.name.clone(), rights: self.rights.clone() }
    }

    fn is_slow(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| password::cost(stored.expose()) == Cost::Slow)
    }
}

fn fingerprint(fingerprints: &Fingerprints, name: &[u8], password: &[u8]) -> Fingerprint {
    fingerprints.of(&[name, password])
}

impl Basic {
    /// Checks credentials as far as that takes microseconds. The answer to a name that does not
    /// exist takes as long as one to a wrong password.
    pub fn check(&self, fingerprints: &Fingerprints, name: &[u8], password: &[u8]) -> Checked {
        let given = fingerprint(fingerprints, name, password);
        let mut right = None;
        for user in &self.users {
            let is_known = user.right.get().is_some_and(|known| known.matches(&given));
            let is_right = match (&user.stored, user.is_slow()) {
                (Some(stored), false) => {
                    password::verify(stored.expose(), password) == Ok(true)
                        && user.name.as_bytes() == name
                }
                _ => is_known,
            };
            if is_right && right.is_none() {
                right = Some(user);
            }
        }
        if let Some(user) = right {
            return Checked::Right(user.grant());
        }
        let slow = |is_wanted: &dyn Fn(&BasicUser) -> bool| -> Vec<usize> {
            // One whose right password is known already has another one than this.
            let users =
                self.users.iter().enumerate().filter(|(_, user)| user.is_slow() && is_wanted(user));
            users.map(|(at, _)| at).collect()
        };
        let named = slow(&|user| user.name.as_bytes() == name && user.right.get().is_none());
        let (candidates, is_nobody) = if named.is_empty() {
            let any = self.users.iter().any(|user| user.name.as_bytes() == name);
            // A known name whose password is known is refused by its fingerprint: a client that
            // measures the time could learn a valid name, so all others are refused as fast. So a
            // hash is checked for its time in every case but the first.
            let dummy = slow(&|user| !any || user.name.as_bytes() == name);
            (dummy.into_iter().take(1).collect(), true)
        } else {
            (named, false)
        };
        if candidates.is_empty() {
            return Checked::Wrong;
        }
        Checked::Slow(SlowCheck {
            password: Secret::new(password),
            fingerprint: given,
            candidates,
            is_nobody,
        })
    }

    /// Looks again before a hash is checked: another request with the same password may have found
    /// it right meanwhile.
    pub fn recall(&self, check: &SlowCheck) -> Option<Grant> {
        let user = self
            .users
            .iter()
            .find(|user| user.right.get().is_some_and(|known| known.matches(&check.fingerprint)))?;
        Some(user.grant())
    }

    /// The hashes to check, one after the other until one is right.
    pub fn hashes<'a>(
        &'a self,
        check: &'a SlowCheck,
    ) -> impl Iterator<Item = (usize, Secret, Secret)> + 'a {
        check.candidates.iter().filter_map(|at| {
            let stored = self.users.get(*at)?.stored.clone()?;
            Some((*at, stored, check.password.clone()))
        })
    }

    /// The hash of this user was the right one.
    pub fn passed(&self, check: &SlowCheck, at: usize) -> Option<Grant> {
        let user = self.users.get(at).filter(|_| !check.is_nobody)?;
        let _ = user.right.set(check.fingerprint.clone());
        Some(user.grant())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the lowest cost.
    fn bcrypt(password: &str) -> Secret {
        Secret::new(bcrypt::hash(password, 4).unwrap().into_bytes())
    }

    fn run(basic: &Basic, name: &str, password: &str) -> (bool, usize) {
        let fingerprints = Fingerprints::new([1; 32]);
        match basic.check(&fingerprints, name.as_bytes(), password.as_bytes()) {
            Checked::Right(_) => (true, 0),
            Checked::Wrong => (false, 0),
            Checked::Slow(check) => {
                let mut hashes = 0;
                for (at, stored, plain) in basic.hashes(&check) {
                    hashes += 1;
                    if password::verify(stored.expose(), plain.expose()) == Ok(true)
                        && basic.passed(&check, at).is_some()
                    {
                        return (true, hashes);
                    }
                }
                (false, hashes)
            }
        }
    }

    #[test]
    fn a_slow_hash_is_checked_once() {
        let basic = Basic {
            users: vec![BasicUser::hashed("mail", bcrypt("0123456789abcdef"), Rights::All)],
        };
        assert_eq!(run(&basic, "mail", "0123456789abcdef"), (true, 1));
        assert_eq!(run(&basic, "mail", "0123456789abcdef"), (true, 0));
        assert_eq!(
            run(&basic, "mail", "wrong"),
            (false, 1),
            "and a wrong password still takes its time"
        );
    }

    #[test]
    fn who_does_not_exist_takes_as_long() {
        let basic = Basic {
            users: vec![BasicUser::hashed("mail", bcrypt("0123456789abcdef"), Rights::All)],
        };
        for (name, password) in
            [("nobody", "x"), ("nobody", "0123456789abcdef"), ("", ""), ("mail", "")]
        {
            assert_eq!(run(&basic, name, password), (false, 1), "{name}");
        }
    }

    #[test]
    fn while_a_secret_is_changed_both_are_good() {
        let users = ["the-old-password", "the-new-password"]
            .map(|password| BasicUser::hashed("mail", bcrypt(password), Rights::All));
        let basic = Basic { users: users.into() };
        for _ in 0..2 {
            assert!(
                run(&basic, "mail", "the-new-password").0
                    && run(&basic, "mail", "the-old-password").0
            );
        }
        assert!(!run(&basic, "mail", "neither").0);
    }

    #[test]
    fn plain_passwords_and_fast_hashes_need_no_thread() {
        let fingerprints = Fingerprints::new([1; 32]);
        let basic = Basic {
            users: vec![
                BasicUser::plain("mail", b"0123456789abcdef", &fingerprints, Rights::All),
                BasicUser::hashed(
                    "fast",
                    Secret::from("{PLAIN}abcdef0123456789"),
                    Rights::Roles(vec!["authenticate".into()]),
                ),
            ],
        };
        for (name, password, is_right) in [
            ("mail", "0123456789abcdef", true),
            ("fast", "abcdef0123456789", true),
            ("mail", "abcdef0123456789", false),
            ("fast", "0123456789abcdef", false),
            ("mail", "", false),
            ("", "", false),
            ("mail0", "123456789abcdef", false),
        ] {
            assert_eq!(run(&basic, name, password), (is_right, 0), "{name} {password}");
        }
    }
}
