//! Keeps credentials out of what is kept of an answer. Many a receiver answers with what it got,
//! headers included, or with what it is configured with; what is encrypted at rest must not come back
//! through that door, whosever it is.
//!
//! Answers are searched as they are read: with the escapes of JSON and of URLs undone.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

use memchr::{memchr2, memmem};

const MASK: &[u8] = b"***";
/// Shorter ones are masked only where they stand alone: else they would mask words that only look alike.
const BYTES_MIN: usize = 8;
/// Letters alone are a word, and no credential, if they are fewer.
const LETTERS_MIN: usize = 16;
/// As many are looked for, the first: a URL has room for a thousand values.
const CREDENTIALS_MAX: usize = 256;
/// The bytes of what is only a part of a header's value.
const PARTS_BYTES_MAX: usize = 16 * 1_024;
/// How signing secrets begin, anybody's, and the fewest characters of one behind that.
const SECRET_PREFIX: &[u8] = b"whsec_";
const SECRET_CHARS_MIN: usize = 24;

/// What must not be kept of an answer that repeats it.
#[derive(Default)]
pub(crate) struct Credentials(Box<[Box<[u8]>]>);

/// Gathers them.
#[derive(Default)]
pub(crate) struct Gathered {
    /// Each is one.
    whole: Vec<String>,
    /// What headers of several words consist of.
    parts: Vec<String>,
}

impl Gathered {
    /// The value of a header: all of it, but for the scheme in `Bearer abc`, and its parts (`a=b; c="d"`).
    pub(crate) fn add_header(&mut self, value: &str) {
        let words: Vec<_> = value.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        let is_name = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        self.whole.extend(words.last().map(|&last| last.to_owned()));
        if !matches!(words[..], [scheme, _] if is_name(scheme)) {
            self.whole.push(value.to_owned());
        }
        for word in value.split([' ', '\t', ';', ',']) {
            let said = word.split_once('=').map_or("", |(_, value)| value.trim_matches('"'));
            self.parts
                .extend([word, said].into_iter().filter(|p| is_no_word(p)).map(str::to_owned));
        }
    }

    /// A value in a webhook's URL. A short one counts with its name: it is more often a version than a
    /// credential.
    pub(crate) fn add_query(&mut self, name: Option<&str>, value: &str) {
        self.whole.push(match name {
            Some(name) if value.len() < BYTES_MIN => format!("{name}={value}"),
            _ => value.to_owned(),
        });
    }
}

fn is_no_word(part: &str) -> bool {
    let least = if part.bytes().all(|b| b.is_ascii_alphabetic()) { LETTERS_MIN } else { BYTES_MIN };
    part.len() >= least
}

impl From<Gathered> for Credentials {
    fn from(Gathered { whole, mut parts }: Gathered) -> Self {
        parts.sort_unstable_by_key(|part| Reverse(part.len()));
        let mut room = PARTS_BYTES_MAX;
        parts.retain(|part| {
            let fits = part.len() <= room;
            room -= if fits { part.len() } else { 0 };
            fits
        });
        let mut all = Vec::<Box<[u8]>>::new();
        for credential in whole.iter().chain(&parts) {
            // As it is, too: an answer that escapes it again is read as this.
            let read = Unescaped::of(credential.as_bytes()).bytes;
            for spelling in [credential.as_bytes(), &read] {
                let is_new = !spelling.is_empty() && !all.iter().any(|one| **one == *spelling);
                if is_new && all.len() < CREDENTIALS_MAX {
                    all.push(spelling.into());
                }
            }
        }
        Self(all.into())
    }
}

