//! How a receiver knows that a request is from us: the headers that sign it, and the checks that a
//! receiver makes. The sender's own development inbox is such a receiver.

pub mod diagnose;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::Invalid;
use crate::id::WebhookId;
use crate::secret::Secret;
use crate::target::TargetUrl;
use crate::time::Timestamp;

/// How far a receiver lets a timestamp be off, either way, in seconds.
pub const TOLERANCE_S: i64 = 300;

/// How requests of a webhook are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// `webhook-signature: v1,…`: HMAC-SHA256 (Standard Webhooks 1.0.0, "Signature scheme").
    #[default]
    Standard,
    /// `Authorization: Bearer <JWT>` (RFC 7519), HS256, with the body's SHA-256 in its claims.
    Jwt,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Standard => "standard",
            Scheme::Jwt => "jwt",
        }
    }

    /// The header that the signature is in.
    pub fn header(self) -> &'static str {
        match self {
            Scheme::Standard => "webhook-signature",
            Scheme::Jwt => "authorization",
        }
    }

    /// # Errors
    /// `not_supported` for the schemes that are still to come, `signature_invalid` for other texts.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "standard" => Ok(Scheme::Standard),
            "jwt" => Ok(Scheme::Jwt),
            "standard-ed25519" | "stripe" | "github" | "shopify" | "slack" | "rfc9421" => {
                Err(Invalid::not_supported(format!(
                    "signature scheme {text} is not supported yet; use standard or jwt"
                )))
            }
            _ => Err(Invalid::new("signature_invalid", "signature.scheme must be standard or jwt")),
        }
    }
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The same on every attempt.
    pub event_id: &'a str,
    pub event_type: &'a str,
    pub webhook_id: WebhookId,
    pub url: &'a TargetUrl,
    /// The very bytes that are sent.
    pub body: &'a [u8],
    /// The moment of the attempt, not of the event: receivers refuse what is too old.
    pub now: Timestamp,
}

/// The headers that sign a message. `secrets` are the current one and, during a rotation, those
/// it replaced; their order is kept.
///
/// # Errors
/// `signing` without a secret: nothing is ever sent unsigned.
pub fn sign(
    scheme: Scheme,
    secrets: &[&Secret],
    message: &Message<'_>,
) -> Result<Vec<(&'static str, String)>, Invalid> {
    let Some(newest) = secrets.first() else {
        return Err(Invalid::new("signing", "the webhook has no secret to sign with"));
    };
    let timestamp = message.now.secs().to_string();
    let signature = match scheme {
        Scheme::Standard => standard(secrets, message, &timestamp),
        Scheme::Jwt => format!("Bearer {}", jwt(newest, message)?),
    };
    Ok(vec![
        ("webhook-id", message.event_id.to_owned()),
        ("webhook-timestamp", timestamp),
        (scheme.header(), signature),
    ])
}

/// One `v1,` signature per secret, exactly one space between them: receivers refuse more.
fn standard(secrets: &[&Secret], message: &Message<'_>, timestamp: &str) -> String {
    // `v1,`, 44 characters of base64, a space.
    let mut signatures = String::with_capacity(secrets.len() * 48);
    for secret in secrets {
        if !signatures.is_empty() {
            signatures.push(' ');
        }
        signatures.push_str("v1,");
        let mac = standard_mac(secret.key(), message.event_id, timestamp, message.body);
        BASE64_STANDARD.encode_string(mac.finalize().into_bytes(), &mut signatures);
    }
    signatures
}

/// HMAC-SHA256 over `id.timestamp.body` under the decoded key.
fn standard_mac(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = hmac(key);
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtHeader<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

/// The union of what receivers of such tokens check: `payload_hash` and `request_body_sha256` are
/// two conventions for the same hash.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    payload_hash: String,
    request_body_sha256: String,
    url_hash: String,
}

const JWT_ALG: &str = "HS256";
const JWT_TYP: &str = "webhook+jwt";

fn jwt(secret: &Secret, message: &Message<'_>) -> Result<String, Invalid> {
    let header = JwtHeader { alg: JWT_ALG, kid: &kid(secret), typ: JWT_TYP };
    let (iat, body_hash) = (message.now.secs(), sha256_hex(message.body));
    let claims = Claims {
        iss: "postrider".to_owned(),
        aud: message.webhook_id.to_string(),
        sub: message.event_type.to_owned(),
        jti: message.event_id.to_owned(),
        iat,
        nbf: iat,
        exp: iat.saturating_add(TOLERANCE_S),
        payload_hash: body_hash.clone(),
        request_body_sha256: body_hash,
        url_hash: sha256_hex(message.url.as_str().as_bytes()),
    };
    let mut token = String::with_capacity(768);
    push_json(&mut token, &header)?;
    token.push('.');
    push_json(&mut token, &claims)?;
    let mac = jwt_mac(secret.expose().as_bytes(), &token).finalize().into_bytes();
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(mac, &mut token);
    Ok(token)
}

