//! Query parameters, read as strictly as bodies: each at most once, and only those there are.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use model::tenant::Tenant;
use model::time::Timestamp;

use crate::page::{LIMIT_DEFAULT, LIMIT_MAX, ListName};
use crate::problem::ApiError;

/// The query of a request, not read yet: a handler reads it once it knows that the caller may.
pub struct Params(String);

impl FromRequest for Params {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.query_string().to_owned())))
    }
}

impl Params {
    #[cfg(test)]
    pub fn of(query: &str) -> Self {
        Self(query.to_owned())
    }

    /// # Errors
    /// `unknown_field` for a parameter that is not `known`, `duplicate_key` for one given twice.
    pub fn read(&self, known: &[&'static str]) -> Result<Query, ApiError> {
        let mut pairs: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(self.0.as_bytes()) {
            let Some(name) = known.iter().find(|k| **k == name) else {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail =
                    format!("there is no query parameter {}; there is: {known}", shown(&name));
                return Err(ApiError::new("unknown_field", detail));
            };
            if pairs.iter().any(|(given, _)| given == name) {
                let detail = format!("the query parameter {name} is given twice");
                return Err(ApiError::new("duplicate_key", detail));
            }
            pairs.push((name, value.into_owned()));
        }
        // In an order of our own, so that the cursor of a list does not depend on the caller's.
        pairs.sort_unstable();
        Ok(Query { pairs })
    }
}

/// What a caller wrote, short enough for an answer.
pub fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A query whose parameters are all known.
pub struct Query {
    pairs: Vec<(&'static str, String)>,
}

impl Query {
    /// Parameters that did not come as a query.
    pub fn of(pairs: impl Iterator<Item = (&'static str, String)>) -> Self {
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_unstable();
        Self { pairs }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that `parse` understands; `expected` says what that is.
    ///
    /// # Errors
    /// `parameter_invalid`.
    pub fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let wrong = || ApiError::new("parameter_invalid", format!("{name} takes {expected}"));
        self.get(name).map(|text| parse(text).ok_or_else(wrong)).transpose()
    }

    pub fn tenant(&self) -> Result<Option<Tenant>, ApiError> {
        Ok(self.get("tenant").map(Tenant::parse).transpose()?)
    }

    pub fn timestamp(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        Ok(self.get(name).map(Timestamp::parse).transpose()?)
    }

    /// # Errors
    /// `limit_invalid`.
    pub fn limit(&self) -> Result<u32, ApiError> {
        let Some(text) = self.get("limit") else {
            return Ok(LIMIT_DEFAULT);
        };
        let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let detail = "limit takes a whole number from 1 to 200";
        limit.ok_or_else(|| ApiError::new("limit_invalid", detail))
    }

    /// The key in the cursor, if there is one, and the name of the list for the next. What is shown
    /// to the keys of one tenant is a list of its own: `own` is that tenant.
    ///
    /// # Errors
    /// As [`ListName::key`].
    pub fn cursor<const N: usize>(
        &self,
        list: &str,
        own: Option<&Tenant>,
    ) -> Result<(Option<[u8; N]>, ListName), ApiError> {
        let filters = self.pairs.iter().filter(|(name, _)| !matches!(*name, "limit" | "cursor"));
        let filters = filters.map(|(name, value)| (*name, value.as_str()));
        let own = own.map(|tenant| ("shown to", tenant.as_str()));
        let name = ListName::of(list, own.into_iter().chain(filters));
        let key = self.get("cursor").map(|cursor| name.key(cursor)).transpose()?;
        Ok((key, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["limit", "cursor", "tenant", "status"];

    fn code(query: &str) -> &'static str {
        Params(query.into()).read(KNOWN).map_or_else(|e| e.code(), |_| "ok")
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        assert_eq!(code(""), "ok");
        assert_eq!(code("limit=1&status=failed"), "ok");
        assert_eq!(code("limi=1"), "unknown_field");
        assert_eq!(code("%00=1"), "unknown_field");
        assert_eq!(code("limit=1&limit=2"), "duplicate_key");
    }

    #[test]
    fn a_limit_is_a_whole_number_up_to_200() {
        let limit = |query: &str| {
            let query = Params(query.into()).read(KNOWN).expect("known");
            query.limit().map_err(|e| e.code())
        };
        assert_eq!(limit(""), Ok(50));
        assert_eq!(limit("limit=200"), Ok(200));
        for query in
            ["limit=0", "limit=201", "limit=-1", "limit=1e2", "limit=", "limit=99999999999"]
        {
            assert_eq!(limit(query), Err("limit_invalid"), "{query}");
        }
    }

    #[test]
    fn a_cursor_is_worth_nothing_to_another_tenant() {
        let [a, b] = ["a", "b"].map(|name| Tenant::parse(name).expect("valid"));
        let read = |query: &str| Params(query.into()).read(KNOWN).expect("known");
        for owner in [None, Some(&a)] {
            let (_, name) = read("").cursor::<16>("l", owner).expect("no cursor");
            let again = read(&format!("cursor={}", name.cursor(&[1; 16])));
            for other in [None, Some(&a), Some(&b)] {
                let code = again.cursor::<16>("l", other).map_err(|e| e.code()).err();
                let expected = (other != owner).then_some("cursor_mismatch");
                assert_eq!(code, expected, "{owner:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_cursor_does_not_depend_on_the_order_of_the_filters_nor_on_the_limit() {
        let read = |query: &str| Params(query.into()).read(KNOWN).expect("known");
        let (_, name) = read("tenant=a&status=failed").cursor::<16>("l", None).expect("no cursor");
        let cursor = name.cursor(&[1; 16]);
        let again = read(&format!("status=failed&limit=7&tenant=a&cursor={cursor}"));
        assert_eq!(
            again.cursor::<16>("l", None).map_err(|e| e.code()).map(|(key, _)| key),
            Ok(Some([1; 16]))
        );
        let other = read(&format!("status=failed&tenant=b&cursor={cursor}"));
        assert_eq!(
            other.cursor::<16>("l", None).map_err(|e| e.code()).map(|(key, _)| key),
            Err("cursor_mismatch")
        );
    }
}
