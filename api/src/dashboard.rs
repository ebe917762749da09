//! The dashboard and the API's interactive documentation: files that npm built (`dashboard/dist`) and
//! that are in the binary since (`build.rs`). They hold nothing secret and need no key; what they show
//! they ask the API for.

mod serve;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, HeaderMap, LOCATION, VARY};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use bytes::Bytes;
use utoipa_actix_web::service_config::ServiceConfig;

use self::serve::{File, Find, serve};
use crate::problem::ApiError;

#[derive(rust_embed::Embed)]
#[folder = "../dashboard/dist"]
struct Dist;

pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::route().to(lead_to_dashboard))
        .route("/dashboard", web::route().to(show_dashboard))
        .route("/dashboard/{path:.*}", web::route().to(show_dashboard))
        .route("/docs", web::route().to(show_docs))
        .route("/docs/{path:.*}", web::route().to(show_docs));
}

/// A browser at the server's address is shown the dashboard; to programs there is nothing.
async fn lead_to_dashboard(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    if !serve::is_read(request.method()) || !wants_a_page(request.headers()) {
        return Err(ApiError::unknown_path());
    }
    let mut found = HttpResponse::build(StatusCode::FOUND);
    Ok(found.insert_header((LOCATION, "/dashboard")).insert_header((VARY, "accept")).finish())
}

/// The dashboard has paths of its own that are no files: it reads them itself.
async fn show_dashboard(request: HttpRequest) -> HttpResponse {
    let path = request.path().strip_prefix("/dashboard").unwrap_or_default();
    let path = path.strip_prefix('/').unwrap_or(path);
    let name = if is_file(path) { path } else { "index.html" };
    answer(&request, name, &embedded)
}

async fn show_docs(request: HttpRequest) -> HttpResponse {
    let path = request.path().strip_prefix('/').unwrap_or_default().trim_end_matches('/');
    let name = if is_file(path) { path } else { "docs/index.html" };
    answer(&request, name, &embedded)
}

/// What a browser asks for by a file's name is one or nothing.
fn is_file(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.contains('.'))
}

fn answer(request: &HttpRequest, name: &str, find: Find<'_>) -> HttpResponse {
    let mut response = if find("index.html").is_some() || is_file(request.path()) {
        serve(request, name, find)
    } else {
        // One page for all of them, whatever they are called.
        serve(request, "index.html", &|name| (name == "index.html").then_some(UNBUILT))
    }
    .unwrap_or_else(|error| error.error_response());
    serve::guard(response.headers_mut());
    response
}

const UNBUILT: File =
    File { bytes: Bytes::from_static(include_bytes!("dashboard/unbuilt.html")), hash: [0; 32] };

fn embedded(name: &str) -> Option<File> {
    let file = Dist::get(name)?;
    let bytes = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => bytes.into(),
    };
    Some(File { bytes, hash: file.metadata.sha256_hash() })
}

fn wants_a_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::header::CONTENT_TYPE;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use utoipa_actix_web::AppExt as _;

    use super::*;

    fn made(name: &str) -> Option<File> {
        let text = match name {
            "index.html" => "<title>dashboard</title>",
            "docs/index.html" => "<title>docs</title>",
            "assets/a-1.js" => "let a",
            _ => return None,
        };
        Some(File { bytes: Bytes::from_static(text.as_bytes()), hash: [1; 32] })
    }

    async fn text(path: &str, name: &str) -> (u16, String) {
        let answer = answer(&TestRequest::get().uri(path).to_http_request(), name, &made);
        let status = answer.status().as_u16();
        let body = actix_web::body::to_bytes(answer.into_body()).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[actix_web::test]
    async fn a_path_that_is_no_file_is_the_dashboards_own() {
        assert!(!is_file("") && !is_file("webhooks/wh_1") && !is_file("a.b/c"));
        assert!(is_file("assets/a-1.js") && is_file("favicon.ico"));
        let (status, page) = text("/dashboard/events", "index.html").await;
        assert!(status == 200 && page.contains("dashboard"), "{status} {page}");
        let (status, problem) = text("/dashboard/assets/b.js", "assets/b.js").await;
        assert!(status == 404 && problem.contains("not_found"), "{status} {problem}");
    }

    #[actix_web::test]
    async fn without_a_dashboard_a_page_says_how_to_get_one() {
        for path in ["/dashboard", "/docs"] {
            let request = TestRequest::get().uri(path).to_http_request();
            let answer = answer(&request, "index.html", &|_| None);
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(
                answer.headers().get(CONTENT_TYPE).expect("a type"),
                "text/html; charset=utf-8"
            );
            let body = actix_web::body::to_bytes(answer.into_body()).await.expect("a body");
            assert!(String::from_utf8_lossy(&body).contains("make build"));
        }
    }

    #[actix_web::test]
    async fn whatever_is_answered_is_guarded() {
        let app = App::new().into_utoipa_app().configure(routes).into_app();
        let app = init_service(app).await;
        for (method, path, status) in [
            ("GET", "/dashboard", 200),
            ("HEAD", "/dashboard/", 200),
            ("GET", "/dashboard/login", 200),
            ("GET", "/docs", 200),
            ("GET", "/docs/", 200),
            ("GET", "/dashboard/nothing.js", 404),
            ("GET", "/dashboard/../../Cargo.toml", 404),
            ("GET", "/docs/nothing.js", 404),
            ("POST", "/dashboard", 405),
            ("DELETE", "/docs", 405),
        ] {
            let request = TestRequest::with_uri(path).method(method.parse().expect("a method"));
            let answer = call_service(&app, request.to_request()).await;
            assert_eq!(answer.status().as_u16(), status, "{method} {path}");
            for (name, begin) in [
                ("content-security-policy", "default-src 'self'; "),
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
            ] {
                let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
                let fits = value.is_some_and(|value| value.starts_with(begin));
                assert!(fits, "{method} {path} {name}: {value:?}");
            }
        }
    }

    #[actix_web::test]
    async fn a_browser_is_led_from_the_root_to_the_dashboard() {
        let app = App::new().into_utoipa_app().configure(routes).into_app();
        let app = init_service(app).await;
        let browser = TestRequest::get().uri("/").insert_header((ACCEPT, "text/html,*/*;q=0.8"));
        let answer = call_service(&app, browser.to_request()).await;
        assert_eq!(answer.status(), StatusCode::FOUND);
        assert_eq!(answer.headers().get(LOCATION).expect("a place"), "/dashboard");
        let program = TestRequest::get().uri("/").insert_header((ACCEPT, "*/*"));
        let answer = call_service(&app, program.to_request()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert!(read_body(answer).await.starts_with(b"{"));
    }
}
