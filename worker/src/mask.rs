//! Keeps credentials out of what is kept of an answer. Many a receiver answers with what it got,
//! headers included, or with what it is configured with; what is encrypted at rest must not come back
//! through that door, whosever it is.

use std::cmp::Reverse;

use model::attempt::Response;

const MASK: &[u8] = b"***";
/// Shorter ones are masked only where they stand alone: else they would mask words that only look alike.
const BYTES_MIN: usize = 8;
/// How signing secrets begin, anybody's, and the fewest characters of one behind that.
const SECRET_PREFIX: &str = "whsec_";
const SECRET_CHARS_MIN: usize = 24;

/// Credentials as [`mask`] takes them: the longest first, since one may be a part of another.
pub(crate) fn in_order(mut credentials: Vec<String>) -> Vec<String> {
    credentials.retain(|credential| !credential.is_empty());
    credentials.sort_by_key(|credential| Reverse(credential.len()));
    credentials
}

/// Replaces every credential in headers and body, and whatever looks like a signing secret. They are in
/// order.
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

/// What must not be kept of a value in a webhook's URL. A short one counts with its name: it is more
/// often a version than a credential.
pub(crate) fn in_query(name: Option<&str>, value: &str) -> String {
    match name {
        Some(name) if value.len() < BYTES_MIN => format!("{name}={value}"),
        _ => value.to_owned(),
    }
}

fn mask_given(response: &mut Response, credentials: &[String]) {
    for credential in credentials {
        let credential = credential.as_bytes();
        if contains(&response.body, credential) {
            response.body = replace(&response.body, credential);
        }
        for (_, value) in &mut response.headers {
            if contains(value.as_bytes(), credential) {
                let masked = replace(value.as_bytes(), credential);
                *value = String::from_utf8_lossy(&masked).into_owned();
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
        if text[at..].starts_with(part)
            && (part.len() >= BYTES_MIN || stands_alone(text, at, at + part.len()))
        {
            masked.extend_from_slice(MASK);
            at += part.len();
        } else {
            masked.push(text[at]);
            at += 1;
        }
    }
    masked
}

/// Whether no word goes on before or after it.
fn stands_alone(text: &[u8], from: usize, to: usize) -> bool {
    let before = from.checked_sub(1).and_then(|at| text.get(at));
    ![before, text.get(to)].into_iter().flatten().any(u8::is_ascii_alphanumeric)
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
        mask(&mut response, &in_order(vec!["ret1".into(), String::new(), "topsecret1".into()]));
        assert_eq!(response.headers, [("x-echo".to_owned(), "Bearer ***!".to_owned())]);
        assert_eq!(response.body, b"*** \xff ***");
    }

    #[test]
    fn a_short_credential_is_masked_where_it_stands_alone() {
        let mut response = Response {
            headers: vec![("x-pin".into(), "1234".into())],
            body: b"{\"pin\":\"1234\",\"n\":12345,\"v\":1} 1234".to_vec(),
            truncated: false,
        };
        mask(&mut response, &["1234".into()]);
        assert_eq!(response.headers[0].1, "***");
        assert_eq!(response.body, b"{\"pin\":\"***\",\"n\":12345,\"v\":1} ***");
    }

    #[test]
    fn a_short_value_of_a_url_is_masked_with_its_name() {
        assert_eq!(in_query(Some("v"), "1"), "v=1");
        assert_eq!(in_query(None, "a"), "a");
        assert_eq!(in_query(Some("t"), "topsecret"), "topsecret");
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
