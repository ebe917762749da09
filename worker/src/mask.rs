//! Keeps credentials out of what is kept of an answer. Many a receiver answers with what it got,
//! headers included, or with what it is configured with; what is encrypted at rest must not come back
//! through that door, whosever it is.

use std::borrow::Cow;
use std::cmp::Reverse;

use memchr::memmem;

const MASK: &[u8] = b"***";
/// Shorter ones are masked only where they stand alone: else they would mask words that only look alike.
const BYTES_MIN: usize = 8;
/// As many are looked for, the longest: a URL has room for a thousand values.
const CREDENTIALS_MAX: usize = 256;
/// How signing secrets begin, anybody's, and the fewest characters of one behind that.
const SECRET_PREFIX: &str = "whsec_";
const SECRET_CHARS_MIN: usize = 24;

/// What must not be kept of an answer that repeats it, the longest first: one may be a part of another.
#[derive(Default)]
pub(crate) struct Credentials(Box<[Box<str>]>);

impl Credentials {
    pub(crate) fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<Box<str>> =
            values.into_iter().flat_map(spellings).map(String::into_boxed_str).collect();
        all.retain(|credential| !credential.is_empty());
        all.sort_unstable_by(|a, b| (Reverse(a.len()), a).cmp(&(Reverse(b.len()), b)));
        all.dedup();
        all.truncate(CREDENTIALS_MAX);
        Self(all.into())
    }

    /// A text without any of them, and without whatever looks like a signing secret.
    pub(crate) fn mask<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let mut masked = Cow::Borrowed(text);
        // First, since a credential may be a part of how secrets begin.
        if memmem::find(text, SECRET_PREFIX.as_bytes()).is_some() {
            masked = Cow::Owned(without_secrets(text));
        }
        for credential in &self.0 {
            if let Some(without) = without(&masked, credential.as_bytes()) {
                masked = Cow::Owned(without);
            }
        }
        masked
    }

    /// The same of a text that was cut: without what may be the beginning of one at its end, too.
    pub(crate) fn mask_cut(&self, text: &[u8]) -> Vec<u8> {
        let mut masked = self.mask(text).into_owned();
        let begun = self.0.iter().map(|one| begun_at_the_end(&masked, one.as_bytes()));
        let begun = begun.max().unwrap_or(0);
        let begun = begun.max(secret_begun_at_the_end(&masked));
        masked.truncate(masked.len() - begun);
        masked
    }
}

/// What must not be kept of a header's value: its last word (`Bearer abc`), and of several (`a=b; c=d`) all of
/// it, each, and what each is said to be.
pub(crate) fn in_header(value: &str) -> Vec<String> {
    let words = value.split([' ', '\t', ';', ',']).filter(|word| !word.is_empty());
    let words: Vec<_> = words.collect();
    let mut parts: Vec<_> = words.last().into_iter().copied().collect();
    if words.len() > 2 {
        parts.push(value);
    }
    let said = words.iter().filter_map(|word| word.split_once('='));
    let said = said.map(|(_, value)| value.trim_matches('"'));
    parts.extend(words.iter().copied().chain(said).filter(|part| part.len() >= BYTES_MIN));
    parts.into_iter().map(str::to_owned).collect()
}

/// What must not be kept of a value in a webhook's URL. A short one counts with its name: it is more
/// often a version than a credential.
pub(crate) fn in_query(name: Option<&str>, value: &str) -> String {
    match name {
        Some(name) if value.len() < BYTES_MIN => format!("{name}={value}"),
        _ => value.to_owned(),
    }
}

/// A credential as it is, and as answers in JSON and in forms may write it.
fn spellings(credential: String) -> [String; 6] {
    let escaped = |must_be: fn(char) -> bool, as_what: fn(char) -> String| {
        let write = |c| if must_be(c) { as_what(c) } else { c.to_string() };
        credential.chars().map(write).collect::<String>()
    };
    let json = escaped(|c| matches!(c, '"' | '\\'), |c| format!("\\{c}"));
    // As some do, lest a script ends in it.
    let json_slashes = json.replace('/', "\\/");
    let json_ascii = escaped(
        |c| matches!(c, '"' | '&' | '\'' | '+' | '<' | '>' | '`'),
        |c| format!("\\u{:04X}", u32::from(c)),
    );
    let form: String = form_urlencoded::byte_serialize(credential.as_bytes()).collect();
    let url = form.replace('+', "%20");
    [json, json_slashes, json_ascii, form, url, credential]
}

/// Without a credential, if it is there.
fn without(text: &[u8], credential: &[u8]) -> Option<Vec<u8>> {
    let mut masked = Vec::new();
    let mut rest = 0;
    for at in memmem::find_iter(text, credential) {
        let end = at + credential.len();
        if credential.len() >= BYTES_MIN || stands_alone(text, at, end) {
            masked.extend_from_slice(&text[rest..at]);
            masked.extend_from_slice(MASK);
            rest = end;
        }
    }
    (rest > 0).then(|| {
        masked.extend_from_slice(&text[rest..]);
        masked
    })
}

/// Bytes at a text's end with which a credential begins.
fn begun_at_the_end(text: &[u8], credential: &[u8]) -> usize {
    let most = credential.len().saturating_sub(1).min(text.len());
    (1..=most).rev().find(|n| text.ends_with(&credential[..*n])).unwrap_or(0)
}

/// Bytes at a text's end that may be a signing secret as far as it goes.
fn secret_begun_at_the_end(text: &[u8]) -> usize {
    match memmem::rfind(text, SECRET_PREFIX.as_bytes()) {
        Some(at) if text[at + SECRET_PREFIX.len()..].iter().all(is_of_a_secret) => text.len() - at,
        _ => 0,
    }
}

