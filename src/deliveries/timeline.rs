//! A delivery as one reads it: what it is, each attempt in its turn, and what comes next.

use serde_json::Value;

use super::waits_for;
use crate::client::plain;
use crate::table::text as field;

/// Lines of an answer's body that are shown, and characters of each.
const BODY_LINES_MAX: usize = 5;
const LINE_CHARS_MAX: usize = 160;

pub fn text(delivery: &Value) -> String {
    let mut lines = vec![
        format!("{} {}", field(delivery, "id"), standing(delivery)),
        format!("  event     {} ({})", field(delivery, "event_id"), field(delivery, "event_type")),
        format!("  webhook   {}", field(delivery, "webhook_id")),
        format!("  tenant    {}", field(delivery, "tenant")),
        String::new(),
        format!("  {}  accepted", field(delivery, "accepted_at")),
    ];
    for attempt in delivery["attempts"].as_array().into_iter().flatten() {
        lines.extend(attempt_lines(attempt));
    }
    lines.extend(end(delivery));
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

/// `failed (attempts)`
fn standing(delivery: &Value) -> String {
    let status = field(delivery, "status");
    match delivery["ended_by"].as_str() {
        Some(by) if by != status => format!("{status} (ended by {by})"),
        _ => status,
    }
}

fn attempt_lines(attempt: &Value) -> Vec<String> {
    let by_hand = if attempt["trigger"] == "manual" { " by hand" } else { "" };
    let timings = &attempt["timings"];
    let total = format!("{:.0} ms", timings["total_ms"].as_f64().unwrap_or_default());
    let phases = phases(timings);
    let answer = match (&attempt["status"], &attempt["error"]) {
        (Value::Null, error) => {
            let detail = error["detail"].as_str().map(|detail| format!(": {detail}"));
            let detail = detail.unwrap_or_default();
            format!("{} after {total}{phases}{detail}", field(error, "class"))
        }
        (status, _) => format!("{status} in {total}{phases}"),
    };
    let number = &attempt["number"];
    let mut lines =
        vec![format!("  {}  attempt {number}{by_hand}: {answer}", field(attempt, "started_at"))];
    lines.extend(attempt["note"].as_str().map(|note| format!("{:28}{note}", "")));
    let body = attempt["response"]["body"].as_str().unwrap_or_default();
    let shown = body.lines().filter(|line| !line.trim().is_empty()).take(BODY_LINES_MAX);
    lines.extend(shown.map(|line| {
        format!("{:28}| {}", "", line.chars().take(LINE_CHARS_MAX).collect::<String>())
    }));
    lines
}

/// ` (dns 1, connect 3, first byte 7)`
fn phases(timings: &Value) -> String {
    let phases = [("dns", "dns_ms"), ("connect", "connect_ms"), ("first byte", "first_byte_ms")];
    let phases = phases
        .iter()
        .filter_map(|(name, key)| timings[key].as_f64().map(|ms| format!("{name} {ms:.0}")));
    let phases = phases.collect::<Vec<_>>().join(", ");
    if phases.is_empty() { phases } else { format!(" ({phases})") }
}

/// How it ended, or what it waits for.
fn end(delivery: &Value) -> Option<String> {
    if let Some(at) = delivery["ended_at"].as_str() {
        return Some(format!("  {at}  {}", standing(delivery)));
    }
    let at = field(delivery, "next_attempt_at");
    let waits = delivery["waiting_for"].as_str().map(waits_for);
    let waits = waits.map(|waits| format!(" ({waits})")).unwrap_or_default();
    Some(format!("  {at}  next attempt{waits}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_delivery_reads_as_a_story() {
        let attempt = json!({
            "number": 1, "trigger": "schedule", "started_at": "T1",
            "timings": { "dns_ms": 1.2, "connect_ms": 3.0, "first_byte_ms": 7.6, "total_ms": 12.1 },
            "status": 500, "error": null, "note": null,
            "response": { "headers": {}, "body": "oh no\n\u{1b}[2J", "truncated": false },
        });
        let second = json!({
            "number": 2, "trigger": "manual", "started_at": "T2",
            "timings": { "total_ms": 5.0 }, "status": null,
            "error": { "class": "connect", "detail": "refused" },
        });
        let waiting = json!({
            "id": "dlv_1", "status": "retrying", "ended_by": null, "event_id": "evt_1",
            "event_type": "a.b", "webhook_id": "wh_1", "tenant": "default", "accepted_at": "T0",
            "next_attempt_at": "T3", "ended_at": null, "waiting_for": "backoff",
            "attempts": [attempt, second],
        });
        let said = text(&waiting);
        for line in [
            "dlv_1 retrying",
            "  event     evt_1 (a.b)",
            "  T0  accepted",
            "  T1  attempt 1: 500 in 12 ms (dns 1, connect 3, first byte 8)",
            "  T2  attempt 2 by hand: connect after 5 ms: refused",
            "  T3  next attempt (backoff)",
        ] {
            assert!(said.lines().any(|said| said == line), "{line}\n{said}");
        }
        assert!(said.contains("| oh no") && !said.contains('\u{1b}'), "{said}");
        let mut ended = waiting;
        (ended["status"], ended["ended_by"]) = (json!("failed"), json!("attempts"));
        ended["ended_at"] = json!("T4");
        assert!(text(&ended).ends_with("  T4  failed (ended by attempts)"), "{}", text(&ended));
    }
}
