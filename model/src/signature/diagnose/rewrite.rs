//! JSON as other libraries would have written it: other white space, other escapes, another order,
//! and every number and string otherwise as it stands. Nothing is parsed into values, because a value
//! forgets how it was written.

use serde::de::IgnoredAny;

/// The white space between the parts of JSON.
#[derive(Clone, Copy)]
pub(super) enum Layout {
    /// None: `JSON.stringify(x)`.
    Compact,
    /// `json.dumps(x)` of Python.
    Spaced,
    /// `JSON.stringify(x, null, 2)`.
    Indented(&'static str),
}

/// None if it is no JSON.
pub(super) fn laid_out(body: &[u8], layout: Layout) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len() * 2);
    lay_out(&mut out, &parts(body)?, layout);
    Some(out)
}

/// The envelope compact, as it is sent, and what was published in another layout.
pub(super) fn data_laid_out(body: &[u8], layout: Layout) -> Option<Vec<u8>> {
    let members = members(body)?;
    let mut out = Vec::with_capacity(body.len() * 2);
    for (n, (key, value)) in members.iter().enumerate() {
        out.push(if n == 0 { b'{' } else { b',' });
        out.extend_from_slice(key);
        out.push(b':');
        let published = matches!(*key, br#""data""# | br#""event""#);
        lay_out(&mut out, value, if published { layout } else { Layout::Compact });
    }
    out.push(b'}');
    Some(out)
}

/// The envelope in the order in which it is sent. The order of what is in it nobody knows any more.
pub(super) fn ordered(body: &[u8]) -> Option<Vec<u8>> {
    const ENVELOPES: [&[&[u8]]; 2] =
        [&[br#""type""#, br#""timestamp""#, br#""data""#], &[br#""event""#, br#""date""#]];
    let members = members(body)?;
    let order = ENVELOPES.iter().find(|order| {
        order.len() == members.len() && members.iter().all(|(key, _)| order.contains(key))
    })?;
    if members.iter().map(|(key, _)| key).eq(order.iter()) {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    for (n, key) in order.iter().enumerate() {
        let (_, value) = members.iter().find(|(given, _)| given == key)?;
        out.push(if n == 0 { b'{' } else { b',' });
        out.extend_from_slice(key);
        out.push(b':');
        lay_out(&mut out, value, Layout::Compact);
    }
    out.push(b'}');
    Some(out)
}

/// A mark such as `{`, or a string, number or word as it stands.
type Part<'a> = &'a [u8];

/// What JSON is made of, without the white space between.
fn parts(body: &[u8]) -> Option<Vec<Part<'_>>> {
    serde_json::from_slice::<IgnoredAny>(body).ok()?;
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < body.len() {
        let end = match body[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'{' | b'}' | b'[' | b']' | b':' | b',' => at + 1,
            b'"' => end_of_string(body, at)?,
            _ => {
                let is_mark = |b: &u8| b" \t\r\n{}[]:,\"".contains(b);
                body[at..].iter().position(is_mark).map_or(body.len(), |length| at + length)
            }
        };
        parts.push(&body[at..end]);
        at = end;
    }
    Some(parts)
}

fn end_of_string(body: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match body.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The members of a top-level object: keys, and the parts of their values.
fn members(body: &[u8]) -> Option<Vec<(Part<'_>, Vec<Part<'_>>)>> {
    let parts = parts(body)?;
    let inner = parts.strip_prefix(&[b"{" as Part<'_>])?.strip_suffix(&[b"}" as Part<'_>])?;
    let (mut members, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, part) in inner.iter().enumerate() {
        match *part {
            b"{" | b"[" => depth += 1,
            b"}" | b"]" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        let last = at + 1 == inner.len();
        if depth == 0 && (*part == b"," || last) {
            let member = &inner[start..if last { at + 1 } else { at }];
            let (key, rest) = member.split_first()?;
            members.push((*key, rest.strip_prefix(&[b":" as Part<'_>])?.to_vec()));
            start = at + 1;
        }
    }
    (!members.is_empty()).then_some(members)
}

fn lay_out(out: &mut Vec<u8>, parts: &[Part<'_>], layout: Layout) {
    let mut depth = 0_usize;
    let line = |out: &mut Vec<u8>, depth: usize| {
        if let Layout::Indented(by) = layout {
            out.push(b'\n');
            (0..depth).for_each(|_| out.extend_from_slice(by.as_bytes()));
        }
    };
    let spaced = !matches!(layout, Layout::Compact);
    for (at, part) in parts.iter().enumerate() {
        let is_empty = |opened: &[u8]| at > 0 && parts[at - 1] == opened;
        match *part {
            b"}" | b"]" => {
                depth = depth.saturating_sub(1);
                if !is_empty(if *part == b"}" { b"{" } else { b"[" }) {
                    line(out, depth);
                }
                out.extend_from_slice(part);
            }
            b"{" | b"[" => {
                out.extend_from_slice(part);
                depth += 1;
                let next = parts.get(at + 1).copied().unwrap_or_default();
                if !matches!(next, b"}" | b"]") {
                    line(out, depth);
                }
            }
            b"," => {
                out.push(b',');
                if matches!(layout, Layout::Spaced) {
                    out.push(b' ');
                }
                line(out, depth);
            }
            b":" => {
                out.push(b':');
                if spaced {
                    out.push(b' ');
                }
            }
            _ => out.extend_from_slice(part),
        }
    }
}

/// Goes through a text escape by escape. `escape` is told what begins with a backslash, `plain` each
/// other character; what they return takes its place.
fn spelled(
    body: &[u8],
    escape: impl Fn(&str) -> Option<(String, usize)>,
    plain: impl Fn(char) -> Option<String>,
) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c == '\\' {
            if let Some((instead, length)) = escape(&text[at..]) {
                out.push_str(&instead);
                at += length;
            } else {
                // With what it escapes, so that the second of two backslashes begins nothing.
                let escaped = text[at + 1..].chars().next();
                let length = 1 + escaped.map_or(0, char::len_utf8);
                out.push_str(&text[at..at + length]);
                at += length;
            }
        } else {
            match plain(c) {
                Some(instead) => out.push_str(&instead),
                None => out.push(c),
            }
            at += c.len_utf8();
        }
    }
    Some(out.into_bytes())
}

pub(super) fn slash_unescaped(body: &[u8]) -> Option<Vec<u8>> {
    spelled(body, |rest| rest.starts_with("\\/").then(|| ("/".into(), 2)), |_| None)
}

/// As PHP writes it; a slash stands nowhere but in strings.
pub(super) fn slash_escaped(body: &[u8]) -> Option<Vec<u8>> {
    spelled(body, |_| None, |c| (c == '/').then(|| "\\/".into()))
}

pub(super) fn unicode_unescaped(body: &[u8]) -> Option<Vec<u8>> {
    let escape = |rest: &str| {
        let first = unit(rest)?;
        let second = || unit(rest.get(6..)?);
        let (units, length) = match first {
            0xd800..=0xdbff => (vec![first, second()?], 12),
            _ => (vec![first], 6),
        };
        let text = String::from_utf16(&units).ok()?;
        (!text.is_ascii()).then_some((text, length))
    };
    spelled(body, escape, |_| None)
}

/// As Python, Ruby and PHP write it in lower case, and .NET in upper case.
pub(super) fn unicode_escaped(body: &[u8], upper: bool) -> Option<Vec<u8>> {
    let plain = |c: char| {
        let unit = |unit: &u16| {
            if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") }
        };
        (!c.is_ascii()).then(|| c.encode_utf16(&mut [0; 2]).iter().map(unit).collect())
    };
    spelled(body, |_| None, plain)
}

pub(super) fn html_unescaped(body: &[u8]) -> Option<Vec<u8>> {
    let escape = |rest: &str| {
        let c = char::from_u32(unit(rest)?.into())?;
        "<>&'+`".contains(c).then(|| (c.to_string(), 6))
    };
    spelled(body, escape, |_| None)
}

/// As Go writes it.
pub(super) fn html_escaped(body: &[u8]) -> Option<Vec<u8>> {
    let plain = |c: char| "<>&".contains(c).then(|| format!("\\u{:04x}", u32::from(c)));
    spelled(body, |_| None, plain)
}

/// The number of a `\uXXXX`.
fn unit(rest: &str) -> Option<u16> {
    let digits = rest.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}