/// Base64, and what stands for one of its characters in JSON and in forms.
fn is_of_a_secret(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_\\%".contains(byte)
}

fn without_secrets(text: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let secret = rest.strip_prefix(SECRET_PREFIX.as_bytes()).unwrap_or_default();
        let length = secret.iter().take_while(|byte| is_of_a_secret(byte)).count();
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

/// Whether no word goes on before or after it.
fn stands_alone(text: &[u8], from: usize, to: usize) -> bool {
    let before = from.checked_sub(1).and_then(|at| text.get(at));
    ![before, text.get(to)].into_iter().flatten().any(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(credentials: &[&str], text: &str) -> String {
        let credentials = Credentials::new(credentials.iter().map(|&c| c.to_owned()));
        String::from_utf8_lossy(&credentials.mask(text.as_bytes())).into_owned()
    }

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        let credentials = ["ret1", "", "topsecret1"];
        assert_eq!(masked(&credentials, "Bearer topsecret1!"), "Bearer ***!");
        assert_eq!(masked(&credentials, "topsecret1 \u{fffd} topsecret1"), "*** \u{fffd} ***");
        assert_eq!(masked(&credentials, "nothing of it"), "nothing of it");
    }

    #[test]
    fn a_short_credential_is_masked_where_it_stands_alone() {
        assert_eq!(masked(&["1234"], "1234"), "***");
        let body = "{\"pin\":\"1234\",\"n\":12345,\"v\":1} 1234";
        assert_eq!(masked(&["1234"], body), "{\"pin\":\"***\",\"n\":12345,\"v\":1} ***");
    }

    #[test]
    fn a_short_value_of_a_url_is_masked_with_its_name() {
        assert_eq!(in_query(Some("v"), "1"), "v=1");
        assert_eq!(in_query(None, "a"), "a");
        assert_eq!(in_query(Some("t"), "topsecret"), "topsecret");
    }

    #[test]
    fn of_a_header_every_part_is_masked_that_may_be_one() {
        let of = |value: &str, answer: &str| {
            let parts = in_header(value);
            masked(&parts.iter().map(String::as_str).collect::<Vec<_>>(), answer)
        };
        assert_eq!(of("Bearer abc", "Bearer abc"), "Bearer ***");
        let cookie = "session=s3cr3t-s3cr3t; theme=dark";
        assert_eq!(of(cookie, cookie), "***; ***");
        assert_eq!(of(cookie, "s3cr3t-s3cr3t, session=s3cr3t-s3cr3t"), "***, ***");
        let digest = "Digest username=\"u\",response=\"0123456789abcdef\",\tnc=1";
        assert_eq!(of(digest, "got 0123456789abcdef"), "got ***");
        assert_eq!(of("", "as it is"), "as it is");
    }

    #[test]
    fn a_credential_is_masked_however_an_answer_writes_it() {
        let credential = "a/b+c\"d e\\f";
        let texts = [
            credential,
            r#"a\/b+c\"d e\\f"#,
            r#"a/b+c\"d e\\f"#,
            r"a/b\u002Bc\u0022d e\f",
            "a%2Fb%2Bc%22d+e%5Cf",
            "a%2Fb%2Bc%22d%20e%5Cf",
        ];
        for text in texts {
            assert_eq!(masked(&[credential], &format!("<{text}>")), "<***>", "{text}");
        }
    }

    #[test]
    fn anybodys_signing_secret_is_masked_and_what_only_begins_like_one_is_not() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(masked(&[], &format!("a {secret}, whsec_short")), "a ***, whsec_short");
        let body = format!("\"{secret}\" {secret}== whsec_ whsec_abc");
        assert_eq!(masked(&[], &body), "\"***\" *** whsec_ whsec_abc");
        for written in
            [r"whsec_MfKQ9r\/GKYqrTwjUPD8ILPZIo2", "whsec_MfKQ%2Fr8%2BKYqrTwjUPD8ILPZIo2"]
        {
            assert_eq!(masked(&[], &format!("{{\"s\":\"{written}\"}}")), "{\"s\":\"***\"}");
        }
        // A credential that is how secrets begin hides none.
        assert_eq!(masked(&["whsec"], &format!("whsec {secret}")), "*** ***");
    }

    #[test]
    fn what_is_cut_ends_before_a_credential_that_may_have_begun() {
        let credentials = Credentials::new(["topsecret1".to_owned(), "top/secret".to_owned()]);
        let cut = |text: &str| String::from_utf8(credentials.mask_cut(text.as_bytes())).unwrap();
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(cut("a topsecret"), "a ");
        assert_eq!(cut("a topsecret1"), "a ***");
        assert_eq!(cut(r"a top\/secre"), "a ");
        assert_eq!(cut("a top secrets"), "a top secrets");
        assert_eq!(cut(&format!("a {}", &secret[..20])), "a ");
        assert_eq!(cut(&format!("a {}", &secret[..36])), "a ***");
        assert_eq!(cut("a whsec_abc is here"), "a whsec_abc is here");
    }

    #[test]
    fn a_url_full_of_values_is_looked_for_in_part() {
        let many = (0..2_000).map(|n| format!("{n:0>8}"));
        let credentials = Credentials::new(many.chain(["the longest one".to_owned()]));
        assert_eq!(credentials.0.len(), CREDENTIALS_MAX);
        assert_eq!(credentials.mask(b"the longest one").as_ref(), MASK);
    }
}
