//! Shows settings with their documentation: as TOML, which is also what the file takes, or as
//! JSON. `config.default.toml` is the first of these without any source but the defaults.

use api::Setting;
use clap::Arg;
use serde_json::{Value, json};

use crate::settings::layers::{self, Effective, Source};

const HEADER: &str = "\
# Every setting with its default, as `postrider config --defaults` prints it. A copy of it is read
# by `postrider serve --config FILE`. A flag goes before the environment, that before this file.
";

/// Width of the comments, in columns.
const WIDTH: usize = 98;

/// The defaults as `config.default.toml` has them.
pub fn defaults() -> String {
    let settings: Vec<Effective> = layers::declared()
        .map(|arg| {
            let values = arg.get_default_values().iter();
            let values = values.map(|v| v.to_string_lossy().into_owned()).collect();
            Effective { arg, values, source: Source::Default }
        })
        .collect();
    format!("{HEADER}{}", toml(&settings, false))
}

/// Each setting with its value and what set it; secrets masked.
pub fn as_toml(settings: &[Effective]) -> String {
    toml(settings, true).trim_start().to_owned()
}

pub fn as_json(settings: &[Effective]) -> Value {
    json!({ "settings": shown(settings) })
}

/// Every setting, its value without secrets.
pub fn shown(settings: &[Effective]) -> Vec<Setting> {
    let shown = settings.iter().map(|setting| {
        let secret = layers::is_secret(&setting.arg);
        Setting {
            key: setting.arg.get_id().as_str().to_owned(),
            value: json_value(setting),
            source: source(&setting.source),
            flag: (!secret).then(|| layers::flag_name(&setting.arg)),
            env: layers::env_name(&setting.arg),
            doc: doc(&setting.arg),
            secret,
        }
    });
    shown.collect()
}

fn toml(settings: &[Effective], with_source: bool) -> String {
    let mut text = String::new();
    let mut table = "";
    for setting in settings {
        let key = setting.arg.get_id().as_str();
        let (in_table, name) = key.split_once('.').unwrap_or(("", key));
        if in_table != table {
            table = in_table;
            text.push_str(&format!("\n[{table}]\n"));
        } else {
            text.push('\n');
        }
        for line in wrapped(&comment(&setting.arg)) {
            text.push_str(&format!("# {line}\n"));
        }
        let is_list = setting.arg.get_value_delimiter().is_some();
        let unset = if setting.values.is_empty() && !is_list { "# " } else { "" };
        text.push_str(&format!("{unset}{name} = {}", toml_value(setting)));
        if with_source {
            text.push_str(&format!("  # from {}", source(&setting.source)));
        }
        text.push('\n');
    }
    text
}

fn comment(arg: &Arg) -> String {
    let env = layers::env_name(arg);
    if layers::is_secret(arg) {
        format!(
            "{} Also {env}; {env}_FILE or {}_file names a file that holds it.",
            doc(arg),
            arg.get_id()
        )
    } else {
        format!("{} Also {}, {env}.", doc(arg), layers::flag_name(arg))
    }
}

/// The doc comment of the field; clap takes the full stop off its end.
fn doc(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    format!("{}.", help.trim_end_matches('.'))
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("starts with one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() > WIDTH {
            lines.push(word.to_owned());
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}

fn json_value(setting: &Effective) -> Value {
    let is_list = setting.arg.get_value_delimiter().is_some();
    match setting.values.as_slice() {
        values if is_list => json!(values),
        [] => Value::Null,
        _ if layers::is_secret(&setting.arg) => json!("***"),
        [value, ..] => typed(value),
    }
}

/// TOML's form of a value; of one that is not set, an example to fill in.
fn toml_value(setting: &Effective) -> String {
    if setting.values.is_empty() && setting.arg.get_value_delimiter().is_none() {
        let names = setting.arg.get_value_names().unwrap_or_default();
        let example = names.first().map(ToString::to_string).unwrap_or_default();
        return if example == "N" { example } else { format!("{example:?}") };
    }
    // JSON's texts, numbers, booleans and lists are TOML's too.
    json_value(setting).to_string().replace("\",\"", "\", \"")
}

fn typed(value: &str) -> Value {
    match (value.parse::<u64>(), value.parse::<bool>()) {
        (Ok(number), _) => json!(number),
        (_, Ok(truth)) => json!(truth),
        _ => json!(value),
    }
}

fn source(source: &Source) -> String {
    match source {
        Source::Flag => "the command line".into(),
        Source::Env(name) => name.clone(),
        Source::File(path) => path.display().to_string(),
        Source::Default => "default".into(),
    }
}
