//! Reads the settings file into keys and texts. What the keys may be and what the texts mean is
//! decided elsewhere, so that a value is judged alike wherever it comes from.

use std::path::Path;

use toml::{Table, Value};

use crate::failure::Failure;

/// The value of a key.
pub struct Entry {
    /// Several for a list.
    pub texts: Vec<String>,
    /// Whether it is a text to TOML, too.
    pub is_text: bool,
}

/// Every key of the file, with dots for its tables, and its value.
pub fn read(path: &Path) -> Result<Vec<(String, Entry)>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Failure::usage(format!("the settings file {} cannot be read: {e}.", path.display()))
    })?;
    let table: Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        Failure::usage(format!(
            "the settings file {} is not TOML: line {line}: {}.",
            path.display(),
            e.message()
        ))
    })?;
    let mut found = Vec::new();
    flatten("", table, &mut found);
    Ok(found)
}

fn flatten(prefix: &str, table: Table, found: &mut Vec<(String, Entry)>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(inner) => flatten(&format!("{key}."), inner, found),
            Value::Array(items) => {
                let texts = items.iter().map(text).collect();
                found.push((key, Entry { texts, is_text: false }));
            }
            single => {
                let (texts, is_text) = (vec![text(&single)], single.is_str());
                found.push((key, Entry { texts, is_text }));
            }
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
