//! What `deploy/` has for Prometheus and Grafana, held to the program: the rules are read and fire when
//! they should, and every query names metrics and labels that there are.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::fleet::Fleet;
use crate::harness::{from_make, text, wait_or_tell};
use crate::telemetry::{Metrics, after_a_life, of_the_other_mode, root, shown, told_metrics};

fn deployed(path: &str) -> PathBuf {
    root().join("deploy").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(deployed(path)).expect("a file of deploy/")
}

/// What Prometheus's own program says; it has to agree, without a word of blame.
#[track_caller]
fn promtool(args: &[&str], input: &str) -> String {
    let mut promtool = Command::new(from_make("POSTRIDER_TEST_PROMTOOL"));
    promtool.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().expect("promtool is installed");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "promtool {args:?}: {said}");
    said
}

#[test]
fn prometheus_reads_the_rules_and_the_example() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = folder.path().join("postrider.key");
    std::fs::write(&key, "a key").expect("it is written");
    let key = key.to_str().expect("a path in UTF-8");
    let example = read("prometheus/prometheus.yml").replace("/etc/prometheus/postrider.key", key);
    assert!(example.contains(key), "the example has no key");
    std::fs::write(folder.path().join("prometheus.yml"), example).expect("it is written");
    let rules = folder.path().join("alerts.yml");
    std::fs::copy(deployed("prometheus/alerts.yml"), rules).expect("it is copied");
    let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    promtool(&["check", "config", &file("prometheus.yml")], "");
    promtool(&["check", "rules", "--lint-fatal", &file("alerts.yml")], "");
}

#[test]
fn every_alert_fires_when_it_should_and_not_when_it_should_not() {
    let tests = deployed("prometheus/alerts_test.yml");
    promtool(&["test", "rules", tests.to_str().expect("UTF-8")], "");
    let tests = read("prometheus/alerts_test.yml");
    for alert in alerts() {
        let fires = format!("alertname=\"{}\"", alert.name);
        assert!(tests.contains(&fires), "no test says when {} fires", alert.name);
    }
}

#[test]
fn every_alert_says_what_to_look_at() {
    let page = std::fs::read_to_string(root().join("docs/production.md")).expect("the page");
    let headings = page.lines().filter(|line| line.starts_with('#')).map(anchor);
    let anchors: BTreeSet<_> = headings.collect();
    for Alert { name, text, .. } in alerts() {
        for field in ["summary:", "description:", "severity:"] {
            assert!(text.contains(field), "{name} has no {field}");
        }
        let runbook = text.split("runbook: docs/production.md#").nth(1).expect("a runbook");
        let place = runbook.lines().next().expect("an anchor");
        assert!(anchors.contains(place), "{name}: {place} is none of {anchors:?}");
        assert!(place == "redis" || page.contains(&format!("`{name}`")), "{name} is not told of");
    }
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

struct Alert {
    name: String,
    expr: String,
    text: String,
}

fn alerts() -> Vec<Alert> {
    let rules = read("prometheus/alerts.yml");
    let blocks = rules.split("- alert: ").skip(1);
    let alerts = blocks.map(|block| {
        let (name, text) = block.split_once('\n').expect("a name");
        let expr = text.split_once("expr: ").expect("an expression").1;
        let ends = ["\n        for: ", "\n        labels:"].iter().filter_map(|end| expr.find(end));
        let expr = &expr[..ends.min().expect("something follows")];
        let expr = expr.trim_start_matches('|').trim().to_owned();
        Alert { name: name.to_owned(), expr, text: text.to_owned() }
    });
    let alerts: Vec<_> = alerts.collect();
    assert!(alerts.len() > 10, "the rules are not read");
    alerts
}

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/postrider.json")).expect("JSON")
}

fn array<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Every query of the dashboard, with where it stands.
fn queries() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let panels = array(&dashboard, "panels").iter();
    let of_panels = panels.flat_map(|panel| {
        let targets = array(panel, "targets").iter();
        targets.map(|target| (text(panel, "title"), text(target, "expr")))
    });
    let variables = array(&dashboard["templating"], "list").iter();
    let of_variables = variables.filter_map(|variable| {
        let query = variable["query"]["query"].as_str()?;
        let selector = query.strip_prefix("label_values(")?.rsplit_once(',')?.0;
        Some((text(variable, "name"), selector.to_owned()))
    });
    let queries: Vec<_> = of_panels.chain(of_variables).collect();
    assert!(queries.len() > 50, "the dashboard is not read");
    queries
}

