//! Schemathesis makes requests out of the document, valid ones and wrong ones, and compares what is
//! answered with what is documented. `make contract` asks for longer, and with other data each time.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use store::world::{self, Stopwatch};

use super::document::Document;
use crate::harness::{Options, Output, Postrider, from_make, let_pass, text};

/// What nobody asks for here.
const NO_KEY: &str = "key_00000000000000000000000000";

/// How much is asked.
struct Much {
    phases: &'static str,
    /// Of each operation, of valid and of wrong ones.
    examples: usize,
    /// None: the same data every time.
    seed: Option<u64>,
    /// The least cases that have to be made in all.
    cases: usize,
    limit: Duration,
}

impl Much {
    /// `POSTRIDER_TEST_CASES` if it is set, else a little: every boundary once for whom nothing is
    /// refused, and some data for the others.
    fn for_role(role: &str, operations: usize) -> Self {
        let Some(cases) = number("POSTRIDER_TEST_CASES") else {
            let (phases, examples, cases) = match role {
                "admin" => ("coverage,fuzzing,stateful", 2, 800),
                "tenant" => ("fuzzing,stateful", 4, 80),
                _ => ("fuzzing", 5, 60),
            };
            let limit = Duration::from_secs(300);
            return Self { phases, examples, seed: None, cases, limit };
        };
        let cases = usize::try_from(cases).expect("a number of cases");
        let random = || u64::from(u32::from_le_bytes(world::random_bytes()));
        Self {
            phases: "examples,coverage,fuzzing,stateful",
            // Of some operations there is less to make than that.
            examples: (cases * 3 / 2).div_ceil(operations),
            seed: Some(number("POSTRIDER_TEST_SEED").unwrap_or_else(random)),
            cases,
            limit: Duration::from_secs(600 + cases as u64 / 5),
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text}: a whole number")))
}

async fn answers_as_documented(role: &str) {
    // In production's way: loopback and private networks are closed.
    let server = Postrider::with(Options::default().without_dev()).await;
    let operations = Document::of(&server).await.operations().len();
    let much = Much::for_role(role, operations);
    for tenant in ["default", "acme"] {
        something_to_see(&server, tenant).await;
    }
    let (key, id) = key(&server, role).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = schemathesis(folder.path());
    command.env("CONTRACT_KEY_ID", &id).args(["run", &server.url("/openapi.json")]);
    if let Some(key) = &key {
        command.arg("--header").arg(format!("Authorization: Bearer {key}"));
    }
    command.args(["--phases", much.phases, "--max-examples", &much.examples.to_string()]);
    command.arg("--no-color");
    match much.seed {
        Some(seed) => command.args(["--seed", &seed.to_string()]),
        None => command.args(["--generation-deterministic", "--no-shrink"]),
    };
    println!("as {role}: {} examples of each operation, seed {:?}", much.examples, much.seed);
    let said = finished(&mut command, much.limit).await;
    assert_eq!(said.code, Some(0), "as {role}:\n{}\n{}", said.stdout, said.stderr);
    let cases = cases(&said.stdout);
    println!("as {role}: {cases} cases");
    assert!(cases >= much.cases, "as {role} only {cases}:\n{}", said.stdout);

    let reached = server.deliveries("status=delivered").await;
    assert!(reached.is_empty(), "somebody was reached: {reached:?}");
}

/// Webhooks that lead nowhere, events and deliveries, so that there is something to find.
async fn something_to_see(server: &Postrider, tenant: &str) {
    let mut last = json!(null);
    for name in ["a", "b", "c"] {
        let url = format!("https://{name}.seed.invalid/");
        last = server.register(&url, json!({ "tenant": tenant })).await;
    }
    server.post(&format!("/v1/webhooks/{}/pause", text(&last, "id")), json!({})).await.is(200);
    for n in 0..3 {
        let event = json!({ "type": "seed.made", "data": n, "tenant": tenant });
        server.post("/v1/events", event).await.is(202);
    }
}

/// A key of that role and its id.
async fn key(server: &Postrider, role: &str) -> (Option<String>, String) {
    if role == "nobody" {
        return (None, NO_KEY.to_owned());
    }
    let tenant = (role == "tenant").then_some("acme");
    let body = json!({ "name": "contract", "role": role, "tenant": tenant });
    let key = server.post("/v1/keys", body).await.is(201);
    (Some(text(&key, "key")), text(&key, "id"))
}

/// Run in a folder of its own: it leaves some behind.
fn schemathesis(folder: &Path) -> Command {
    let python = from_make("POSTRIDER_TEST_PYTHON");
    let mut command = Command::new(Path::new(&python).with_file_name("schemathesis"));
    let how = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract");
    command.current_dir(folder).env("PYTHONPATH", &how).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("SCHEMATHESIS_HOOKS", "hooks");
    command.arg("--config-file").arg(how.join("schemathesis.toml"));
    command
}

/// What it said and how it ended, within that time.
async fn finished(command: &mut Command, limit: Duration) -> Output {
    let said = tempfile::NamedTempFile::new().expect("a temporary file");
    let file = || said.reopen().expect("our file");
    command.stdin(Stdio::null()).stdout(file()).stderr(file());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let watch = Stopwatch::start();
    let status = loop {
        if let Some(status) = child.try_wait().expect("our child") {
            break Some(status);
        }
        if watch.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        let_pass(Duration::from_millis(50)).await;
    };
    let stdout = std::fs::read_to_string(said.path()).expect("text");
    assert!(status.is_some(), "it was not finished within {limit:?}:\n{stdout}");
    Output { code: status.and_then(|status| status.code()), stdout, stderr: String::new() }
}

/// How many cases it made, as its summary says.
fn cases(said: &str) -> usize {
    let line = said.lines().find_map(|line| line.split_once(" generated"));
    let number = line.and_then(|(before, _)| before.trim().replace(',', "").parse().ok());
    number.unwrap_or_else(|| panic!("no number of cases in:\n{said}"))
}

#[tokio::test]
async fn an_admin_is_answered_as_the_document_says() {
    answers_as_documented("admin").await;
}

#[tokio::test]
async fn a_publisher_is_answered_as_the_document_says() {
    answers_as_documented("publisher").await;
}

#[tokio::test]
async fn a_viewer_is_answered_as_the_document_says() {
    answers_as_documented("viewer").await;
}

#[tokio::test]
async fn a_tenant_is_answered_as_the_document_says() {
    answers_as_documented("tenant").await;
}

#[tokio::test]
async fn whoever_has_no_key_is_answered_as_the_document_says() {
    answers_as_documented("nobody").await;
}

#[tokio::test]
async fn an_independent_validator_finds_the_document_to_be_openapi_3_1() {
    let server = Postrider::start().await;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    for document in [
        server.get("/openapi.json").await.is(200),
        serde_json::from_str(&server.run(&["openapi"]).ok()).expect("JSON"),
    ] {
        std::fs::write(file.path(), document.to_string()).expect("it is written");
        let python = from_make("POSTRIDER_TEST_PYTHON");
        let program = Path::new(&python).with_file_name("openapi-spec-validator");
        let mut command = Command::new(program);
        command.args(["--schema", "3.1"]).arg(file.path());
        let said = finished(&mut command, Duration::from_secs(60)).await;
        assert_eq!(said.code, Some(0), "{}", said.stdout);
    }
}
