//! The forms that headers have to have, which rule one breaks, and what was probably meant.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use base64::prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};

use super::Reason;

/// A header as it reads, and what is wrong with how it is written.
pub(super) struct Read<T> {
    /// What was meant, as far as it can be guessed.
    pub(super) meant: T,
    pub(super) wrong: Option<Reason>,
}

fn malformed(name: &str, rule: impl std::fmt::Display) -> Option<Reason> {
    Some(Reason::new("header_malformed", format!("{name} {rule}")))
}

/// `webhook-id`: any text without a dot.
pub(super) fn id(given: &str) -> Read<String> {
    let meant = given.trim().to_owned();
    let wrong = if meant.is_empty() {
        malformed("webhook-id", "is empty")
    } else if meant.len() != given.len() {
        malformed("webhook-id", "has white space around it: it is signed without")
    } else if meant.contains(['"', '\'', ' ', ',']) {
        malformed("webhook-id", "has quotes, spaces or commas in it: an id has none")
    } else {
        None
    };
    Read { meant, wrong }
}

/// `webhook-timestamp`: whole seconds since 1970, digits and nothing else.
pub(super) fn timestamp(given: &str) -> Read<String> {
    let as_it_is = |wrong| Read { meant: given.to_owned(), wrong };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits(given) {
        let unit = match given.len() {
            13 => "milliseconds",
            16 => "microseconds",
            19 => "nanoseconds",
            ..=12 => return as_it_is(None),
            _ => return as_it_is(malformed("webhook-timestamp", "is no time: it is too large")),
        };
        let meant = given[..10].to_owned();
        let rule = format!("is in {unit} ({given}): it has to be whole seconds, here {meant}");
        return Read { meant, wrong: malformed("webhook-timestamp", rule) };
    }
    let trimmed = given.trim();
    if digits(trimmed) {
        let wrong = malformed("webhook-timestamp", "has white space around it");
        return Read { meant: trimmed.to_owned(), wrong };
    }
    if let Some((whole, part)) = trimmed.split_once('.')
        && digits(whole)
        && digits(part)
    {
        let rule = format!("has a decimal point ({trimmed}): it has to be whole seconds");
        return Read { meant: whole.to_owned(), wrong: malformed("webhook-timestamp", rule) };
    }
    if let Ok(at) = crate::time::Timestamp::parse(trimmed) {
        let meant = at.secs().to_string();
        let rule = format!("is a date: it has to be seconds since 1970, here {meant}");
        return Read { meant, wrong: malformed("webhook-timestamp", rule) };
    }
    let rule = if given.is_empty() { "is empty" } else { "is no number of seconds since 1970" };
    as_it_is(malformed("webhook-timestamp", rule))
}

/// `webhook-signature`: `v1,` and the padded base64 of 32 bytes, several with one space between.
pub(super) fn signatures(given: &str) -> Read<Vec<Vec<u8>>> {
    let strict: Option<Vec<_>> = given.split(' ').map(strict).collect();
    if let Some(strict) = strict {
        let meant: Vec<_> = strict.into_iter().flatten().collect();
        if meant.iter().all(|signature| signature.len() == 48) && rule(given) == HEX {
            // Its digits are base64, too.
            return Read { meant: lenient(given), wrong: malformed("webhook-signature", HEX) };
        }
        let wrong = if meant.is_empty() {
            malformed(
                "webhook-signature",
                "has no v1 signature, only of versions that Postrider does not make",
            )
        } else if meant.iter().all(|signature| signature.len() != 32) {
            malformed(
                "webhook-signature",
                "is not 32 bytes long: it was cut off, or is no HMAC-SHA256",
            )
        } else {
            None
        };
        return Read { meant, wrong };
    }
    Read { meant: lenient(given), wrong: malformed("webhook-signature", rule(given)) }
}

/// One signature: none if it is malformed, an empty answer if it is of another version.
fn strict(signature: &str) -> Option<Option<Vec<u8>>> {
    let (version, encoded) = signature.split_once(',')?;
    match version {
        "v1" => Some(Some(BASE64_STANDARD.decode(encoded).ok()?)),
        // Of a version to come, which is for others to check.
        _ if version.starts_with('v') && !encoded.contains(',') => Some(None),
        _ => None,
    }
}

const HEX: &str = "is in hex: it has to be base64";

fn rule(given: &str) -> &'static str {
    let hex = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let bare = given.trim();
    let first = bare.split_once(',').map_or(bare, |(_, encoded)| encoded);
    if bare.is_empty() {
        "is empty"
    } else if bare.len() != given.len() {
        "has white space around it"
    } else if given.contains('\t') || given.contains('\n') {
        "has a tab or a line break between its signatures: there has to be one space"
    } else if given.contains("  ") {
        "has two spaces between its signatures: there has to be one"
    } else if given.starts_with("t=") || given.contains(",v1=") {
        "is of Stripe's form (t=…,v1=…): it has to be v1,<base64>"
    } else if given.starts_with("sha256=") {
        "is of GitHub's form (sha256=…): it has to be v1,<base64>"
    } else if !given.contains(',') {
        "does not begin with v1, and a comma: it is v1,<base64>"
    } else if given.contains(",v1,") || given.contains(", v1,") {
        "has a comma between its signatures: there has to be one space"
    } else if hex(first) {
        HEX
    } else if first.contains(['-', '_']) {
        "is in the URL-safe base64 (with - and _): it has to be the standard one (with + and /)"
    } else if BASE64_STANDARD_NO_PAD.decode(first).is_ok() {
        "lacks the = at its end: it has to be base64 with padding"
    } else {
        "is not v1,<base64>, with one space between several"
    }
}

/// Whatever could be a signature in it.
fn lenient(given: &str) -> Vec<Vec<u8>> {
    let words = given.split(|c: char| c.is_whitespace() || c == ',');
    let words = words.map(|word| {
        let word = word.strip_prefix("v1=").or(word.strip_prefix("sha256=")).unwrap_or(word);
        word.trim_matches(['"', '\''])
    });
    words.filter_map(decode).filter(|signature| signature.len() == 32).collect()
}

fn decode(word: &str) -> Option<Vec<u8>> {
    if word.len() == 64
        && let Some(bytes) = unhex(word)
    {
        return Some(bytes);
    }
    let engines =
        [&BASE64_STANDARD, &BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE, &BASE64_URL_SAFE_NO_PAD];
    engines.iter().find_map(|engine| engine.decode(word).ok())
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// The token of an `authorization` header that bears one.
pub(super) fn bearer(given: &str) -> Option<&str> {
    let (scheme, token) = given.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `authorization`: `Bearer` and a token of three parts.
pub(super) fn token(given: &str) -> Read<&str> {
    let meant = bearer(given).unwrap_or(given.trim());
    let rule = if !given.starts_with("Bearer ") {
        "does not begin with Bearer and a space"
    } else if given["Bearer ".len()..] != *meant {
        "has more white space than one space after Bearer"
    } else if meant.split('.').count() != 3 {
        "holds no token of three parts with a dot between"
    } else if meant.contains('=') {
        "holds a token in base64 with padding: a token has none"
    } else {
        return Read { meant, wrong: None };
    };
    Read { meant, wrong: malformed("Authorization", rule) }
}
