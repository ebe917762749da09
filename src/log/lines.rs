//! Lines that are written past the filter, in the shape of all others: what must be said whatever
//! the level.

use std::fmt::Write as _;

use serde_json::Value;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use crate::settings::LogFormat;

/// Where these lines say that they come from.
const TARGET: &str = "postrider::log";

/// A line with its end.
pub fn own_line(
    format: LogFormat,
    level: &'static str,
    message: &'static str,
    fields: &[(&'static str, Value)],
) -> String {
    let mut timestamp = String::new();
    // Err: writing to a text does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    match format {
        LogFormat::Text => {
            let mut line = format!("{timestamp} {level:>5} {TARGET}: {message}");
            for (name, value) in fields {
                // A text in JSON is quoted and escaped as the others are.
                let _ = write!(line, " {name}={value}");
            }
            line.push('\n');
            line
        }
        LogFormat::Json => {
            let mut line = format!(
                "{{\"timestamp\":{},\"level\":\"{level}\",\"message\":{}",
                Value::from(timestamp),
                Value::from(message)
            );
            for (name, value) in fields {
                let _ = write!(line, ",{}:{value}", Value::from(*name));
            }
            let _ = writeln!(line, ",\"target\":\"{TARGET}\"}}");
            line
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_in_either_format() {
        let fields = [("panic.message", Value::from("a\nb")), ("log.lines_dropped", 3.into())];
        let text = own_line(LogFormat::Text, "WARN", "it is so", &fields);
        let expected =
            "  WARN postrider::log: it is so panic.message=\"a\\nb\" log.lines_dropped=3\n";
        assert!(text.ends_with(expected), "{text}");
        let json = own_line(LogFormat::Json, "WARN", "it is so", &fields);
        assert!(json.ends_with("}\n") && json.lines().count() == 1, "{json}");
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!((&json["level"], &json["message"]), (&"WARN".into(), &"it is so".into()));
        assert_eq!(json["panic.message"], "a\nb");
        let timestamp = json["timestamp"].as_str().expect("a text");
        assert!(model::time::Timestamp::parse(timestamp).is_ok() && timestamp.ends_with('Z'));
    }
}
