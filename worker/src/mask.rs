//! Keeps credentials out of what is kept of an answer. Many a receiver answers with what it got,
//! headers included, or with what it is configured with; what is encrypted at rest must not come back
//! through that door, whosever it is.

use model::attempt::Response;

const MASK: &[u8] = b"***";
/// Shorter ones would mask words that only look alike.
const BYTES_MIN: usize = 8;
/// How signing secrets begin, anybody's, and the fewest characters of one behind that.
const SECRET_PREFIX: &str = "whsec_";
const SECRET_CHARS_MIN: usize = 24;

/// Replaces every credential in headers and body, and whatever looks like a signing secret.
pub(crate) fn mask(response: &mut Response, credentials: &[String]) {
    mask_given(response, credentials);
    if contains(&response.body, SECRET_PREFIX.as_bytes()) {
        response.body = without_secrets(&response.body);
    }
    for (_, value) in &mut response.headers {
        if value.contains(SECRET_PREFIX) {
            *value = String::from_utf8_lossy(&without_secrets(value.as_bytes())).into_owned();
        }
    }
}

fn mask_given(response: &mut Response, credentials: &[String]) {
    for credential in credentials.iter().filter(|c| c.len() >= BYTES_MIN) {
        if contains(&response.body, credential.as_bytes()) {
            response.body = replace(&response.body, credential.as_bytes());
        }
        for (_, value) in &mut response.headers {
            if value.contains(credential.as_str()) {
                *value = value.replace(credential.as_str(), "***");
            }
        }
    }
}

fn without_secrets(text: &[u8]) -> Vec<u8> {
    let is_of_it = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
    let mut masked = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let secret = rest.strip_prefix(SECRET_PREFIX.as_bytes()).unwrap_or_default();
        let length = secret.iter().take_while(|byte| is_of_it(byte)).count();
        if length >= SECRET_CHARS_MIN {
            masked.extend_from_slice(MASK);
            at += SECRET_PREFIX.len() + length;
        } else {
            masked.push(rest[0]);
            at += 1;
        }
    }
    masked
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn replace(text: &[u8], part: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(part) {
            masked.extend_from_slice(MASK);
            at += part.len();
        } else {
            masked.push(text[at]);
            at += 1;
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        let mut response = Response {
            headers: vec![("x-echo".into(), "Bearer topsecret1!".into())],
            body: b"topsecret1 \xff topsecret1".to_vec(),
            truncated: false,
        };
        mask(&mut response, &["topsecret1".into(), "echo".into()]);
        assert_eq!(response.headers, [("x-echo".to_owned(), "Bearer ***!".to_owned())]);
        assert_eq!(response.body, b"*** \xff ***");
    }

    #[test]
    fn anybodys_signing_secret_is_masked_and_what_only_begins_like_one_is_not() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let mut response = Response {
            headers: vec![("x-key".into(), format!("a {secret}, whsec_short"))],
            body: format!("\"{secret}\" {secret}== whsec_ whsec_abc").into_bytes(),
            truncated: false,
        };
        mask(&mut response, &[]);
        assert_eq!(response.headers[0].1, "a ***, whsec_short");
        assert_eq!(response.body, b"\"***\" *** whsec_ whsec_abc");
    }
}
