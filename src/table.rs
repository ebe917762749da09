//! Lists for people: columns without frames, so that they read well on a terminal and split well
//! in a pipe.

use comfy_table::{Table, presets};
use serde_json::Value;

use crate::client::plain;
use crate::output::say;

/// A heading, and what of an item stands below it.
pub type Column = (&'static str, fn(&Value) -> String);

/// Prints the `data` of a page, and on stderr whether there is more.
pub fn print(page: &Value, columns: &[Column], nothing: &str) {
    let items = page["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        eprintln!("{nothing}");
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|(heading, _)| *heading));
    for item in items {
        table.add_row(columns.iter().map(|(_, cell)| plain(&cell(item))));
    }
    say(table.trim_fmt());
    if !page["next_cursor"].is_null() {
        eprintln!("There are more: --limit shows up to 10000.");
    }
}

/// A field as text; a dash where there is nothing.
pub fn text(item: &Value, field: &str) -> String {
    match &item[field] {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
