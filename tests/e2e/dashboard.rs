//! The dashboard's files as the binary serves them, whether npm had built them before it or not.

use reqwest::Method;
use serde_json::json;

use crate::harness::fleet::Fleet;
use crate::harness::{Answer, Client, Postrider};

const GUARDS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
];

async fn get(client: &Client, path: &str, headers: &[(&str, &str)]) -> Answer {
    let answer = client.without_key().send(Method::GET, path, headers, None).await;
    for (name, value) in GUARDS {
        assert_eq!(answer.header(name), value, "{path} {name}");
    }
    answer
}

/// The paths of the files that a page loads.
fn loaded_by(page: &str) -> Vec<String> {
    let values = page.split(['"', '\'']).filter(|text| text.starts_with("/dashboard/assets/"));
    values.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_page_of_ours_is_where_a_browser_looks_for_it() {
    let server = Postrider::start().await;
    let page = get(&server, "/dashboard", &[]).await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-cache"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    // A path of a screen is the same page: it reads the path itself.
    for path in ["/dashboard/", "/dashboard/login", "/dashboard/webhooks/wh_1?since=1h"] {
        assert!(get(&server, path, &[]).await.body == page.body, "{path}");
    }
    let known = get(&server, "/dashboard", &[("if-none-match", page.header("etag"))]).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(get(&server, "/docs", &[]).await.status, 200);

    for path in ["/dashboard/assets/none-1234.js", "/dashboard/none.css", "/docs/none.js"] {
        get(&server, path, &[]).await.refused(404, "not_found");
    }
    let posted = server.post("/dashboard", json!({})).await;
    posted.refused(405, "method_not_allowed");
    assert_eq!(posted.header("allow"), "GET, HEAD");
    let head = server.send(Method::HEAD, "/dashboard", &[], None).await;
    assert_eq!((head.status, head.header("content-type")), (200, page.header("content-type")));
}

#[tokio::test]
async fn a_browser_at_the_root_is_led_there_and_a_program_is_not() {
    let server = Postrider::start().await;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let led = server.without_key().send(Method::GET, "/", &browser, None).await;
    assert_eq!((led.status, led.header("location")), (302, "/dashboard"));
    server.without_key().get("/").await.refused(404, "not_found");
    server.post("/", json!({})).await.refused(404, "not_found");
}

#[tokio::test]
async fn what_the_page_loads_is_kept_for_ever_and_comes_compressed() {
    let server = Postrider::start().await;
    let page = get(&server, "/dashboard", &[]).await.text();
    if page.contains("make build") {
        println!("this binary was built without the dashboard");
        return;
    }
    let files = loaded_by(&page);
    assert!(files.len() >= 2, "{page}");
    for path in files {
        let plain = get(&server, &path, &[]).await;
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(plain.header("content-encoding"), "");
        for (taken, coding) in [("gzip, deflate, br", "br"), ("gzip", "gzip")] {
            let small = get(&server, &path, &[("accept-encoding", taken)]).await;
            // What is tiny is not worth it.
            if plain.body.len() > 2_048 {
                assert_eq!(small.header("content-encoding"), coding, "{path}");
                assert!(small.body.len() < plain.body.len(), "{path} {coding}");
                assert_ne!(small.header("etag"), plain.header("etag"));
            }
            let known = [("accept-encoding", taken), ("if-none-match", small.header("etag"))];
            assert_eq!(get(&server, &path, &known).await.status, 304, "{path}");
        }
    }
    let docs = get(&server, "/docs", &[]).await.text();
    assert!(docs.contains("/docs/swagger-ui-bundle.js"), "{docs}");
    for path in ["/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/docs.js"] {
        let file = get(&server, path, &[("accept-encoding", "br")]).await;
        assert_eq!((file.status, file.header("cache-control")), (200, "no-cache"), "{path}");
    }
}

#[tokio::test]
async fn a_process_that_only_delivers_shows_no_pages() {
    let mut fleet = Fleet::start(1, 0).await;
    let worker = fleet.start_worker_with_a_door();
    crate::harness::wait_until("it answers", async || {
        let answer = worker.try_send(Method::GET, "/healthz", &[], None).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    for path in ["/dashboard", "/docs", "/v1/session"] {
        worker.get(path).await.refused(404, "not_found");
    }
    get(fleet.client(), "/dashboard", &[]).await;
}
