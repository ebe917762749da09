//! What commands are given: ids, a tenant, a secret, a body, a request, a time.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use model::id::{DeliveryId, WebhookId};
use model::secret;
use model::signature::diagnose;
use model::tenant::Tenant;
use model::time::Timestamp;
use serde::Deserialize;

use crate::failure::Failure;
use crate::output::sentence;
use crate::settings::Secret;

/// More than any event has.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// More than any key or secret has.
const SMALL_BYTES_MAX: u64 = 64 * 1024;

/// A signing secret. On a command line it is seen by everybody on the machine and stays in the shell's
/// history, so there are two other ways.
#[derive(Debug, Clone, Args)]
pub struct SecretArgs {
    /// The webhook's signing secret, whsec_…; rather set POSTRIDER_SECRET or use --secret-file, which
    /// leave nothing in the shell's history
    #[arg(
        long,
        value_name = "SECRET",
        env = "POSTRIDER_SECRET",
        hide_env_values = true,
        value_parser = secret_text
    )]
    secret: Option<Secret>,

    /// A file that holds the secret
    #[arg(long, value_name = "FILE", env = "POSTRIDER_SECRET_FILE")]
    secret_file: Option<PathBuf>,
}

impl SecretArgs {
    pub fn read(&self) -> Result<Option<Secret>, Failure> {
        // An empty variable counts as unset, as everywhere.
        let secret = self.secret.as_ref().filter(|secret| !secret.expose().is_empty());
        let file = self.secret_file.as_ref().filter(|path| !path.as_os_str().is_empty());
        match (secret, file) {
            (Some(_), Some(_)) => Err(Failure::usage(
                "a secret is given twice, as itself and as a file: leave out one of --secret \
                 (POSTRIDER_SECRET) and --secret-file.",
            )),
            (Some(secret), None) => Ok(Some(secret.clone())),
            (None, Some(path)) => {
                let text = small_file(path).map_err(|e| {
                    Failure::usage(format!("the secret in {} cannot be read: {e}.", path.display()))
                })?;
                // The line's end that editors add is nobody's mistake.
                Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned().into()))
            }
            (None, None) => Ok(None),
        }
    }

    /// # Errors
    /// When there is none.
    pub fn required(&self) -> Result<Secret, Failure> {
        self.read()?.ok_or_else(|| {
            Failure::usage(
                "there is no secret: set POSTRIDER_SECRET to the webhook's whsec_…, or name a file \
                 that holds it with --secret-file.",
            )
        })
    }
}

/// The secret itself.
///
/// # Errors
/// Which rule it breaks, in the words of `verify`.
pub fn checked(given: &Secret) -> Result<secret::Secret, Failure> {
    secret::Secret::parse(given.expose()).map_err(|e| {
        let reason = diagnose::check_secret(given.expose());
        Failure::usage(sentence(&reason.map_or_else(|| e.to_string(), |reason| reason.message)))
    })
}

fn secret_text(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(text.to_owned().into())
}

/// A request as it was received.
#[derive(Debug, Default)]
pub struct Received {
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// What was noticed while it was read.
    pub notes: Vec<String>,
}

impl Received {
    /// Reads a whole request: raw HTTP, or a line of `receive --json`.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Failure> {
        if bytes.trim_ascii_start().starts_with(b"{") {
            return Self::from_json(&bytes);
        }
        let (head, body) = split_head(&bytes).ok_or_else(|| {
            Failure::usage(
                "the request has no empty line between its headers and its body: --request takes raw \
                 HTTP, or what `postrider receive --json` prints.",
            )
        })?;
        let mut received =
            Self { headers: header_lines(head)?, body: body.to_vec(), notes: vec![] };
        received.cut()?;
        Ok(received)
    }

    fn from_json(bytes: &[u8]) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Line {
            headers: Vec<(String, String)>,
            #[serde(default)]
            body: Option<String>,
            #[serde(default)]
            body_base64: Option<String>,
        }
        use base64::Engine as _;
        let line: Line = serde_json::from_slice(bytes).map_err(|e| {
            Failure::usage(format!(
                "the request is JSON, and not one line of `postrider receive --json`: {e}."
            ))
        })?;
        let decoded = line.body_base64.map(|body| {
            let decoded = base64::prelude::BASE64_STANDARD.decode(body);
            decoded.map_err(|_| Failure::usage("body_base64 is not base64."))
        });
        let body = decoded.transpose()?.or(line.body.map(String::into_bytes)).unwrap_or_default();
        Ok(Self { headers: line.headers, body, notes: Vec::new() })
    }

    /// What a file has after the body's end is not of the body: editors end a file with a newline.
    fn cut(&mut self) -> Result<(), Failure> {
        let value = |name: &str| {
            let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim())
        };
        if value("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            return Err(Failure::usage(
                "the request is chunked: give its headers with --headers and its decoded body with \
                 --body.",
            ));
        }
        let Some(length) = value("content-length").and_then(|v| v.parse::<usize>().ok()) else {
            return Ok(());
        };
        let had = self.body.len();
        if had > length {
            self.body.truncate(length);
            let more = had - length;
            self.notes.push(format!(
                "what follows the end of the body by content-length is left out ({more} B)"
            ));
        } else if had < length {
            self.notes.push(format!(
                "the body has {had} bytes and content-length says {length}: it was cut off, or decoded"
            ));
        }
        Ok(())
    }
}

