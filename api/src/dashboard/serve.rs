//! Files over HTTP: their type, how long a browser keeps them, the one that is compressed already if it
//! takes that, and nothing at all if it has the file.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{
    self, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use crate::problem::ApiError;

/// What a page of ours may load and do: nothing of elsewhere, nothing inline, and nobody frames it.
const POLICY: &str = "default-src 'self'; style-src 'self'; img-src 'self' data:; \
    object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
/// Compressed files that stand beside others, best first: how the names end, and what HTTP calls it.
const COMPRESSED: [(&str, &str); 2] = [("br", "br"), ("gz", "gzip")];
/// What is given to a connection at once, so that a client that does not read holds no more.
const PIECE_BYTES: usize = 16 * 1024;

/// A file of the binary.
pub struct File {
    pub bytes: Bytes,
    /// SHA-256.
    pub hash: [u8; 32],
}

/// The file of a name.
pub type Find<'a> = &'a dyn Fn(&str) -> Option<File>;

/// # Errors
/// `method_not_allowed`, and `not_found`.
pub fn serve(request: &HttpRequest, name: &str, find: Find<'_>) -> Result<HttpResponse, ApiError> {
    if !is_read(request.method()) {
        return Err(ApiError::method(&["GET", "HEAD"]));
    }
    // What is compressed is another form of a file and none of its own.
    let is_form = COMPRESSED.iter().any(|(end, _)| name.ends_with(&format!(".{end}")));
    let plain = find(name).filter(|_| !is_form).ok_or_else(ApiError::not_found)?;
    let headers = request.headers();
    let mut forms = COMPRESSED.iter().filter(|(_, coding)| accepts(headers, coding));
    let found = forms.find_map(|(end, coding)| Some((find(&format!("{name}.{end}"))?, *coding)));
    let (file, coding) = found.map_or((plain, None), |(file, coding)| (file, Some(coding)));

    let tag = tag(&file.hash);
    let has_it = has(headers, &tag);
    let status = if has_it { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = HttpResponse::build(status);
    response.insert_header((ETAG, tag)).insert_header((VARY, "accept-encoding"));
    response.insert_header((CACHE_CONTROL, kept_for(name)));
    if has_it {
        return Ok(response.finish());
    }
    response.content_type(media_type(name));
    if let Some(coding) = coding {
        response.insert_header((CONTENT_ENCODING, coding));
    }
    Ok(response.body(Pieces(file.bytes)))
}

pub fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What every answer here says of itself.
pub fn guard(headers: &mut HeaderMap) {
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (opener, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A name under `assets` has a hash of the content in it: another content is another name.
fn kept_for(name: &str) -> &'static str {
    if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Enough of the hash to tell versions apart.
fn tag(hash: &[u8; 32]) -> String {
    let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// RFC 9110 section 13.1.2: compared weakly.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let said = headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let mut tags = said.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// RFC 9110 section 12.5.3. What is named with a weight of 0 is not taken, and `*` names nothing: whoever
/// takes compressed files says which.
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let said = headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    said.flat_map(|value| value.split(',')).any(|part| {
        let (name, weight) = part.split_once(';').unwrap_or((part, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case(coding) && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// A body that is given away piece by piece, as the client takes it.
struct Pieces(Bytes);

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let piece = self.0.len().min(PIECE_BYTES);
        let piece = self.0.split_to(piece);
        Poll::Ready(if piece.is_empty() { None } else { Some(Ok(piece)) })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;

    use super::*;

    static LARGE: [u8; 100_000] = [b'x'; 100_000];

    fn files(name: &str) -> Option<File> {
        let (bytes, hash): (&'static [u8], u8) = match name {
            "index.html" => (b"<p>", 1),
            "assets/app-1.js" => (&LARGE, 2),
            "assets/app-1.js.br" => (b"brotli", 3),
            "assets/app-1.js.gz" => (b"gzip", 4),
            "a.css" => (b"css", 5),
            "a.css.gz" => (b"gzip", 6),
            _ => return None,
        };
        Some(File { bytes: Bytes::from_static(bytes), hash: [hash; 32] })
    }

    async fn get(name: &str, headers: &[(&'static str, &str)]) -> (HttpResponse<()>, Bytes) {
        let mut request = TestRequest::get();
        for header in headers {
            request = request.append_header(*header);
        }
        let answer = serve(&request.to_http_request(), name, &files).expect("it is there");
        let (head, body) = answer.into_parts();
        (head, to_bytes(body).await.unwrap_or_default())
    }

    fn said<'a>(head: &'a HttpResponse<()>, name: &str) -> &'a str {
        head.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[actix_web::test]
    async fn a_file_comes_whole_and_with_its_type() {
        let (head, body) = get("assets/app-1.js", &[]).await;
        assert!(body == LARGE[..]);
        assert_eq!(said(&head, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(said(&head, "content-encoding"), "");
        assert_eq!(said(&head, "cache-control"), "public, max-age=31536000, immutable");
        let (head, _) = get("index.html", &[]).await;
        assert_eq!(said(&head, "cache-control"), "no-cache");
    }

    #[actix_web::test]
    async fn the_compressed_form_is_the_best_that_is_taken_and_there() {
        for (name, taken, coding) in [
            ("assets/app-1.js", "gzip, deflate, br, zstd", "br"),
            ("assets/app-1.js", "gzip", "gzip"),
            ("assets/app-1.js", "br;q=0, gzip;q=0.5", "gzip"),
            ("assets/app-1.js", "BR; q=1.0", "br"),
            ("assets/app-1.js", "identity, *;q=0", ""),
            ("assets/app-1.js", "brotli", ""),
            ("a.css", "br, gzip", "gzip"),
            ("index.html", "br, gzip", ""),
        ] {
            let (head, body) = get(name, &[("accept-encoding", taken)]).await;
            assert_eq!(said(&head, "content-encoding"), coding, "{name} {taken}");
            assert_eq!(said(&head, "vary"), "accept-encoding");
            let expected = if coding == "br" { "brotli" } else { coding };
            assert!(coding.is_empty() || body == expected, "{name} {taken}");
        }
        let request = TestRequest::get().to_http_request();
        for name in ["a.css.gz", "assets/app-1.js.br", "b.css", ""] {
            assert!(serve(&request, name, &files).is_err(), "{name}");
        }
    }

    #[actix_web::test]
    async fn who_has_a_file_is_not_sent_it_again() {
        let (head, _) = get("a.css", &[]).await;
        let tag = said(&head, "etag").to_owned();
        let weak = format!("\"x\", W/{tag}");
        for known in [tag.as_str(), "*", &weak] {
            let (head, body) = get("a.css", &[("if-none-match", known)]).await;
            assert_eq!((head.status(), body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
            assert_eq!(said(&head, "etag"), tag);
        }
        // Another form is another file.
        for (name, value) in [("if-none-match", "\"x\""), ("if-none-match", "")] {
            let (head, _) = get("a.css", &[(name, value)]).await;
            assert_eq!(head.status(), StatusCode::OK, "{value}");
        }
        let gzip = [("if-none-match", tag.as_str()), ("accept-encoding", "gzip")];
        assert_eq!(get("a.css", &gzip).await.0.status(), StatusCode::OK);
    }
}
