//! Where a webhook may live: the grammar of a target URL. Whether its address may be dialled is
//! not decided here but by [`crate::egress`].
//!
//! One parser reads the URL, and its normalised form is what is stored, shown and dialled: two
//! parsers that disagree about a host are how filters are passed by. What that parser would
//! silently repair (tabs, backslashes, missing slashes, percent-encoded hosts) is refused on the
//! raw text before, because another reader of the same text would repair it differently.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url, form_urlencoded};

use crate::Invalid;

/// The longest URL, as given and as normalised, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;
/// The longest host name and label, in bytes (RFC 1035 section 2.3.4, without the root's dot).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Ports below this one belong to well-known services and are closed but for [`PORTS_OPEN`].
const PORT_FREE_MIN: u16 = 1_024;
const PORTS_OPEN: [u16; 2] = [80, 443];
/// Ports of services that would take a request for something of their own: MySQL, PostgreSQL,
/// Redis, Elasticsearch, memcached, MongoDB.
const PORTS_CLOSED: [u16; 6] = [3306, 5432, 6379, 9200, 11211, 27017];

/// The URL of a webhook, in its normalised form (WHATWG URL Standard), `http` or `https`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TargetUrl(Url);

impl TargetUrl {
    /// Reads a URL by grammar alone: no policy, no name is resolved. The scheme is judged before
    /// the host, because for other schemes the parser reports `127.0.0.1` as a name.
    ///
    /// # Errors
    /// `url_too_long`, `url_invalid`, `scheme`, `userinfo`, `fragment` or `port`, in that order.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        check_length(text)?;
        check_characters(text)?;
        check_authority(after_scheme(text)?)?;
        if text.contains('#') {
            return Err(Invalid::new("fragment", "a webhook's URL cannot have a # part"));
        }
        let url = Url::parse(text).map_err(|_| invalid("the URL cannot be read"))?;
        let url = without_final_dot(url)?;
        check_name(&url)?;
        check_port(&url)?;
        check_length(url.as_str())?;
        Ok(Self(url))
    }

    /// The normalised form: what is stored, dialled and shown to its owner.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn url(&self) -> &Url {
        &self.0
    }

    pub fn host(&self) -> Host<&str> {
        self.0.host().expect("the parser accepts no http or https URL without a host")
    }

    /// The port that is dialled, given or the scheme's own.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().expect("http and https have a port of their own")
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether requests to the other go to the same party: its scheme, host and port are the same.
    pub fn has_origin_of(&self, other: &TargetUrl) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// The values in its query, where tokens are put: the name of each, if it has one, the value as it
    /// stands there and as it is read.
    pub fn query_values(&self) -> impl Iterator<Item = (Option<&str>, &str, String)> {
        let pairs = self.0.query().unwrap_or_default().split('&');
        let pairs = pairs.map(|pair| match pair.split_once('=') {
            Some((name, value)) => (Some(name), value),
            None => (None, pair),
        });
        let read = |value: &str| {
            let named = format!("={value}");
            form_urlencoded::parse(named.as_bytes()).map(|(_, read)| read).collect()
        };
        pairs
            .filter(|(_, value)| !value.is_empty())
            .map(move |(name, value)| (name, value, read(value)))
    }

    /// The URL for logs and lists: the values of its query, where tokens are put, become `***`.
    pub fn redacted(&self) -> String {
        let Some((before, query)) = self.as_str().split_once('?') else {
            return self.as_str().to_owned();
        };
        let mut shown = format!("{before}?");
        for (n, pair) in query.split('&').enumerate() {
            if n > 0 {
                shown.push('&');
            }
            // Without a `=` there is no telling a name from a value.
            if let Some((name, _)) = pair.split_once('=') {
                shown.push_str(name);
                shown.push('=');
            }
            shown.push_str("***");
        }
        shown
    }
}

