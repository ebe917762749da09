//! The dashboard in a real browser, against the real server: every screen and every action, on what
//! real deliveries left behind. The tests themselves are in `tests/browser`, a file per screen; here is
//! what they look at.

mod life;
mod scene;

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::sync::Semaphore;

use crate::harness::from_make;
use life::Life;
use scene::Scene;

/// Each is as much work as the rest of a test run; nextest has the same limit, over its processes.
static BROWSERS: Semaphore = Semaphore::const_new(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_key_or_a_link_gets_in_and_nobody_else() {
    all_pass_of("login").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_overview_says_how_it_goes_and_who_needs_somebody() {
    all_pass_of("overview").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn around_every_screen_are_the_same_keys_and_switches() {
    all_pass_of("shell").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_listed_registered_and_acted_on() {
    all_pass_of("webhooks").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_looked_at_changed_and_tried() {
    all_pass_of("webhook").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_listed_found_and_published() {
    all_pass_of("events").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_shows_how_each_attempt_went() {
    all_pass_of("event").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_filtered_followed_and_acted_on() {
    all_pass_of("deliveries").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_shows_its_workers_and_what_it_stands_on() {
    all_pass_of("queue").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_make_keys_and_tell_no_secrets() {
    all_pass_of("settings").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_is_read_and_tried() {
    all_pass_of("docs").await;
}

/// Not a test: `make screenshots` runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make screenshots"]
async fn pictures_for_the_documentation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
    let life = Life::new().await;
    let env = vec![
        ("POSTRIDER_TEST_SCENE", life.told().await.to_string()),
        ("POSTRIDER_TEST_PICTURES", folder.display().to_string()),
    ];
    let output = run(&["pictures.mjs"], env).await;
    println!("{}", output.text);
    assert!(output.went_well, "see above");
}

/// Makes a scene and runs the tests of a screen in it.
async fn all_pass_of(screen: &str) {
    let turn = BROWSERS.acquire().await;
    let scene = Scene::new().await;
    let pictures = pictures_of(screen);
    let output = run(
        &["run.mjs", screen],
        vec![
            ("POSTRIDER_TEST_SCENE", scene.told().to_string()),
            ("POSTRIDER_TEST_PICTURES", pictures.display().to_string()),
        ],
    )
    .await;
    drop(turn);
    println!("{}", output.text);
    assert!(output.went_well, "{screen}: see above");
}

struct Output {
    went_well: bool,
    text: String,
}

/// Runs a program of `tests/browser`.
async fn run(args: &[&str], env: Vec<(&'static str, String)>) -> Output {
    let mut node = Command::new("node");
    node.args(args).envs(env).current_dir(from_make("POSTRIDER_TEST_BROWSER_DIR"));
    let ended = tokio::task::spawn_blocking(move || node.output()).await;
    let output = ended.expect("it is waited for").expect("node is installed");
    let text = [output.stdout, output.stderr].concat();
    Output { went_well: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() }
}

/// Where a test that fails leaves what was to be seen.
fn pictures_of(screen: &str) -> PathBuf {
    let mode = std::env::var("POSTRIDER_TEST_MODE").unwrap_or_else(|_| "embedded".to_owned());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures").join(mode).join(screen);
    // Err: there is none of an earlier run.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for pictures");
    folder
}
