//! What a browser holds of a session: a cookie with the hash of the key that opened it and when it ends,
//! encrypted with the master keys. Nothing of it is kept here, so that it opens in every process of a
//! fleet, and it is worth nothing without its key, which every request looks up.
//!
//! A browser sends the cookie by itself, whoever's page asks. So it counts only with what no other page
//! can send: a header of our own, and what the browser says of the page (Fetch Metadata,
//! <https://www.w3.org/TR/fetch-metadata/>).

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::key::KeyHash;
use model::secret::{MasterKeys, Sealed};
use model::time::Timestamp;
use store::world;

use crate::problem::ApiError;

pub const NAME: &str = "postrider_session";
/// How long a session lasts: a day's work.
pub const SESSION_TIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Says that a request is the dashboard's: another site's page may not set it without asking first.
pub const OURS: &str = "postrider-dashboard";
/// What it is set to.
const OURS_VALUE: &str = "1";
/// Longer than any cookie of ours.
const COOKIE_BYTES_MAX: usize = 256;
/// Nothing else that is encrypted has a context that begins so.
const CONTEXT: &[u8] = b"session\0";

/// A session that is not over.
#[derive(Debug)]
pub struct Session {
    /// Of the key that opened it.
    pub hash: KeyHash,
    pub until: Timestamp,
}

impl Session {
    /// The session that a request came with, if that is one of ours and not over.
    ///
    /// # Errors
    /// `csrf` where it may be somebody else's page that asks.
    pub fn of(
        request: &HttpRequest,
        master_keys: &MasterKeys,
        now: Timestamp,
    ) -> Result<Option<Self>, ApiError> {
        let session = value(request.headers()).and_then(|text| Self::open(text, master_keys));
        let Some(session) = session.filter(|session| now < session.until) else {
            return Ok(None);
        };
        refuse_other_sites(request)?;
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        let header = request.headers().get(OURS);
        if changes && header.is_none_or(|value| value != OURS_VALUE) {
            let detail = "with a session this needs the header Postrider-Dashboard: 1";
            return Err(ApiError::new("csrf", detail));
        }
        Ok(Some(session))
    }

    /// As the value of `Set-Cookie`.
    pub fn cookie(&self, master_keys: &MasterKeys, request: &HttpRequest) -> String {
        set(&self.seal(master_keys), SESSION_TIME, request)
    }

    fn seal(&self, master_keys: &MasterKeys) -> String {
        let plain = [&self.until.0.to_be_bytes()[..], &self.hash.0].concat();
        let sealed = master_keys.seal(&plain, CONTEXT, world::random_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(sealed.0)
    }

    fn open(text: &str, master_keys: &MasterKeys) -> Option<Self> {
        // The decoder allocates by the length it is given.
        if text.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let sealed = Sealed(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?);
        let plain = master_keys.open(&sealed, CONTEXT).ok()?;
        let (until, hash) = plain.split_first_chunk::<8>()?;
        let (until, hash) = (i64::from_be_bytes(*until), KeyHash(hash.try_into().ok()?));
        Some(Self { hash, until: Timestamp(until) })
    }
}

/// Takes the cookie from the browser, as the value of `Set-Cookie`.
pub fn no_cookie(request: &HttpRequest) -> String {
    set("", Duration::ZERO, request)
}

/// A page of another site, or of another port of this machine, has no business with sessions.
/// Browsers say whose page it is, and what says nothing is none.
///
/// # Errors
/// `csrf`.
pub fn refuse_other_sites(request: &HttpRequest) -> Result<(), ApiError> {
    let mut said = request.headers().get_all("sec-fetch-site");
    if said.all(|site| site == "same-origin" || site == "none") {
        return Ok(());
    }
    Err(ApiError::new("csrf", "a session is used by pages of this server alone"))
}

/// The cookie's text. Of two nobody can tell which is ours.
fn value(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim() == NAME);
    let (_, value) = values.next()?;
    values.next().is_none().then(|| value.trim())
}