impl Credentials {
    /// A text without any of them, and without whatever looks like a signing secret.
    pub(crate) fn mask<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let read = Unescaped::of(text);
        match self.found(&read.bytes) {
            found if found.is_empty() => Cow::Borrowed(text),
            found => Cow::Owned(read.without(text, found, read.bytes.len())),
        }
    }

    /// The same of a text that was cut: it ends before what may be the beginning of one.
    pub(crate) fn mask_cut(&self, text: &[u8]) -> Vec<u8> {
        let text = &text[..text.len() - half_an_escape(text)];
        let read = Unescaped::of(text);
        let begun = self.0.iter().map(|credential| begun_at_the_end(&read.bytes, credential));
        let begun = begun.max().unwrap_or(0).max(secret_begun_at_the_end(&read.bytes));
        read.without(text, self.found(&read.bytes), read.bytes.len() - begun)
    }

    /// Where they are.
    fn found(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for at in memmem::find_iter(text, SECRET_PREFIX) {
            let chars = text[at + SECRET_PREFIX.len()..].iter().take_while(is_of_a_secret).count();
            if chars >= SECRET_CHARS_MIN {
                found.push(at..at + SECRET_PREFIX.len() + chars);
            }
        }
        for credential in self.0.iter().filter(|credential| credential.len() <= text.len()) {
            let finder = memmem::Finder::new(credential);
            let mut from = 0;
            while let Some(at) = finder.find(&text[from..]).map(|at| from + at) {
                let here = at..at + credential.len();
                if credential.len() >= BYTES_MIN || stands_alone(text, &here) {
                    from = here.end;
                    found.push(here);
                } else {
                    from = at + 1;
                }
            }
        }
        found
    }
}

/// A text with the escapes of JSON and of URLs undone.
struct Unescaped<'t> {
    bytes: Cow<'t, [u8]>,
    /// Where each of them begins in the text, and where the last one ends; none if there are no escapes.
    begins: Option<Vec<usize>>,
}