fn push_json(token: &mut String, part: &impl Serialize) -> Result<(), Invalid> {
    let json = serde_json::to_vec(part)
        .map_err(|_| Invalid::new("signing", "the token's claims cannot be written"))?;
    BASE64_URL_SAFE_NO_PAD.encode_string(json, token);
    Ok(())
}

/// HMAC-SHA256 over `header.claims`. The key is the secret's text: a JWT library is handed it as
/// a string, and decodes nothing.
fn jwt_mac(key: &[u8], signed: &str) -> Hmac<Sha256> {
    let mut mac = hmac(key);
    mac.update(signed.as_bytes());
    mac
}

/// Names a secret without helping to guess it: 64 bits of a hash of at least 192 random ones.
fn kid(secret: &Secret) -> String {
    let hash = Sha256::new().chain_update("kid:").chain_update(secret.expose()).finalize();
    hex(&hash[..8])
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits.map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// Why a receiver refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("the signature headers are missing or not of the scheme's form")]
    Malformed,
    #[error("the request was signed too long ago")]
    TooOld,
    #[error("the request was signed in the future")]
    TooNew,
    #[error("no signature matches")]
    NoMatch,
    #[error("the token is genuine, but was made for another body")]
    BodyChanged,
}

/// Checks the three headers of Standard Webhooks, as strictly as the strictest known receiver: one
/// space between signatures, padded base64, whole seconds.
///
/// # Errors
/// The first thing that is wrong. A changed body is `NoMatch`: this scheme cannot tell.
pub fn verify_standard(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), VerifyError> {
    if id.is_empty() || !timestamp.bytes().all(|b| b.is_ascii_digit()) {
        return Err(VerifyError::Malformed);
    }
    check_age(timestamp.parse().map_err(|_| VerifyError::Malformed)?, now)?;
    let expected = standard_mac(secret.key(), id, timestamp, body).finalize().into_bytes();
    let mut found = false;
    for signature in signatures.split(' ') {
        let (version, encoded) = signature.split_once(',').ok_or(VerifyError::Malformed)?;
        // Signatures of versions to come are for others to check.
        if version == "v1" {
            let given = BASE64_STANDARD.decode(encoded).map_err(|_| VerifyError::Malformed)?;
            found |= bool::from(expected.as_slice().ct_eq(&given));
        }
    }
    if found { Ok(()) } else { Err(VerifyError::NoMatch) }
}

/// Checks an `Authorization` header of the scheme `jwt`. The algorithm is fixed: what the token
/// says about it is compared, never followed. To whom it is addressed (`aud`, `url_hash`) is for
/// the receiver to know and not checked here.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_jwt(
    secret: &Secret,
    authorization: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), VerifyError> {
    let token = authorization.strip_prefix("Bearer ").ok_or(VerifyError::Malformed)?;
    let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(VerifyError::Malformed)?;

    let header = decoded(header)?;
    let header: JwtHeader<'_> =
        serde_json::from_slice(&header).map_err(|_| VerifyError::Malformed)?;
    if header.alg != JWT_ALG || header.typ != JWT_TYP {
        return Err(VerifyError::Malformed);
    }
    let signature = decoded(signature)?;
    let mac = jwt_mac(secret.expose().as_bytes(), signed);
    mac.verify_slice(&signature).map_err(|_| VerifyError::NoMatch)?;
    if header.kid != kid(secret) {
        return Err(VerifyError::NoMatch);
    }

    let claims: Claims =
        serde_json::from_slice(&decoded(claims)?).map_err(|_| VerifyError::Malformed)?;
    check_age(claims.iat.max(claims.nbf), now)?;
    if now.secs() > claims.exp {
        return Err(VerifyError::TooOld);
    }
    let hash = sha256_hex(body);
    let same = |given: &str| bool::from(hash.as_bytes().ct_eq(given.as_bytes()));
    if same(&claims.payload_hash) && same(&claims.request_body_sha256) {
        Ok(())
    } else {
        Err(VerifyError::BodyChanged)
    }
}

fn check_age(signed_s: i64, now: Timestamp) -> Result<(), VerifyError> {
    let age_s = now.secs().saturating_sub(signed_s);
    if age_s > TOLERANCE_S {
        Err(VerifyError::TooOld)
    } else if age_s < -TOLERANCE_S {
        Err(VerifyError::TooNew)
    } else {
        Ok(())
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, VerifyError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Malformed)
}

#[cfg(test)]
mod tests;
