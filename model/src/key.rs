//! API keys: who may do what.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::id::KeyId;
use crate::tenant::Tenant;
use crate::time::Timestamp;

/// An API key as it is stored: the text itself is shown once and never kept.
#[derive(Debug, Clone)]
pub struct Key {
    pub id: KeyId,
    pub name: String,
    pub role: Role,
    pub hash: KeyHash,
    pub created_at: Timestamp,
}

/// SHA-256 of a key's text. The texts are 256 random bits, so no slow hash is needed.
#[derive(Clone, Copy)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &KeyHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// What a key is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, for every tenant.
    Admin,
    /// Publishes events, for every tenant; sees nothing.
    Publisher,
    /// Sees everything but secrets, changes nothing.
    Viewer,
    /// Everything that belongs to one tenant, and nothing else exists.
    Tenant(Tenant),
}

impl Role {
    pub fn as_str(&self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Publisher => "publisher",
            Role::Viewer => "viewer",
            Role::Tenant(_) => "tenant",
        }
    }

    /// The one tenant this role is bound to, if it is.
    pub fn tenant(&self) -> Option<&Tenant> {
        match self {
            Role::Admin | Role::Publisher | Role::Viewer => None,
            Role::Tenant(tenant) => Some(tenant),
        }
    }
}

/// What a caller wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Publish events.
    Publish,
    /// Read webhooks, events, deliveries and attempts.
    Look,
    /// Register, change, pause, test and delete webhooks; retry and cancel deliveries.
    Manage,
    /// Read or rotate a signing secret.
    Secret,
    /// Read what concerns the whole installation: metrics, settings.
    Operate,
    /// Create, list and revoke keys.
    Keys,
    /// See and change how a process runs: what it logs.
    Configure,
    /// See as whom one is known, and leave.
    Session,
}

impl Verb {
    pub const ALL: [Verb; 8] = [
        Verb::Publish,
        Verb::Look,
        Verb::Manage,
        Verb::Secret,
        Verb::Operate,
        Verb::Keys,
        Verb::Configure,
        Verb::Session,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Publish => "publish",
            Verb::Look => "look",
            Verb::Manage => "manage",
            Verb::Secret => "secret",
            Verb::Operate => "operate",
            Verb::Keys => "keys",
            Verb::Configure => "configure",
            Verb::Session => "session",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }
}

/// The whole of authorization: may `role` do `verb` on what belongs to `tenant`? `None` stands for
/// what belongs to no tenant or to all of them.
pub fn allow(role: &Role, verb: Verb, tenant: Option<&Tenant>) -> bool {
    match role {
        Role::Admin => true,
        Role::Publisher => matches!(verb, Verb::Publish | Verb::Session),
        Role::Viewer => matches!(verb, Verb::Look | Verb::Operate | Verb::Session),
        Role::Tenant(own) => {
            let verb_fits = match verb {
                Verb::Publish | Verb::Look | Verb::Manage | Verb::Secret | Verb::Session => true,
                Verb::Operate | Verb::Keys | Verb::Configure => false,
            };
            verb_fits && tenant == Some(own)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_may_do_what_the_table_says() {
        let (a, b) = (Tenant::parse("a").expect("valid"), Tenant::parse("b").expect("valid"));
        // One column per verb of Verb::ALL: allowed on tenant a, on tenant b, on no tenant.
        let rows: [(Role, [[bool; 3]; 8]); 4] = [
            (Role::Admin, [[true; 3]; 8]),
            (
                Role::Publisher,
                [true, false, false, false, false, false, false, true].map(|may| [may; 3]),
            ),
            (
                Role::Viewer,
                [false, true, false, false, true, false, false, true].map(|may| [may; 3]),
            ),
            (
                Role::Tenant(a.clone()),
                [
                    [true, false, false],
                    [true, false, false],
                    [true, false, false],
                    [true, false, false],
                    [false; 3],
                    [false; 3],
                    [false; 3],
                    [true, false, false],
                ],
            ),
        ];
        for (role, columns) in &rows {
            for (verb, [on_a, on_b, on_none]) in Verb::ALL.iter().zip(columns) {
                assert_eq!(allow(role, *verb, Some(&a)), *on_a, "{role:?} {verb:?} a");
                assert_eq!(allow(role, *verb, Some(&b)), *on_b, "{role:?} {verb:?} b");
                assert_eq!(allow(role, *verb, None), *on_none, "{role:?} {verb:?} none");
            }
        }
    }

    #[test]
    fn a_hash_matches_its_own_key_only() {
        let hash = KeyHash::of("a key");
        assert!(hash.matches(&KeyHash::of("a key")) && !hash.matches(&KeyHash::of("a kez")));
    }
}
