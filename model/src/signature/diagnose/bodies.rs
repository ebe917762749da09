//! What frameworks, proxies and editors do to a body without meaning to, undone. Each step gives
//! back what a body may have been before; steps are put together, those with the fewest first.

use super::Reason;
use super::rewrite::{self, Layout};

/// Bytes of bodies that are made and tried, so that a large one does not take minutes.
const TRIED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Changes that are undone together.
const STEPS_MAX: usize = 3;

/// A change undone: what is said of the body it gives, and how it is made; none if nothing changes.
type Step = (&'static str, fn(&[u8]) -> Option<Vec<u8>>);

/// In the order in which they are applied; of each row one at most.
const ROWS: [&[Step]; 7] = [
    &[
        ("without the byte order mark at its beginning", without_bom),
        ("with a byte order mark", with_bom),
    ],
    &[
        ("without its trailing newline", without_end_of_line),
        ("without the white space at its end", without_space_at_the_end),
        ("without the white space around it", trimmed),
        ("with a newline at its end", |b| Some([b, b"\n"].concat())),
        ("with CR LF at its end", |b| Some([b, b"\r\n"].concat())),
    ],
    &[("with LF line ends instead of CR LF", lf), ("with CR LF line ends instead of LF", crlf)],
    &[("with the keys of its envelope in their own order", rewrite::ordered)],
    &[
        ("with \\uXXXX written as the characters they are", rewrite::unicode_unescaped),
        ("with characters beyond ASCII written as \\uxxxx", |b| rewrite::unicode_escaped(b, false)),
        ("with characters beyond ASCII written as \\uXXXX", |b| rewrite::unicode_escaped(b, true)),
        ("with <, > and & written as they are", rewrite::html_unescaped),
        ("with <, > and & written as \\u003c, \\u003e and \\u0026", rewrite::html_escaped),
    ],
    &[
        ("with / instead of \\/", rewrite::slash_unescaped),
        ("with \\/ instead of /", rewrite::slash_escaped),
    ],
    &[
        ("as compact JSON", |b| rewrite::laid_out(b, Layout::Compact)),
        ("as JSON with a space after commas and colons", |b| rewrite::laid_out(b, Layout::Spaced)),
        ("as JSON indented by 2", |b| rewrite::laid_out(b, Layout::Indented("  "))),
        ("as JSON indented by 4", |b| rewrite::laid_out(b, Layout::Indented("    "))),
        ("as JSON indented by tabs", |b| rewrite::laid_out(b, Layout::Indented("\t"))),
        ("with a space after the commas and colons of its data", |b| {
            rewrite::data_laid_out(b, Layout::Spaced)
        }),
        ("with its data indented by 2", |b| rewrite::data_laid_out(b, Layout::Indented("  "))),
        ("with its data indented by 4", |b| rewrite::data_laid_out(b, Layout::Indented("    "))),
        ("with its data indented by tabs", |b| rewrite::data_laid_out(b, Layout::Indented("\t"))),
    ],
];

/// What was done to a body of which `was_signed` is true before; the steps that undo it.
pub(super) fn origin(body: &[u8], was_signed: impl Fn(&[u8]) -> bool) -> Option<Vec<&'static str>> {
    let mut tried_bytes = 0;
    for steps in plans() {
        let Some(origin) = undone(body, &steps) else { continue };
        if was_signed(&origin) {
            return Some(steps.iter().map(|(said, _)| *said).collect());
        }
        tried_bytes += origin.len();
        if tried_bytes > TRIED_BYTES_MAX {
            break;
        }
    }
    None
}

/// The sentence about it.
pub(super) fn changed(steps: Vec<&'static str>) -> Reason {
    let message = format!(
        "the body was changed on the way: it verifies {}; verify the raw bytes of the request, before \
         anything parses or stores them",
        steps.join(" and ")
    );
    Reason::new("body_changed", message)
}

/// Every choice of steps, the smallest first.
fn plans() -> Vec<Vec<Step>> {
    let mut plans: Vec<Vec<Step>> = vec![Vec::new()];
    for row in ROWS {
        let longer = plans.iter().filter(|plan| plan.len() < STEPS_MAX).flat_map(|plan| {
            row.iter().map(|step| {
                let mut plan = plan.clone();
                plan.push(*step);
                plan
            })
        });
        let longer: Vec<_> = longer.collect();
        plans.extend(longer);
    }
    plans.retain(|plan| !plan.is_empty());
    plans.sort_by_key(Vec::len);
    plans
}

/// None if one of them changes nothing: then fewer steps do the same.
fn undone(body: &[u8], steps: &[Step]) -> Option<Vec<u8>> {
    let mut body = std::borrow::Cow::Borrowed(body);
    for (_, step) in steps {
        let before = step(&body).filter(|before| *before != *body)?;
        body = before.into();
    }
    Some(body.into_owned())
}

const BOM: &[u8] = "\u{feff}".as_bytes();

fn without_bom(body: &[u8]) -> Option<Vec<u8>> {
    body.strip_prefix(BOM).map(<[u8]>::to_vec)
}

fn with_bom(body: &[u8]) -> Option<Vec<u8>> {
    Some([BOM, body].concat())
}

fn without_end_of_line(body: &[u8]) -> Option<Vec<u8>> {
    body.strip_suffix(b"\r\n").or(body.strip_suffix(b"\n")).map(<[u8]>::to_vec)
}

fn without_space_at_the_end(body: &[u8]) -> Option<Vec<u8>> {
    Some(body.trim_ascii_end().to_vec())
}

fn trimmed(body: &[u8]) -> Option<Vec<u8>> {
    Some(body.trim_ascii().to_vec())
}

fn lf(body: &[u8]) -> Option<Vec<u8>> {
    body.contains(&b'\r').then(|| replaced(body, b"\r\n", b"\n"))
}

fn crlf(body: &[u8]) -> Option<Vec<u8>> {
    (body.contains(&b'\n') && !body.contains(&b'\r')).then(|| replaced(body, b"\n", b"\r\n"))
}

fn replaced(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(first) = rest.first() {
        if rest.starts_with(from) {
            out.extend_from_slice(to);
            rest = &rest[from.len()..];
        } else {
            out.push(*first);
            rest = &rest[1..];
        }
    }
    out
}
