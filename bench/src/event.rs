//! The events of the benchmark: a fixed layout, so that publishing one is patching digits into ready
//! bytes, and receiving one is reading them back.
//!
//! - id `b<run>_<n>`, three and eight digits: who counts receipts needs no table of strings;
//! - data `{"at":<16 digits>,"pad":"x…"}`, 1 KiB unless said: `at` is when the event was to be sent, in
//!   microseconds since the epoch, a clock that all processes of one machine share.

use std::time::{SystemTime, UNIX_EPOCH};

pub const TYPE: &str = "bench.event";
/// The size of `data`, in bytes, unless it is said otherwise.
pub const DATA_BYTES: usize = 1_024;
/// The most events of one run: bounds the receiver's counters, and fits eight digits.
pub const EVENTS_MAX: u64 = 4_000_000;

const ID_BYTES: usize = 13;
const RUN_DIGITS: std::ops::Range<usize> = 1..4;
const N_DIGITS: std::ops::Range<usize> = 5..ID_BYTES;
const AT_DIGITS: usize = 16;
const AT_KEY: &[u8] = b"\"at\":";

/// Microseconds since the epoch.
pub fn now_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |elapsed| u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}

/// Bytes around one event, in which only the id's number and `at` change.
pub struct Template {
    bytes: Vec<u8>,
    n: Option<usize>,
    at: usize,
}

impl Template {
    /// `before` + `data_bytes` of data + `after`. `before` may hold the id of `run`, as [`id`] writes it.
    pub fn new(before: &str, run: u32, data_bytes: usize, after: &str) -> Self {
        let pad = "x".repeat(data_bytes - r#"{"at":0123456789012345,"pad":""}"#.len());
        let bytes = format!(r#"{before}{{"at":{:016},"pad":"{pad}"}}{after}"#, 0).into_bytes();
        let at = before.len() + r#"{"at":"#.len();
        let n = before.find(&id(run, 0)).map(|start| start + N_DIGITS.start);
        Self { bytes, n, at }
    }

    /// The bytes of event `n`, to be sent `at`.
    pub fn fill(&mut self, n: u64, at: u64) -> &[u8] {
        if let Some(start) = self.n {
            put_digits(&mut self.bytes[start..start + N_DIGITS.len()], n);
        }
        put_digits(&mut self.bytes[self.at..self.at + AT_DIGITS], at);
        &self.bytes
    }
}

pub fn id(run: u32, n: u64) -> String {
    format!("b{run:03}_{n:08}")
}

/// Run and number of an id; `None` for one that the benchmark did not make.
pub fn parse_id(id: &[u8]) -> Option<(u32, u64)> {
    if id.len() != ID_BYTES || id[0] != b'b' || id[RUN_DIGITS.end] != b'_' {
        return None;
    }
    let run = digits(&id[RUN_DIGITS])?;
    Some((u32::try_from(run).ok()?, digits(&id[N_DIGITS])?))
}

/// When the event in this request body was to be sent.
pub fn parse_at(body: &[u8]) -> Option<u64> {
    let key = body.windows(AT_KEY.len()).position(|window| window == AT_KEY)?;
    let start = key + AT_KEY.len();
    digits(body.get(start..start + AT_DIGITS)?)
}

fn put_digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_back_as_it_was_written() {
        let before = format!(r#"{{"id":"{}","data":"#, id(7, 0));
        let mut template = Template::new(&before, 7, DATA_BYTES, "}");
        let bytes = template.fill(1_234, 1_760_000_000_000_000).to_vec();
        assert_eq!(bytes.len(), before.len() + DATA_BYTES + 1);
        assert_eq!(parse_at(&bytes), Some(1_760_000_000_000_000));
        let text = String::from_utf8(bytes).expect("ASCII");
        assert!(text.contains(&id(7, 1_234)), "{text}");
        assert_eq!(parse_id(id(7, 1_234).as_bytes()), Some((7, 1_234)));
    }

    #[test]
    fn a_foreign_id_is_not_counted() {
        assert_eq!(parse_id(b"evt_0123456789"), None);
        assert_eq!(parse_id(b"b007_0000123x"), None);
    }
}
