//! `docs/telemetry.md` against what there is: every metric that is exposed and every line that is
//! logged stands in its tables, and nothing else does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::fleet::Fleet;
use crate::harness::{Options, Postrider, Receiver, Reply, text, wait_or_tell};

/// Type, labels and meaning, by name.
pub type Metrics = BTreeMap<String, (String, BTreeSet<String>, String)>;
/// Levels and fields, by message.
type Lines = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of a section's table, without its head.
fn rows(section: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(root().join("docs/telemetry.md")).expect("the page");
    let section = page.split("\n## ").find(|part| part.starts_with(section)).expect("the section");
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    rows.map(cells).collect()
}

/// The words of a cell.
fn words(cell: &str) -> BTreeSet<String> {
    let words = cell.split(',').map(|word| word.trim().trim_matches('`').to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

pub fn told_metrics() -> Metrics {
    let row = |row: Vec<String>| match &row[..] {
        [name, kind, labels, meaning] => {
            (name.trim_matches('`').to_owned(), (kind.clone(), words(labels), meaning.clone()))
        }
        _ => panic!("{row:?} has not four cells"),
    };
    rows("Metrics").into_iter().map(row).collect()
}

fn told_lines() -> Lines {
    let row = |row: Vec<String>| match &row[..] {
        [message, levels, fields, _] => {
            (message.trim_matches('`').to_owned(), (words(levels), words(fields)))
        }
        _ => panic!("{row:?} has not four cells"),
    };
    rows("Log lines").into_iter().map(row).collect()
}

/// What an answer of /metrics shows.
pub fn shown(metrics: &str) -> Metrics {
    let mut shown = Metrics::new();
    for head in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (family, kind) = head.split_once(' ').expect("a name and a type");
        let name = match kind {
            "counter" => format!("{family}_total"),
            "info" => format!("{family}_info"),
            _ => family.to_owned(),
        };
        let help = format!("# HELP {family} ");
        let help = metrics.lines().find_map(|line| line.strip_prefix(&help)).expect("a HELP");
        let samples = metrics.lines().filter_map(|line| line.strip_prefix(family));
        let labels = samples.filter_map(|rest| rest.split_once('{')?.1.split_once('}'));
        let labels = labels.flat_map(|(labels, _)| labels.split("\","));
        let labels = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        let labels = labels.filter(|label| label != "le").collect();
        shown.insert(name, (kind.to_owned(), labels, help.trim_end_matches('.').to_owned()));
    }
    shown
}

/// A server that has done a little of everything, so that every metric is shown.
pub async fn after_a_life() -> (Postrider, Receiver) {
    let options = || {
        let options = Options::default().without_dev().env("POSTRIDER_LOG", "debug");
        options.env("POSTRIDER_LOG_FORMAT", "json")
    };
    let open = options().env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8,10.0.0.0/8");
    let mut server = Postrider::with(open).await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    let retry = json!({ "policy": "schedule", "delays_ms": [100] });
    server.register(&receiver.url("/a"), json!({ "event_types": ["a"], "retry": retry })).await;
    server.register("http://10.0.0.1/", json!({ "event_types": ["b"] })).await;
    server.stop().await;
    server.start_again_with(options().env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8")).await;
    let delivered = server.publish("a", json!(1)).await;
    server.delivery_that_is("delivered", &delivered).await;
    let forbidden = server.publish("b", json!(1)).await;
    server.delivery_that_is("failed", &forbidden).await;
    (server, receiver)
}

/// What the metrics of the other pair of store and queue begin with.
pub fn of_the_other_mode(server: &Postrider) -> &'static str {
    match server.services() {
        Some(_) => "postrider_data_dir_",
        None => "postrider_database_",
    }
}

#[tokio::test]
async fn every_metric_and_line_of_a_life_is_in_the_tables() {
    let (server, _receiver) = after_a_life().await;
    let mut expected = told_metrics();
    expected.retain(|name, _| !name.starts_with(of_the_other_mode(&server)));
    wait_or_tell("the metrics are those of the table", async || {
        let shown = shown(&server.get("/metrics").await.text());
        let differs = |name: &&String| expected.get(*name) != shown.get(*name);
        let names: BTreeSet<_> = expected.keys().chain(shown.keys()).filter(differs).collect();
        let both = |name| format!("{name}: {:?} {:?}", expected.get(name), shown.get(name));
        if names.is_empty() { Ok(()) } else { Err(names.into_iter().map(both).collect()) }
    })
    .await;
    is_told(&server.lines());
}

/// Every line of our own is in the table, with its level and no other fields.
#[track_caller]
fn is_told(lines: &[Value]) {
    let told = told_lines();
    assert!(lines.len() > 5, "{lines:?}");
    for line in lines {
        let (levels, fields) = told.get(&text(line, "message")).unwrap_or_else(|| panic!("{line}"));
        assert!(levels.contains(&text(line, "level").to_lowercase()), "{line}");
        let given = line.as_object().expect("an object").keys();
        let frame = ["timestamp", "level", "message", "target"];
        let mut own = given.filter(|name| !frame.contains(&name.as_str()));
        assert!(own.all(|name| fields.contains(name)), "{line} {fields:?}");
    }
}

#[tokio::test]
async fn every_metric_of_a_fleets_processes_is_in_the_table() {
    let mut fleet = Fleet::start(1, 0).await;
    let worker = fleet.start_worker_with_a_door();
    let receiver = Receiver::start().await;
    fleet.client().register(&receiver.url("/a"), json!({})).await;
    fleet.client().publish("a", json!(1)).await;
    receiver.wait_for("/a", 1).await;
    let told = told_metrics();
    for client in [fleet.client(), &worker] {
        wait_or_tell("it shows what it does", async || {
            let shown = shown(&client.get("/metrics").await.text());
            let unknown = shown.iter().filter(|(name, (kind, labels, help))| {
                !told
                    .get(*name)
                    .is_some_and(|(k, l, h)| k == kind && labels.is_subset(l) && h == help)
            });
            let unknown: Vec<_> = unknown.collect();
            assert!(unknown.is_empty(), "{unknown:?}");
            if shown.contains_key("postrider_log_lines_dropped_total") {
                Ok(())
            } else {
                Err(format!("{shown:?}"))
            }
        })
        .await;
    }
}

#[test]
fn every_line_that_can_be_logged_is_in_the_table_and_no_other() {
    let (told, mut logged) = (told_lines(), Lines::new());
    for folder in ["src", "api/src", "worker/src", "store/src", "model/src"] {
        for file in sources(&root().join(folder)) {
            let source = std::fs::read_to_string(&file).expect("a source");
            // What tests log is their own.
            let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            for (message, levels, fields) in logged_by(source) {
                let entry = logged.entry(message).or_default();
                entry.0.extend(levels);
                entry.1.extend(fields);
            }
        }
    }
    assert!(logged.len() > 20, "the sources are not read: {logged:?}");
    let differs = |message: &&String| told.get(*message) != logged.get(*message);
    let messages: BTreeSet<_> = told.keys().chain(logged.keys()).filter(differs).collect();
    for message in &messages {
        println!("{message}: told {:?}, logged {:?}", told.get(*message), logged.get(*message));
    }
    assert!(messages.is_empty(), "{messages:?}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let paths = entries.map(|entry| entry.path());
    let of = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    paths.flat_map(of).filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

type Logged = (String, BTreeSet<String>, BTreeSet<String>);

/// Message, levels and fields of each line that a source logs.
fn logged_by(source: &str) -> Vec<Logged> {
    let by_macro = source.match_indices("tracing::").filter_map(|(at, word)| {
        let (level, rest) = source[at + word.len()..].split_once("!(")?;
        let levels = match level {
            "error" | "warn" | "info" | "debug" | "trace" => [level.to_owned()].into(),
            // A macro of the file that is called with its level.
            "$level" => {
                let calls = source.match_indices("line!(").map(|(at, call)| at + call.len());
                let levels = calls.filter_map(|at| source[at..].split(')').next());
                levels.map(str::to_owned).collect()
            }
            _ => return None,
        };
        let mut arguments = arguments(rest);
        let message = literal(&arguments.pop()?)?;
        let name = |argument: &String| {
            let name = argument.split('=').next().unwrap_or_default();
            name.trim().trim_start_matches(['%', '?']).to_owned()
        };
        Some((message, levels, arguments.iter().map(name).collect()))
    });
    let own = source.match_indices("own_line(").filter_map(|(at, word)| {
        let arguments = arguments(&source[at + word.len()..]);
        let (level, message) = (literal(arguments.get(1)?)?, literal(arguments.get(2)?)?);
        let (before, _) = source.split_at(at);
        let function = &source[before.rfind("fn ").unwrap_or_default()..at];
        // Those in the call, and those that were made ready before it.
        let all = format!("{function}{}", arguments[3..].join(","));
        let names = all.split("(\"").skip(1).filter_map(|rest| rest.split_once("\", "));
        let names = names.map(|(name, _)| name.to_owned());
        Some((message, [level.to_lowercase()].into(), names.collect()))
    });
    by_macro.chain(own).collect()
}

/// What stands between a bracket that is open and its end, by its commas.
fn arguments(rest: &str) -> Vec<String> {
    let (mut arguments, mut depth, mut in_text, mut escaped) =
        (vec![String::new()], 0, false, false);
    for c in rest.chars() {
        match c {
            '"' if !escaped => in_text = !in_text,
            '(' | '[' | '{' if !in_text => depth += 1,
            ')' | ']' | '}' if !in_text && depth == 0 => break,
            ')' | ']' | '}' if !in_text => depth -= 1,
            ',' if !in_text && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        if let Some(argument) = arguments.last_mut() {
            argument.push(c);
        }
    }
    let trimmed = arguments.iter().map(|argument| argument.trim().to_owned());
    trimmed.filter(|argument| !argument.is_empty()).collect()
}

/// The text of a literal.
fn literal(argument: &str) -> Option<String> {
    Some(argument.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}
