//! Who owns webhooks and events.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Invalid;

/// The longest tenant name, in bytes.
pub const TENANT_BYTES_MAX: usize = 64;

/// A tenant's name: 1 to 64 of `A–Z a–z 0–9 _ - . :`. Made by use; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// # Errors
    /// `tenant_invalid` for an empty or too long name, or one with another character.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let fits = !name.is_empty()
            && name.len() <= TENANT_BYTES_MAX
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b));
        if fits {
            Ok(Self(name.into()))
        } else {
            Err(Invalid::new(
                "tenant_invalid",
                "a tenant's name is 1 to 64 characters of A-Z a-z 0-9 _ - . :",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `default`, so that who has one tenant never meets the word.
impl Default for Tenant {
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tenant {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(d)?;
        Tenant::parse(&name).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_alphabet_are_refused() {
        for name in ["", "a b", "ä", "a/b", "a\n", &"x".repeat(65)] {
            assert!(Tenant::parse(name).is_err(), "{name:?}");
        }
        for name in ["default", "acct_1:eu-west.2", &"x".repeat(64)] {
            assert!(Tenant::parse(name).is_ok(), "{name:?}");
        }
    }
}