/// At the first empty line, whatever its line ends.
fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut start = 0;
    loop {
        let end = start + bytes[start..].iter().position(|b| *b == b'\n')?;
        if bytes[start..end].trim_ascii().is_empty() && start > 0 {
            return Some((&bytes[..start], &bytes[end + 1..]));
        }
        start = end + 1;
    }
}

/// Header lines as they are on the wire, or as `curl -v` shows them; a request line before them is
/// passed over.
pub fn header_lines(head: &[u8]) -> Result<Vec<(String, String)>, Failure> {
    let text = std::str::from_utf8(head)
        .map_err(|_| Failure::usage("the headers are not text in UTF-8."))?;
    let lines = text.lines().map(|line| line.strip_prefix("> ").unwrap_or(line));
    let lines = lines.filter(|line| !line.trim().is_empty() && *line != ">");
    let is_first = |line: &str| line.contains(" HTTP/1.") || line.contains(" HTTP/2");
    lines.filter(|line| !is_first(line)).map(header_line).collect()
}

/// `name: value`.
pub fn header_line(line: &str) -> Result<(String, String), Failure> {
    match line.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() && !name.trim().contains(' ') => {
            let value = value.strip_prefix(' ').unwrap_or(value);
            Ok((name.trim().to_owned(), value.trim_end_matches(['\r', '\n']).to_owned()))
        }
        // Not repeated: it may hold a secret.
        _ => Err(Failure::usage(
            "a header is not of the form 'name: value', such as 'webhook-id: evt_1'.",
        )),
    }
}

/// The text of a file that holds a key or a secret, and not much else.
pub fn small_file(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(SMALL_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SMALL_BYTES_MAX {
        let kib = SMALL_BYTES_MAX / 1024;
        return Err(std::io::Error::other(format!("it is larger than {kib} KiB")));
    }
    Ok(text)
}

/// The bytes that an argument stands for: `@FILE`, `-` for stdin, else itself.
pub fn bytes(argument: &str, what: &str) -> Result<Vec<u8>, Failure> {
    let mut read = Vec::new();
    let (from, result) = match argument.strip_prefix('@') {
        Some(path) => {
            let file = std::fs::File::open(path);
            (path, file.and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut read)))
        }
        None if argument == "-" => {
            ("stdin", std::io::stdin().take(BYTES_MAX + 1).read_to_end(&mut read))
        }
        None => {
            note_forgotten_at(argument, what);
            return Ok(argument.as_bytes().to_vec());
        }
    };
    result.map_err(|e| Failure::usage(format!("the {what} in {from} cannot be read: {e}.")))?;
    if read.len() as u64 > BYTES_MAX {
        return Err(Failure::usage(format!("the {what} in {from} is larger than 16 MiB.")));
    }
    Ok(read)
}

/// On stderr, if the text that was given is the name of a file.
pub fn note_forgotten_at(argument: &str, what: &str) {
    // A longer text is no file's name.
    if argument.len() < 256 && Path::new(argument).is_file() {
        eprintln!(
            "Note: the {what} is the text {argument:?}; to read the file, write @{argument}."
        );
    }
}

/// A whole number within bounds.
pub fn whole(
    min: u64,
    max: u64,
) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("a whole number from {min} to {max}")),
    }
}