#[test]
fn every_panel_is_explained_and_has_its_place() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    let mut titles = 0;
    for panel in array(&dashboard, "panels") {
        let title = text(panel, "title");
        let place = |side: &str| panel["gridPos"][side].as_u64().expect("a number");
        assert!(place("x") + place("w") <= 24, "{title} is too wide");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        titles += 1;
        assert!(
            !title.is_empty() && text(panel, "description").len() > 5,
            "{title} is not explained"
        );
        let unit = &panel["fieldConfig"]["defaults"]["unit"];
        assert!(unit.as_str().is_some_and(|unit| !unit.is_empty()), "{title} has no unit");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(!array(panel, "targets").is_empty(), "{title} asks for nothing");
    }
    assert!(titles > 30, "the dashboard is not read");
}

#[test]
fn prometheus_reads_every_query_of_the_dashboard() {
    let mut rules = "groups:\n  - name: queries\n    rules:\n".to_owned();
    for (number, (_, query)) in queries().into_iter().enumerate() {
        let query = query.replace("$__rate_interval", "5m");
        rules.push_str(&format!("      - {{ record: 'q{number}', expr: {} }}\n", json!(query)));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("queries.yml");
    std::fs::write(&file, rules).expect("it is written");
    promtool(&["check", "rules", "--lint-fatal", file.to_str().expect("UTF-8")], "");
}

#[tokio::test]
async fn every_query_names_metrics_and_labels_that_there_are() {
    let (server, _receiver) = after_a_life().await;
    let alerts = alerts().into_iter().map(|alert| (alert.name, alert.expr));
    let queries: Vec<_> = queries().into_iter().chain(alerts).collect();
    let tests = read("prometheus/alerts_test.yml");
    let series =
        tests.lines().filter_map(|line| line.split("series: '").nth(1)?.split('\'').next());
    let series = series.map(|series| ("alerts_test.yml".to_owned(), series.to_owned()));
    let all: Vec<_> = queries.into_iter().chain(series).collect();
    let others = of_the_other_mode(&server);
    wait_or_tell("every query finds its metrics", async || {
        let mut there = shown(&server.get("/metrics").await.text());
        there.extend(told_metrics().into_iter().filter(|(name, _)| name.starts_with(others)));
        let wrong = all.iter().filter_map(|(place, query)| {
            let why = wrong_with(query, &there)?;
            Some(format!("{place}: {why} in {query}"))
        });
        let wrong: Vec<_> = wrong.collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    })
    .await;
}

/// The labels that Prometheus gives whatever it reads.
const EVERYWHERE: [&str; 3] = ["job", "instance", "le"];

/// The first metric of a query that there is not, or label that it has not.
fn wrong_with(query: &str, there: &Metrics) -> Option<String> {
    let named = selectors(query);
    if named.is_empty() {
        return Some("no metric".to_owned());
    }
    for (name, labels) in named {
        // What Prometheus itself knows of whatever it reads.
        if name == "up" {
            continue;
        }
        let of_a_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
            let family = there.get(name.strip_suffix(suffix)?)?;
            (family.0 == "histogram").then_some(family)
        });
        let Some((_, known, _)) =
            there.get(&name).filter(|m| m.0 != "histogram").or(of_a_histogram)
        else {
            return Some(name);
        };
        let unknown =
            |label: &String| !known.contains(label) && !EVERYWHERE.contains(&label.as_str());
        if let Some(label) = labels.into_iter().find(unknown) {
            return Some(format!("{name} has no {label}"));
        }
    }
    None
}