/// Redacted, so that no log line carries a token.
impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for TargetUrl {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TargetUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(d)?;
        TargetUrl::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn invalid(message: &'static str) -> Invalid {
    Invalid::new("url_invalid", message)
}

fn check_length(text: &str) -> Result<(), Invalid> {
    if text.len() > URL_BYTES_MAX {
        return Err(Invalid::new("url_too_long", "a webhook's URL takes up to 2048 bytes"));
    }
    Ok(())
}

/// Refuses what the parser would drop or turn round: white space and controls, characters that
/// cannot be seen, and backslashes, which it reads as slashes.
fn check_characters(text: &str) -> Result<(), Invalid> {
    let unseen = |c: char| {
        matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}' | '\u{e0000}'..='\u{e0fff}'
        )
    };
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || unseen(c)) {
        return Err(invalid("the URL contains spaces, control or invisible characters"));
    }
    if text.contains('\\') {
        return Err(invalid("the URL contains a backslash; write %5C if it is meant"));
    }
    Ok(())
}

/// What follows `http://` or `https://`.
fn after_scheme(text: &str) -> Result<&str, Invalid> {
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(Invalid::new("scheme", "a webhook's URL begins with https:// (or http://)"));
    }
    match rest.strip_prefix("//") {
        Some(rest) if !rest.starts_with('/') => Ok(rest),
        _ => Err(invalid("exactly two slashes and a host follow the scheme")),
    }
}

/// Checks `user@host:port` as it was written, before the parser decodes and repairs it.
fn check_authority(rest: &str) -> Result<(), Invalid> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Invalid::new(
            "userinfo",
            "a webhook's URL cannot carry a user or password; set an authorization header instead",
        ));
    }
    // The colons of an IPv6 address are between brackets.
    let host_end = if authority.starts_with('[') {
        authority.find(']').map(|end| end + 1).ok_or_else(|| invalid("the URL's host has no ]"))?
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(host_end);
    if host.is_empty() {
        return Err(invalid("the URL has no host"));
    }
    if host.contains('%') {
        return Err(invalid("the URL's host is percent-encoded or has a zone; write it plainly"));
    }
    match port.strip_prefix(':') {
        Some(digits) => check_port_digits(digits),
        None if port.is_empty() => Ok(()),
        None => Err(invalid("only a port may follow the address in brackets")),
    }
}

/// None, or a number from 1 to 65535 with any zeros before it.
fn check_port_digits(digits: &str) -> Result<(), Invalid> {
    let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.trim_start_matches('0').parse::<u16>();
    if digits.is_empty() || all_digits && number.is_ok() { Ok(()) } else { Err(port_refused()) }
}

/// `example.com.` and `example.com` are one host; the dot would end up in the TLS server name.
fn without_final_dot(mut url: Url) -> Result<Url, Invalid> {
    if let Some(Host::Domain(name)) = url.host()
        && let Some(name) = name.strip_suffix('.')
    {
        let name = name.to_owned();
        url.set_host(Some(&name)).map_err(|_| invalid("the URL's host is not a host name"))?;
    }
    Ok(url)
}

fn check_name(url: &Url) -> Result<(), Invalid> {
    let Some(Host::Domain(name)) = url.host() else {
        return Ok(());
    };
    let label_fits = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(label_fits) {
        return Err(invalid(
            "the URL's host is not a host name: labels of 1 to 63 letters, digits, - or _, \
             joined by dots, at most 253 bytes",
        ));
    }
    Ok(())
}

fn check_port(url: &Url) -> Result<(), Invalid> {
    let open = url.port_or_known_default().is_some_and(|port| {
        PORTS_OPEN.contains(&port) || port >= PORT_FREE_MIN && !PORTS_CLOSED.contains(&port)
    });
    if open { Ok(()) } else { Err(port_refused()) }
}

fn port_refused() -> Invalid {
    Invalid::new(
        "port",
        "the URL's port must be 80, 443 or between 1024 and 65535, and not one that databases \
         listen on (3306, 5432, 6379, 9200, 11211, 27017)",
    )
}

#[cfg(test)]
mod tests;
