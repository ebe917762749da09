//! What a developer may have done with a secret: how it was written down, and how it was used.

use zeroize::Zeroizing;

use super::Reason;
use super::form::unhex;
use crate::secret::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret};

/// A way of reading what was given.
pub(super) struct Reading {
    pub(super) secret: Secret,
    /// What had to be mended about its text; none for one that is as it should be.
    pub(super) mended: Option<&'static str>,
}

/// The secret as it is, else as it may be meant.
pub(super) fn readings(given: &str) -> Vec<Reading> {
    let mut found: Vec<Reading> = Vec::new();
    let mut add = |text: &str, mended| {
        if let Ok(secret) = Secret::parse(text) {
            found.push(Reading { secret, mended });
        }
    };
    add(given, None);
    let trimmed = given.trim();
    add(trimmed, Some("it has white space around it (a line break of the file it came from?)"));
    let bare = trimmed.trim_matches(['"', '\'', '`']);
    if bare != trimmed {
        add(bare, Some("it has quotes around it"));
    }
    let encoded = bare.strip_prefix("whsec_").unwrap_or(bare);
    let prefixed = |encoded: &str| Zeroizing::new(format!("whsec_{encoded}"));
    if encoded == bare {
        add(&prefixed(encoded), Some("it lacks the whsec_ at its beginning"));
    }
    let standard = Zeroizing::new(encoded.replace('-', "+").replace('_', "/"));
    if *standard != encoded {
        add(&prefixed(&standard), Some("it is in the URL-safe base64 (with - and _)"));
    }
    if let Some(bytes) = unhex(encoded).map(Zeroizing::new) {
        use base64::Engine as _;
        let again = Zeroizing::new(base64::prelude::BASE64_STANDARD.encode(&*bytes));
        add(&prefixed(&again), Some("it is in hex: whsec_ and base64 is what it has to be"));
    }
    // What needs nothing mended leaves nothing to guess.
    if found.first().is_some_and(|reading| reading.mended.is_none()) {
        found.truncate(1);
    }
    found
}

/// Keys that sign if a secret is used in another way than the scheme has it. For `standard`, where
/// the key is the bytes that the text encodes.
pub(super) fn misused_for_standard(given: &str) -> Vec<(Zeroizing<Vec<u8>>, &'static str)> {
    let text = given.trim();
    let encoded = text.strip_prefix("whsec_").unwrap_or(text);
    let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    let mut keys = vec![
        (
            bytes(encoded),
            "the text after whsec_ was used as the key as it stands: it has to be decoded from \
             base64 first",
        ),
        (
            bytes(given),
            "the whole text was used as the key: whsec_ has to be taken off and the rest decoded \
             from base64",
        ),
    ];
    if let Some(key) = unhex(encoded) {
        keys.push((Zeroizing::new(key), "the key was decoded from hex: it has to be from base64"));
    }
    keys
}

/// The same for `jwt`, where the key is the text as it was given out.
pub(super) fn misused_for_jwt(secret: &Secret) -> [(Zeroizing<Vec<u8>>, &'static str); 2] {
    let text = secret.expose();
    let encoded = text.strip_prefix("whsec_").unwrap_or(text);
    [
        (
            Zeroizing::new(secret.key().to_vec()),
            "the secret was decoded from base64 for the key: for jwt the key is its text as it \
             stands, whsec_ included",
        ),
        (
            Zeroizing::new(encoded.as_bytes().to_vec()),
            "whsec_ was taken off for the key: for jwt the key is the secret's text as it stands",
        ),
    ]
}

/// Which rule a text breaks that is no secret.
pub(super) fn malformed(given: &str) -> Option<Reason> {
    if Secret::parse(given).is_ok() {
        return None;
    }
    let text = given.trim().trim_matches(['"', '\'', '`']);
    let encoded = text.strip_prefix("whsec_").unwrap_or(text);
    let rule = if text.is_empty() {
        "it is empty".to_owned()
    } else if text.starts_with("whsk_") || text.starts_with("whpk_") {
        "it is a key for ed25519 signatures (whsk_, whpk_), and this webhook signs with a shared \
         secret (whsec_)"
            .to_owned()
    } else if let Some(mended) = readings(given).first().and_then(|reading| reading.mended) {
        mended.to_owned()
    } else {
        use base64::Engine as _;
        let padded = encoded.trim_end_matches('=');
        match base64::prelude::BASE64_STANDARD_NO_PAD.decode(padded).map(Zeroizing::new) {
            Ok(key) if key.len() < SECRET_BYTES_MIN => format!(
                "it is too short: {} bytes, and {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} are \
                 needed; was it cut off when it was copied?",
                key.len()
            ),
            Ok(key) if key.len() > SECRET_BYTES_MAX => format!(
                "it is too long: {} bytes, and {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} are needed",
                key.len()
            ),
            _ => {
                "what follows whsec_ is not base64: a character is missing, or another one was put \
                  in"
                .to_owned()
            }
        }
    };
    let message = format!("the secret is not of the form whsec_<base64 of 24 to 64 bytes>: {rule}");
    Some(Reason::new("secret_malformed", message))
}
