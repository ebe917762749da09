//! Schemas that are written by hand, because what they say cannot be said at a field: what the
//! items, keys and values of a field look like. Each says what the reader beside it takes.

use std::borrow::Cow;

use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, Object, Schema, SchemaFormat, Type,
};
use utoipa::openapi::{AllOf, OneOf, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// One of a webhook's `event_types` (`model::webhook::EventTypes`).
pub struct EventTypePattern;

impl PartialSchema for EventTypePattern {
    fn schema() -> RefOr<Schema> {
        let mut schema = Object::with_type(Type::String);
        schema.pattern = Some(r"^(\*|[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*(\.\*)?)$".into());
        schema.max_length = Some(256);
        schema.description =
            Some("An event type (`order.paid`), all below a prefix (`order.*`), or `*`.".into());
        RefOr::T(schema.into())
    }
}

impl ToSchema for EventTypePattern {
    fn name() -> Cow<'static, str> {
        "EventTypePattern".into()
    }
}

/// A webhook's `metadata` (`model::webhook::WebhookConfig::checked`).
pub struct Metadata;

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let mut text = Object::with_type(Type::String);
        text.max_length = Some(512);
        RefOr::T(map(text.clone(), text, 50).into())
    }
}

impl ToSchema for Metadata {
    fn name() -> Cow<'static, str> {
        "Metadata".into()
    }
}

/// A webhook's `headers` (`model::webhook::check_header`).
pub struct Headers;

impl PartialSchema for Headers {
    fn schema() -> RefOr<Schema> {
        let mut name = Object::with_type(Type::String);
        name.pattern = Some(
            "^(?!(host|content-length|content-type|content-encoding|transfer-encoding|connection\
             |keep-alive|te|trailer|upgrade|expect|proxy-connection|user-agent|accept-encoding)$\
             |webhook-)[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
                .into(),
        );
        (name.min_length, name.max_length) = (Some(1), Some(128));
        let mut value = Object::with_type(Type::String);
        value.pattern = Some(r"^([!-~]([\t -~]*[!-~])?)?$".into());
        value.max_length = Some(4096);
        RefOr::T(map(name, value, 32).into())
    }
}

impl ToSchema for Headers {
    fn name() -> Cow<'static, str> {
        "Headers".into()
    }
}

/// A status that ends a delivery at once (`model::retry::RetryPolicy::checked`).
pub struct FinalStatus;

impl PartialSchema for FinalStatus {
    fn schema() -> RefOr<Schema> {
        RefOr::T(whole_number(400, 499).into())
    }
}

impl ToSchema for FinalStatus {
    fn name() -> Cow<'static, str> {
        "FinalStatus".into()
    }
}

/// A gap of a schedule in milliseconds (`model::retry::RetryPolicy::checked`).
pub struct Delay;

impl PartialSchema for Delay {
    fn schema() -> RefOr<Schema> {
        RefOr::T(whole_number(100, 2_592_000_000).into())
    }
}

impl ToSchema for Delay {
    fn name() -> Cow<'static, str> {
        "Delay".into()
    }
}

fn whole_number(minimum: u64, maximum: u64) -> Object {
    let mut schema = Object::with_type(Type::Integer);
    schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
    (schema.minimum, schema.maximum) = (Some(minimum.into()), Some(maximum.into()));
    schema
}

fn map(names: Object, values: Object, entries_max: usize) -> Object {
    let mut schema = Object::with_type(Type::Object);
    schema.property_names = Some(Box::new(names.into()));
    schema.additional_properties =
        Some(Box::new(AdditionalProperties::RefOr(RefOr::T(values.into()))));
    schema.max_properties = Some(entries_max);
    schema
}

/// Says by an enumeration what a pattern of nothing but words says, so that who makes a client out
/// of the document gets names. At a field the words can only be given as a pattern.
pub fn name_words(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            let words = object.pattern.as_deref().and_then(words_of);
            if let Some(words) = words {
                let nullable = object.schema_type != Type::String.into();
                let null = nullable.then_some(serde_json::Value::Null);
                let words = words.into_iter().map(Into::into);
                object.enum_values = Some(words.chain(null).collect());
                object.pattern = None;
            }
            object.properties.values_mut().for_each(name_words);
        }
        Schema::OneOf(OneOf { items, .. }) | Schema::AllOf(AllOf { items, .. }) => {
            items.iter_mut().for_each(name_words);
        }
        _ => {}
    }
}

/// The words of `^(a|b)$`.
fn words_of(pattern: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = pattern.strip_prefix("^(")?.strip_suffix(")$")?.split('|').collect();
    let plain = |word: &&str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    words.iter().all(plain).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pattern_of_words_is_an_enumeration() {
        assert_eq!(words_of("^(a|b_c)$"), Some(vec!["a", "b_c"]));
        assert_eq!(words_of("^(a|b+)$"), None);
        assert_eq!(words_of("^[a|b]$"), None);
    }
}
