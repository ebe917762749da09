//! What must stay secret: the secrets that sign, and the keys that encrypt them at rest. Neither
//! can be printed, and both are wiped from memory when dropped.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Invalid;
use crate::id::WebhookId;
use crate::tenant::Tenant;

/// How many bytes a signing key may have (Standard Webhooks 1.0.0, "Signature scheme").
pub const SECRET_BYTES_MIN: usize = 24;
pub const SECRET_BYTES_MAX: usize = 64;

const SECRET_PREFIX: &str = "whsec_";

/// The standard alphabet. Padding may be left out, as the Standard Webhooks libraries accept it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret that signs, in both of its readings: the key, and the text that its owner was given.
/// Some schemes use the one, some the other.
pub struct Secret {
    text: Zeroizing<String>,
    key: Zeroizing<Vec<u8>>,
}

impl Secret {
    /// A new secret out of 32 random bytes.
    pub fn from_random(random: [u8; 32]) -> Self {
        let random = Zeroizing::new(random);
        // Sized beforehand: a string that grows would leave unwiped pieces behind.
        let mut text = Zeroizing::new(String::with_capacity(SECRET_PREFIX.len() + 44));
        text.push_str(SECRET_PREFIX);
        BASE64.encode_string(random.as_slice(), &mut text);
        Self { text, key: Zeroizing::new(random.to_vec()) }
    }

    /// Reads a secret that a user brought along. Its text is kept as it was given, because their
    /// receiver may use it as text.
    ///
    /// # Errors
    /// `secret_invalid` for anything but `whsec_` and the base64 of 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = || {
            Invalid::new(
                "secret_invalid",
                "a secret is whsec_ and the base64 of 24 to 64 random bytes",
            )
        };
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or_else(wrong)?;
        if encoded.len() > SECRET_BYTES_MAX.div_ceil(3) * 4 {
            return Err(wrong());
        }
        let key = Zeroizing::new(BASE64.decode(encoded).map_err(|_| wrong())?);
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&key.len()) {
            return Err(wrong());
        }
        Ok(Self { text: Zeroizing::new(text.to_owned()), key })
    }

    /// The text `whsec_…`: for its owner's eyes, and for schemes whose receivers use it as it is.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The bytes that the text encodes.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The ring of keys that encrypts secrets at rest: the first encrypts, all decrypt, so that a key
/// can be replaced by putting a new one before it.
pub struct MasterKeys(Vec<MasterKey>);

struct MasterKey {
    id: [u8; KEY_ID_BYTES],
    key: Zeroizing<[u8; 32]>,
}

/// The first byte of every ciphertext: which layout follows.
const VERSION: u8 = 1;
/// Enough to find a key in a ring, too little to help against 256 random bits.
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

impl MasterKeys {
    /// Reads `POSTRIDER_MASTER_KEY`: 32-byte keys, separated by commas, in hex or base64.
    ///
    /// # Errors
    /// `master_key_invalid` for an empty list or a key of another length or alphabet.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let keys: Option<Vec<_>> = text.split(',').map(|key| master_key(key.trim())).collect();
        keys.map(Self).ok_or_else(|| {
            Invalid::new(
                "master_key_invalid",
                "POSTRIDER_MASTER_KEY is one or more keys of 32 random bytes in hex or base64, \
                 separated by commas, such as the output of: openssl rand -hex 32",
            )
        })
    }

    pub fn from_bytes(key: [u8; 32]) -> Self {
        Self(vec![MasterKey::new(Zeroizing::new(key))])
    }

    /// Encrypts with the first key (XChaCha20-Poly1305). `context` says what the text belongs to:
    /// it is not kept, and without the same one the text does not open, so that a ciphertext
    /// moved to another row is worth nothing. `nonce` must be random.
    ///
    /// Layout: version, 4 bytes of key id, 24 bytes of nonce, ciphertext and tag.
    pub fn seal(&self, plain: &[u8], context: &[u8], nonce: [u8; NONCE_BYTES]) -> Sealed {
        let key = self.0.first().expect("a ring has at least one key");
        let ciphertext = key
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: context })
            .expect("only texts of 256 GiB and more are too long to encrypt");
        Sealed([&[VERSION][..], &key.id, &nonce, &ciphertext].concat())
    }

    /// # Errors
    /// What keeps it shut; never a part of the text.
    pub fn open(&self, sealed: &Sealed, context: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (version, rest) = sealed.0.split_first().ok_or(OpenError::Damaged)?;
        if *version != VERSION {
            return Err(OpenError::UnknownVersion);
        }
        let (id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(OpenError::Damaged)?;
        let (nonce, ciphertext) =
            rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Damaged)?;
        let mut refusal = OpenError::UnknownKey;
        // Two keys of one id are as good as impossible, but cost nothing to allow for.
        for key in self.0.iter().filter(|key| key.id == *id) {
            let payload = Payload { msg: ciphertext, aad: context };
            match key.cipher().decrypt(&XNonce::from(*nonce), payload) {
                Ok(plain) => return Ok(plain),
                Err(_) => refusal = OpenError::Damaged,
            }
        }
        Err(refusal)
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeys({} …)", self.0.len())
    }
}

impl MasterKey {
    fn new(key: Zeroizing<[u8; 32]>) -> Self {
        let hash = Sha256::digest(key.as_slice());
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&hash[..KEY_ID_BYTES]);
        Self { id, key }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }
}

fn master_key(text: &str) -> Option<MasterKey> {
    let bytes = Zeroizing::new(match text.len() {
        64 => from_hex(text)?,
        43 | 44 => BASE64.decode(text).ok()?,
        _ => return None,
    });
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return None;
    }
    key.copy_from_slice(&bytes);
    Some(MasterKey::new(key))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.as_bytes()
        .chunks(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?))
        .collect()
}

/// Why a ciphertext does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("the ciphertext has a layout that this version does not know")]
    UnknownVersion,
    #[error("the ciphertext was made with a key that is not in POSTRIDER_MASTER_KEY")]
    UnknownKey,
    #[error("the ciphertext is damaged or belongs to something else")]
    Damaged,
}

/// The context of what is encrypted for one webhook. A tenant's name contains no NUL, so no two
/// webhooks share one.
pub fn webhook_context(tenant: &Tenant, webhook: WebhookId) -> Vec<u8> {
    [b"webhook\0", tenant.as_str().as_bytes(), b"\0", &webhook.0.as_bytes()[..]].concat()
}

/// A ciphertext, in the layout of [`MasterKeys::seal`]. Kept as bytes, or as base64 in JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(d)?;
        let bytes = BASE64.decode(&*text);
        // The decoder's own message would repeat a byte of the text.
        bytes.map(Self).map_err(|_| serde::de::Error::custom("a ciphertext is base64"))
    }
}

#[cfg(test)]
mod tests;