/// RFC 6265 section 4.1. Over https, as the proxy before us says, it is never sent in the clear.
fn set(value: &str, lives: Duration, request: &HttpRequest) -> String {
    let proto = request.headers().get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    let first = proto.and_then(|proto| proto.split(',').next()).unwrap_or_default();
    let secure = if first.trim().eq_ignore_ascii_case("https") { "; Secure" } else { "" };
    let max_age = lives.as_secs();
    format!("{NAME}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const NOW: Timestamp = Timestamp(1_787_392_800_000_000);

    fn keys(byte: u8) -> MasterKeys {
        MasterKeys::from_bytes([byte; 32])
    }

    fn session() -> Session {
        Session { hash: KeyHash::of("a key"), until: NOW + SESSION_TIME }
    }

    fn with(cookie: &str) -> TestRequest {
        TestRequest::get().insert_header(("cookie", cookie))
    }

    fn read(request: TestRequest, now: Timestamp) -> Result<bool, &'static str> {
        let found = Session::of(&request.to_http_request(), &keys(1), now);
        found.map(|session| session.is_some()).map_err(|e| e.code())
    }

    #[test]
    fn a_session_is_read_back_until_it_is_over() {
        let text = session().seal(&keys(1));
        let opened = Session::open(&text, &keys(1)).expect("one of ours");
        assert!(opened.hash.matches(&KeyHash::of("a key")) && opened.until == session().until);
        let cookie = format!("theme=dark; {NAME}={text}; x=y");
        assert_eq!(read(with(&cookie), NOW), Ok(true));
        assert_eq!(read(with(&cookie), NOW + SESSION_TIME), Ok(false));
        assert_eq!(read(TestRequest::get(), NOW), Ok(false));
    }

    #[test]
    fn a_cookie_that_is_not_ours_or_was_changed_is_none() {
        let text = session().seal(&keys(1));
        assert_ne!(text, session().seal(&keys(1)));
        assert!(Session::open(&text, &keys(2)).is_none());
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).expect("base64");
        assert!(!bytes.windows(32).any(|part| part == session().hash.0));
        for at in 0..bytes.len() {
            let mut touched = bytes.clone();
            touched[at] ^= 1;
            let touched = BASE64_URL_SAFE_NO_PAD.encode(touched);
            assert!(Session::open(&touched, &keys(1)).is_none(), "{at}");
        }
        let long = "A".repeat(1 << 20);
        for text in ["", "x", "AQ", &text[1..], &format!("{text}A"), &long, "ÄÖ"] {
            assert!(Session::open(text, &keys(1)).is_none(), "{text:.30}");
        }
        // What was encrypted for something else.
        let other = keys(1).seal(&[0; 40], b"stream\0", [0; 24]);
        assert!(Session::open(&BASE64_URL_SAFE_NO_PAD.encode(other.0), &keys(1)).is_none());
    }

    #[test]
    fn of_two_cookies_none_counts() {
        let cookie = format!("{NAME}={}", session().seal(&keys(1)));
        assert_eq!(read(with(&format!("{cookie}; {cookie}")), NOW), Ok(false));
        let twice = with(&cookie).append_header(("cookie", format!("{NAME}=x")));
        assert_eq!(read(twice, NOW), Ok(false));
    }

    #[test]
    fn only_the_dashboard_changes_things_with_a_session() {
        let cookie = format!("{NAME}={}", session().seal(&keys(1)));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let request = || with(&cookie).method(method.clone());
            assert_eq!(read(request(), NOW), Err("csrf"), "{method}");
            assert_eq!(read(request().insert_header((OURS, "0")), NOW), Err("csrf"), "{method}");
            assert_eq!(read(request().insert_header((OURS, "1")), NOW), Ok(true), "{method}");
        }
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(read(with(&cookie).method(method.clone()), NOW), Ok(true), "{method}");
        }
    }

    #[test]
    fn another_sites_page_has_no_session() {
        let cookie = format!("{NAME}={}", session().seal(&keys(1)));
        for method in [Method::GET, Method::POST] {
            let of = |site: &'static str| {
                let request = with(&cookie).method(method.clone()).insert_header((OURS, "1"));
                read(request.insert_header(("sec-fetch-site", site)), NOW)
            };
            assert_eq!((of("same-origin"), of("none")), (Ok(true), Ok(true)));
            for site in ["cross-site", "same-site", "", "x"] {
                assert_eq!(of(site), Err("csrf"), "{method} {site}");
            }
        }
    }

    #[test]
    fn a_cookie_is_for_this_site_and_not_for_scripts() {
        let plain = TestRequest::get().to_http_request();
        let cookie = session().cookie(&keys(1), &plain);
        let (text, attributes) = cookie.split_once("; ").expect("attributes");
        assert!(text.len() < 4_096 && text.starts_with(NAME), "{text}");
        assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
        for (proto, secure) in [("https", true), ("HTTPS, http", true), ("http", false)] {
            let proxied = TestRequest::get().insert_header(("x-forwarded-proto", proto));
            let cookie = session().cookie(&keys(1), &proxied.to_http_request());
            assert_eq!(cookie.ends_with("; Secure"), secure, "{proto}");
        }
        assert_eq!(
            no_cookie(&plain),
            "postrider_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        );
    }
}