pub fn delivery(text: &str) -> Result<String, String> {
    DeliveryId::parse(text).map(|_| text.to_owned()).ok_or_else(|| {
        "it is not a delivery's id (dlv_ and 52 letters and digits): was it cut off or mistyped? \
         `postrider deliveries list` shows them"
            .to_owned()
    })
}

pub fn webhook(text: &str) -> Result<String, String> {
    WebhookId::parse(text).map(|_| text.to_owned()).ok_or_else(|| {
        "it is not a webhook's id (wh_ and 26 letters and digits): was it cut off or mistyped? \
         `postrider webhooks list` shows them"
            .to_owned()
    })
}

pub fn tenant(text: &str) -> Result<String, String> {
    Tenant::parse(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

/// RFC 3339 or seconds since 1970.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(s) = text.parse::<i64>() {
        // So far ahead it is milliseconds.
        return if (0..100_000_000_000).contains(&s) {
            Ok(Timestamp::from_secs(s))
        } else {
            Err("seconds since 1970 have ten digits: is it in milliseconds?".into())
        };
    }
    Timestamp::parse(text)
        .map_err(|_| "a time is 2026-08-22T10:00:00Z or seconds since 1970".to_owned())
}

/// `500ms`, `3s`, `2m`; a number alone is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a number with ms, s or m, such as 500ms or 3s".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" | "min" => 60_000,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_millis(number.saturating_mul(ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(headers: &[(String, String)]) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn a_request_is_read_from_every_form_in_which_it_is_at_hand() {
        let expected = [("Host", "a"), ("webhook-id", "evt_1")];
        for raw in [
            "POST /x HTTP/1.1\r\nHost: a\r\nwebhook-id: evt_1\r\n\r\n{\"a\": 1}\n",
            "POST /x HTTP/1.1\nHost: a\nwebhook-id:evt_1\n\n{\"a\": 1}\n",
            "Host: a\nwebhook-id: evt_1\n\n{\"a\": 1}\n",
            "> POST /x HTTP/1.1\n> Host: a\n> webhook-id: evt_1\n\n{\"a\": 1}\n",
        ] {
            let received = Received::parse(raw.into()).expect(raw);
            assert_eq!(pairs(&received.headers), expected, "{raw}");
            assert_eq!(received.body, b"{\"a\": 1}\n", "{raw}");
        }
        let line = r#"{"headers":[["webhook-id","evt_1"],["webhook-id","evt_2"]],"body":"é"}"#;
        let received = Received::parse(line.into()).expect(line);
        assert_eq!(pairs(&received.headers), [("webhook-id", "evt_1"), ("webhook-id", "evt_2")]);
        assert_eq!(received.body, "é".as_bytes());
        let line = r#"{"headers":[],"body_base64":"/w=="}"#;
        assert_eq!(Received::parse(line.into()).expect(line).body, [0xff]);
    }

    #[test]
    fn the_body_ends_where_its_length_says() {
        let parse = |raw: &str| Received::parse(raw.into()).expect("a request");
        let longer = parse("content-length: 2\n\n{}\n");
        assert_eq!((longer.body.as_slice(), longer.notes.len()), (&b"{}"[..], 1));
        let shorter = parse("content-length: 9\n\n{}");
        assert_eq!((shorter.body.as_slice(), shorter.notes.len()), (&b"{}"[..], 1));
        assert!(parse("content-length: 2\n\n{}").notes.is_empty());
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for raw in ["", "hello", "a: b", "{}", "no colon\n\n{}", "transfer-encoding: chunked\n\n1"]
        {
            assert!(Received::parse(raw.into()).is_err(), "{raw}");
        }
    }

    #[test]
    fn times_are_read_in_the_forms_people_write() {
        let at = Ok(Timestamp::from_secs(1_787_392_800));
        for text in ["1787392800", "2026-08-22T10:00:00Z", "2026-08-22T12:00:00+02:00"] {
            assert_eq!(moment(text), at, "{text}");
        }
        assert!(moment("1787392800000").is_err() && moment("now").is_err());
        for (text, ms) in [("500ms", 500), ("3s", 3_000), ("3", 3_000), ("2m", 120_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert!(duration("ms").is_err() && duration("3h").is_err() && duration("").is_err());
    }
}