/// The metrics that a query names, each with the labels that it asks for.
fn selectors(query: &str) -> Vec<(String, Vec<String>)> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut selectors = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '"') {
        if let Some(quoted) = rest[start..].strip_prefix('"') {
            rest = quoted.split_once('"').map_or("", |(_, after)| after);
            continue;
        }
        let word = &rest[start..];
        let end = word.find(|c| !is_of_a_name(c)).unwrap_or(word.len());
        let (name, after) = word.split_at(end);
        rest = after;
        if name != "up" && !name.starts_with("postrider_") && !name.starts_with("process_") {
            continue;
        }
        let matchers = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let matchers = matchers.map_or("", |(matchers, _)| matchers);
        let labels = matchers.split('"').step_by(2);
        let labels = labels.map(|part| part.trim_matches([',', ' ', '=', '~', '!']).to_owned());
        selectors.push((name.to_owned(), labels.filter(|label| !label.is_empty()).collect()));
    }
    selectors
}

#[test]
fn a_query_that_is_wrong_is_found() {
    let metric = |kind: &str, labels: &[&str]| {
        (kind.to_owned(), labels.iter().map(|l| (*l).to_owned()).collect(), String::new())
    };
    let there: Metrics = [
        ("postrider_a_total".to_owned(), metric("counter", &["b"])),
        ("postrider_h_seconds".to_owned(), metric("histogram", &[])),
    ]
    .into();
    for (query, expected) in [
        ("sum by (b) (rate(postrider_a_total{job=\"$job\", b=~\"x|y}\"}[5m]))", None),
        ("rate(postrider_h_seconds_bucket[5m]) / on (job) postrider_a_total", None),
        ("up == 0", None),
        ("postrider_a", Some("postrider_a")),
        ("postrider_h_seconds", Some("postrider_h_seconds")),
        ("postrider_a_total_bucket", Some("postrider_a_total_bucket")),
        ("postrider_a_total{c!=\"1\"}", Some("postrider_a_total has no c")),
        ("vector(1)", Some("no metric")),
    ] {
        assert_eq!(wrong_with(query, &there).as_deref(), expected, "{query}");
    }
}

#[tokio::test]
async fn prometheus_has_no_fault_to_find_with_the_metrics() {
    let (server, _receiver) = after_a_life().await;
    let accept = [("Accept", "text/plain;version=0.0.4")];
    let answer = server.send(Method::GET, "/metrics", &accept, None).await;
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(answer.text().contains("# TYPE postrider_events_accepted_total counter"));
    assert_eq!(promtool(&["check", "metrics"], &answer.text()), "");
}

#[tokio::test]
async fn metrics_are_shown_while_the_store_does_not_answer() {
    let mut fleet = Fleet::start(1, 1).await;
    let viewer = json!({ "name": "prometheus", "role": "viewer" });
    let key = fleet.client().post("/v1/keys", viewer.clone()).await.is(201);
    let revoked = fleet.client().post("/v1/keys", viewer).await.is(201);
    let watcher = fleet.client().with_key(&text(&key, "key"));
    let former = fleet.client().with_key(&text(&revoked, "key"));
    wait_or_tell("the worker is known", async || {
        let metrics = watcher.get("/metrics").await.text();
        let is_known = metrics.contains("postrider_workers{state=\"live\"} 1\n");
        if is_known { Ok(()) } else { Err(metrics) }
    })
    .await;
    assert_eq!(former.get("/metrics").await.status, 200);
    fleet.client().delete(&format!("/v1/keys/{}", text(&revoked, "id"))).await.is(204);
    // It is remembered again, since all were forgotten.
    assert_eq!(watcher.get("/metrics").await.status, 200);

    fleet.postgres.kill_9().await;
    wait_or_tell("it says that the store does not answer", async || {
        let answer = watcher.get("/metrics").await;
        let metrics = answer.text();
        let says = answer.status == 200
            && metrics.contains("postrider_check_ok{check=\"store\"} 0\n")
            && !metrics.contains("postrider_workers{")
            && metrics.contains("postrider_queue_depth{");
        if says { Ok(()) } else { Err(metrics) }
    })
    .await;
    assert_ne!(former.get("/metrics").await.status, 200);
    // Only what shows how it is: the rest still asks the store who is asking.
    wait_or_tell("nothing else is answered", async || {
        let status = watcher.get("/v1/webhooks").await.status;
        if status == 503 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}
