//! Keeps credentials out of what is kept of an answer. Many a receiver answers with what it got,
//! headers included; what is encrypted at rest must not come back through that door.

use model::attempt::Response;

const MASK: &[u8] = b"***";
/// Shorter ones would mask words that only look alike.
const BYTES_MIN: usize = 8;

/// Replaces every credential in headers and body.
pub(crate) fn mask(response: &mut Response, credentials: &[String]) {
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
}