impl<'t> Unescaped<'t> {
    fn of(text: &'t [u8]) -> Self {
        if memchr2(b'\\', b'%', text).is_none() {
            return Self { bytes: Cow::Borrowed(text), begins: None };
        }
        let (mut bytes, mut begins) = (Vec::with_capacity(text.len()), Vec::new());
        let mut at = 0;
        while at < text.len() {
            let (char, length) = escape(&text[at..]).unwrap_or((Char::Byte(text[at]), 1));
            match char {
                Char::Byte(byte) => bytes.push(byte),
                Char::Unicode(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            begins.resize(bytes.len(), at);
            at += length;
        }
        begins.push(text.len());
        Self { bytes: Cow::Owned(bytes), begins: Some(begins) }
    }

    /// The original text up to a place, with a mask in place of what was found.
    fn without(&self, text: &[u8], mut found: Vec<Range<usize>>, end: usize) -> Vec<u8> {
        let original = |at: usize| self.begins.as_ref().map_or(at, |begins| begins[at]);
        found.sort_unstable_by_key(|range| range.start);
        let (mut masked, mut done) = (Vec::with_capacity(text.len()), 0);
        for range in found.into_iter().filter(|range| range.start < end) {
            // One that overlaps the one before it goes with that.
            if range.start >= done {
                masked.extend_from_slice(&text[original(done)..original(range.start)]);
                masked.extend_from_slice(MASK);
            }
            done = done.max(range.end);
        }
        if done < end {
            masked.extend_from_slice(&text[original(done)..original(end)]);
        }
        masked
    }
}

enum Char {
    Byte(u8),
    Unicode(char),
}

/// What an escape stands for, and how long it is.
fn escape(text: &[u8]) -> Option<(Char, usize)> {
    let hex = |digits: &[u8]| {
        let digits =
            str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        u32::from_str_radix(digits?, 16).ok()
    };
    match text {
        [b'%', high, low, ..] => {
            let byte = u8::try_from(hex(&[*high, *low])?).ok()?;
            Some((Char::Byte(byte), 3))
        }
        [b'\\', b'u', digits @ ..] => {
            let c = char::from_u32(hex(digits.get(..4)?)?)?;
            Some((Char::Unicode(c), 6))
        }
        [b'\\', c @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((Char::Byte(*c), 2)),
        _ => None,
    }
}

/// Bytes at a text's end that an escape begins with.
fn half_an_escape(text: &[u8]) -> usize {
    let is_half = |tail: &[u8]| match tail {
        [b'%'] | [b'\\'] | [b'\\', b'u'] => true,
        [b'%', digit] => digit.is_ascii_hexdigit(),
        [b'\\', b'u', digits @ ..] if digits.len() < 4 => digits.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    };
    (1..=text.len().min(5)).rev().find(|n| is_half(&text[text.len() - n..])).unwrap_or(0)
}

/// Bytes at a text's end with which a credential begins. In linear time, by the prefix function of Knuth,
/// Morris and Pratt (1977).
fn begun_at_the_end(text: &[u8], credential: &[u8]) -> usize {
    let next = |longest: &[usize], mut begun: usize, byte: u8| {
        while begun > 0 && credential[begun] != byte {
            begun = longest[begun - 1];
        }
        begun + usize::from(credential[begun] == byte)
    };
    // Of the first n + 1 bytes, how many of the last are the first.
    let mut longest = vec![0; credential.len()];
    for n in 1..credential.len() {
        longest[n] = next(&longest, longest[n - 1], credential[n]);
    }
    let tail = &text[text.len().saturating_sub(credential.len().saturating_sub(1))..];
    tail.iter().fold(0, |begun, byte| next(&longest, begun, *byte))
}

/// Bytes at a text's end that may be a signing secret as far as it goes.
fn secret_begun_at_the_end(text: &[u8]) -> usize {
    match memmem::rfind(text, SECRET_PREFIX) {
        Some(at) if text[at + SECRET_PREFIX.len()..].iter().all(|b| is_of_a_secret(&b)) => {
            text.len() - at
        }
        _ => 0,
    }
}

/// Base64, of either alphabet.
fn is_of_a_secret(byte: &&u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte)
}

/// Whether no word goes on before or after it.
fn stands_alone(text: &[u8], here: &Range<usize>) -> bool {
    let before = here.start.checked_sub(1).and_then(|at| text.get(at));
    ![before, text.get(here.end)].into_iter().flatten().any(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Credentials {
        let whole = values.iter().map(|&value| value.to_owned()).collect();
        Gathered { whole, parts: Vec::new() }.into()
    }

    fn of_header(value: &str) -> Credentials {
        let mut gathered = Gathered::default();
        gathered.add_header(value);
        gathered.into()
    }

    fn masked(credentials: &Credentials, text: &str) -> String {
        String::from_utf8_lossy(&credentials.mask(text.as_bytes())).into_owned()
    }

    fn cut(credentials: &Credentials, text: &str) -> String {
        String::from_utf8(credentials.mask_cut(text.as_bytes())).expect("text")
    }

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        let credentials = of(&["ret1", "", "topsecret1"]);
        assert_eq!(masked(&credentials, "Bearer topsecret1!"), "Bearer ***!");
        assert_eq!(masked(&credentials, "topsecret1 \u{e9}% topsecret1"), "*** \u{e9}% ***");
        assert_eq!(masked(&credentials, r"nothing \u20ac of it%"), r"nothing \u20ac of it%");
    }

    #[test]
    fn a_short_credential_is_masked_where_it_stands_alone() {
        let pin = of(&["1234", "1-1"]);
        assert_eq!(masked(&pin, "1234"), "***");
        let body = r#"{"pin":"1234","n":12345,"v":1} 1234"#;
        assert_eq!(masked(&pin, body), r#"{"pin":"***","n":12345,"v":1} ***"#);
        assert_eq!(masked(&pin, "21-1-1"), "21-***");
    }

    #[test]
    fn a_short_value_of_a_url_is_masked_with_its_name() {
        let mut gathered = Gathered::default();
        for (name, value) in [(Some("v"), "1"), (None, "a"), (Some("t"), "topsecret")] {
            gathered.add_query(name, value);
        }
        let credentials = gathered.into();
        assert_eq!(masked(&credentials, "/?v=1&a&t=topsecret 1"), "/?***&***&t=*** 1");
    }

    #[test]
    fn of_a_header_every_part_is_masked_that_may_be_one() {
        assert_eq!(masked(&of_header("Bearer abc"), "Bearer abc"), "Bearer ***");
        assert_eq!(masked(&of_header("hunter2;x"), r#"{"p":"hunter2;x"}"#), r#"{"p":"***"}"#);
        let cookie = of_header("session=s3cr3t-s3cr3t; consent=accepted");
        assert_eq!(masked(&cookie, "session=s3cr3t-s3cr3t; consent=accepted"), "***");
        assert_eq!(masked(&cookie, "s3cr3t-s3cr3t, session=s3cr3t-s3cr3t"), "***, ***");
        assert_eq!(masked(&cookie, r#"{"status":"accepted"}"#), r#"{"status":"accepted"}"#);
        let digest = of_header("Digest username=\"u\",response=\"0123456789abcdef\",\tnc=1");
        assert_eq!(masked(&digest, "got 0123456789abcdef"), "got ***");
        assert_eq!(masked(&of_header(""), "as it is"), "as it is");
    }

    #[test]
    fn a_credential_is_masked_however_json_and_urls_escape_it() {
        let credential = of(&["a/b+c\"d=<\\f\u{e9}"]);
        let texts = [
            "a/b+c\"d=<\\f\u{e9}",
            "a\\/b+c\\\"d=<\\\\f\u{e9}",
            r"a/b\u002Bc\u0022d\u003d\u003c\\f\u00e9",
            "a%2Fb%2Bc%22d%3D%3C%5Cf%C3%A9",
            "a%2fb+c%22d=%3c%5cf%c3%a9",
        ];
        for text in texts {
            assert_eq!(masked(&credential, &format!("<{text}>\\n")), "<***>\\n", "{text}");
        }
        // What is escaped already, as it is and escaped again.
        let escaped = of(&["sesame%2Fopen"]);
        for text in ["sesame%2Fopen", "sesame/open", "sesame%252Fopen"] {
            assert_eq!(masked(&escaped, text), "***", "{text}");
        }
    }

    #[test]
    fn anybodys_signing_secret_is_masked_and_what_only_begins_like_one_is_not() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let none = of(&[]);
        assert_eq!(masked(&none, &format!("a {secret}, whsec_short")), "a ***, whsec_short");
        let body = format!("\"{secret}\" {secret}== whsec_ whsec_abc");
        assert_eq!(masked(&none, &body), "\"***\" *** whsec_ whsec_abc");
        for written in
            [r"whsec_MfKQ9r\/GKYqrTwjUPD8ILPZIo2", "whsec_MfKQ%2Fr8%2BKYqrTwjUPD8ILPZIo2"]
        {
            assert_eq!(masked(&none, &format!(r#"{{"s":"{written}"}}"#)), r#"{"s":"***"}"#);
        }
        // A credential that is how secrets begin hides none.
        assert_eq!(masked(&of(&["whsec"]), &format!("whsec {secret}")), "*** ***");
    }

    #[test]
    fn what_is_cut_ends_before_a_credential_that_may_have_begun() {
        let credentials = of(&["topsecret1", "top/secret", "topsecret1.and-more"]);
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(cut(&credentials, "a topsecret"), "a ");
        assert_eq!(cut(&credentials, "a topsecret1."), "a ");
        assert_eq!(cut(&credentials, "a topsecret1 and"), "a *** and");
        for half in [r"top\/secre", r"top\u002", r"top\", "top%2", "top%2F", r"top\u002fs"] {
            assert_eq!(cut(&credentials, &format!("a {half}")), "a ", "{half}");
        }
        assert_eq!(cut(&credentials, "a top secrets"), "a top secrets");
        assert_eq!(cut(&credentials, &format!("a {}", &secret[..20])), "a ");
        assert_eq!(cut(&credentials, "a whsec_abc is here"), "a whsec_abc is here");
    }

    #[test]
    fn the_longest_beginning_is_found_whatever_it_repeats() {
        let credentials = ["aabaabaaa", "ababac", "a", "ab", "xyz"];
        for text in ["", "a", "aa", "aabaab", "aabaabaabaa", "ababab", "zzzxy", "ababacabab"] {
            for credential in credentials {
                let is_end = |n: &usize| text.ends_with(&credential[..*n]);
                let longest = (0..credential.len()).rev().find(is_end);
                let found = begun_at_the_end(text.as_bytes(), credential.as_bytes());
                assert_eq!(Some(found), longest, "{credential} in {text}");
            }
        }
    }

    #[test]
    fn what_is_looked_for_is_bounded_and_headers_come_first() {
        let mut gathered = Gathered::default();
        gathered.add_header("Bearer sk-0123");
        for n in 0..2_000 {
            gathered.add_query(None, &format!("{n:0>8}"));
        }
        gathered.add_header(&"<x-y-z-0> ".repeat(5_000));
        let credentials = Credentials::from(gathered);
        assert_eq!(credentials.0.len(), CREDENTIALS_MAX);
        assert_eq!(masked(&credentials, "sk-0123"), "***");
    }
}
