//! Reads the settings file into keys and texts. What the keys may be and what the texts mean is
//! decided elsewhere, so that a value is judged alike wherever it comes from.

use std::path::Path;

use toml::{Table, Value};

use crate::failure::Failure;

/// Every key of the file, with dots for its tables, and its value: several texts for a list.
pub fn read(path: &Path) -> Result<Vec<(String, Vec<String>)>, Failure> {
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

fn flatten(prefix: &str, table: Table, found: &mut Vec<(String, Vec<String>)>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(inner) => flatten(&format!("{key}."), inner, found),
            Value::Array(items) => found.push((key, items.iter().map(text).collect())),
            single => found.push((key, vec![text(&single)])),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
