//! A second opinion on signatures: Standard Webhooks' `v1`, computed here from the specification
//! and not by the code under test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::receiver::Request;

/// A subscriber's own secret, 32 bytes of its choice.
pub fn new_secret(seed: &str) -> String {
    let bytes: Vec<u8> = seed.bytes().cycle().take(32).collect();
    format!("whsec_{}", STANDARD.encode(bytes))
}

/// Whether one of the request's signatures was made with `secret`.
pub fn is_signed_by(request: &Request, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a whsec_ secret"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.expect("base64")).expect("any length fits");
    for part in [request.header("webhook-id"), ".", request.header("webhook-timestamp"), "."] {
        mac.update(part.as_bytes());
    }
    mac.update(&request.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    request.header("webhook-signature").split(' ').any(|given| given == expected)
}
