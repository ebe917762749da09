//! JSON, read strictly: a field that is unknown, given twice or of another type is refused by name,
//! because what is silently ignored is found out too late. Messages never repeat a value: it may
//! be a secret in the wrong place.
//!
//! A body is cut into its fields in one pass, and each is then read by its type. So published data
//! is never parsed into a tree, only cut out of the bytes that came in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use model::Invalid;
use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::problem::ApiError;
use crate::query::shown;

/// More fields than any object here has: among so many one is unknown, so the rest need not be
/// kept, and telling them apart stays cheap.
const FIELDS_MAX: usize = 64;

/// What is read out of the fields of an object.
pub trait FromFields: Sized {
    /// Every field there is.
    const FIELDS: &'static [&'static str];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError>;
}

/// Reads a body that is one JSON object.
///
/// # Errors
/// `json_invalid`, `duplicate_key`, `unknown_field`, `schema`, and what its fields refuse.
pub fn from_json<T: FromFields>(body: &Bytes) -> Result<T, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::new("json_invalid", "the body is not text in UTF-8"))?;
    T::from_fields(&mut Fields::cut(text, Place::Body(body), T::FIELDS)?)
}

/// A type that a field can have.
pub trait Kind<'a>: Sized {
    /// What a caller is told that it takes.
    const NAME: &'static str;

    /// None if the JSON is of another type.
    fn read(json: &'a str) -> Option<Self>;
}

impl<'a> Kind<'a> for String {
    const NAME: &'static str = "a string";

    fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl<'a> Kind<'a> for bool {
    const NAME: &'static str = "true or false";

    fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl<'a> Kind<'a> for u64 {
    const NAME: &'static str = "a whole number";

    fn read(json: &'a str) -> Option<Self> {
        whole(&serde_json::from_str(json).ok()?)
    }
}

impl<'a> Kind<'a> for u32 {
    const NAME: &'static str = "a whole number";

    fn read(json: &'a str) -> Option<Self> {
        u64::read(json)?.try_into().ok()
    }
}

impl<'a> Kind<'a> for f64 {
    const NAME: &'static str = "a number";

    fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl<'a> Kind<'a> for Vec<String> {
    const NAME: &'static str = "a list of strings";

    fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl<'a> Kind<'a> for Vec<u64> {
    const NAME: &'static str = "a list of whole numbers";

    fn read(json: &'a str) -> Option<Self> {
        let numbers: Vec<Number> = serde_json::from_str(json).ok()?;
        numbers.iter().map(whole).collect()
    }
}

impl<'a> Kind<'a> for Vec<u16> {
    const NAME: &'static str = "a list of whole numbers";

    fn read(json: &'a str) -> Option<Self> {
        Vec::<u64>::read(json)?.into_iter().map(|number| number.try_into().ok()).collect()
    }
}

impl<'a> Kind<'a> for Items<'a> {
    const NAME: &'static str = "a list";

    fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl<'a> Kind<'a> for BTreeMap<String, String> {
    const NAME: &'static str = "an object whose values are strings";

    fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

/// A number without a fraction, however it is written: in JSON `16`, `16.0` and `1.6e1` are one
/// number, and some languages know only the second.
fn whole(number: &Number) -> Option<u64> {
    /// Up to here every whole number is a double, and none stands for two.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    number.as_u64().or_else(|| {
        let number = number.as_f64()?;
        let whole = number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "its range was checked"
        )]
        whole.then_some(number as u64)
    })
}

/// The most items that are kept of a list: as many as the largest batch that can be allowed.
pub const ITEMS_MAX: usize = 10_000;

/// The items of a list, each still to be read. What is over [`ITEMS_MAX`] is only skipped, so that
/// a body of millions of tiny items costs no more than its bytes.
pub struct Items<'a> {
    pub items: Vec<&'a RawValue>,
    pub more: bool,
}

impl<'a> Deserialize<'a> for Items<'a> {
    fn deserialize<D: serde::Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'a> Visitor<'a> for List {
            type Value = Items<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Items<'a>, A::Error> {
                let mut items = Vec::new();
                while items.len() < ITEMS_MAX {
                    match list.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(Items { items, more: false }),
                    }
                }
                let mut more = false;
                while let Some(IgnoredAny) = list.next_element()? {
                    more = true;
                }
                Ok(Items { items, more })
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// What was said of an optional field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    #[default]
    Absent,
    /// To its default.
    Null,
    Given(T),
}

/// The fields of one object, to be taken out by name.
pub struct Fields<'a> {
    place: Place<'a>,
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// Where an object stands in the body.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// It is the body, or an item of it that is judged for itself; the bytes are the whole body.
    Body(&'a Bytes),
    /// It is a field of the body.
    Field(&'static str),
}

impl<'a> Fields<'a> {
    fn cut(text: &'a str, place: Place<'a>, known: &[&str]) -> Result<Self, ApiError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let cut = reader.deserialize_map(Cutter).and_then(|cut| reader.end().map(|()| cut));
        let cut = match cut {
            Ok(cut) => cut,
            Err(_) => {
                check_syntax(text)?;
                let detail = match place {
                    Place::Body(_) => "a JSON object is expected".to_owned(),
                    Place::Field(name) => format!("{name} must be an object"),
                };
                return Err(ApiError::new("schema", detail).at(place.pointer("")));
            }
        };
        if let Some(name) = cut.twice {
            let detail = format!("the field {} is given twice", shown(&name));
            return Err(ApiError::new("duplicate_key", detail).at(place.pointer(&name)));
        }
        if let Some((name, _)) = cut.entries.iter().find(|(name, _)| !known.contains(&&**name)) {
            let detail =
                format!("there is no field {}; there is: {}", shown(name), known.join(", "));
            return Err(ApiError::new("unknown_field", detail).at(place.pointer(name)));
        }
        Ok(Self { place, entries: cut.entries })
    }

    /// A field that may be left out; null is as good as that.
    ///
    /// # Errors
    /// `schema`.
    pub fn optional<T: Kind<'a>>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        Ok(match self.field(name)? {
            Field::Given(value) => Some(value),
            Field::Absent | Field::Null => None,
        })
    }

    /// # Errors
    /// `schema`.
    pub fn required<T: Kind<'a>>(&mut self, name: &str) -> Result<T, ApiError> {
        self.optional(name)?.ok_or_else(|| self.missing(name, T::NAME))
    }

    /// A field of which null says something else than its absence.
    ///
    /// # Errors
    /// `schema`.
    pub fn field<T: Kind<'a>>(&mut self, name: &str) -> Result<Field<T>, ApiError> {
        match self.take(name) {
            None => Ok(Field::Absent),
            Some(raw) if raw.get() == "null" => Ok(Field::Null),
            Some(raw) => match T::read(raw.get()) {
                Some(value) => Ok(Field::Given(value)),
                None => Err(self.missing(name, T::NAME)),
            },
        }
    }

    /// A field that is read by `parse` if it is given and not null.
    ///
    /// # Errors
    /// `schema`, and what `parse` refuses.
    pub fn parsed<T: Kind<'a>, U>(
        &mut self,
        name: &str,
        parse: impl FnOnce(T) -> Result<U, Invalid>,
    ) -> Result<Option<U>, ApiError> {
        match self.field(name)? {
            Field::Given(value) => Ok(Some(parse(value).map_err(|e| self.refuse(name, e))?)),
            Field::Absent | Field::Null => Ok(None),
        }
    }

    /// The same, with null told apart.
    ///
    /// # Errors
    /// As [`Fields::parsed`].
    pub fn parsed_field<T: Kind<'a>, U>(
        &mut self,
        name: &str,
        parse: impl FnOnce(T) -> Result<U, Invalid>,
    ) -> Result<Field<U>, ApiError> {
        Ok(match self.field(name)? {
            Field::Given(value) => Field::Given(parse(value).map_err(|e| self.refuse(name, e))?),
            Field::Absent => Field::Absent,
            Field::Null => Field::Null,
        })
    }

    /// A field that is an object of its own, cut into its fields.
    ///
    /// # Errors
    /// As [`from_json`].
    pub fn object(
        &mut self,
        name: &'static str,
        known: &[&str],
    ) -> Result<Field<Fields<'a>>, ApiError> {
        Ok(match self.take(name) {
            None => Field::Absent,
            Some(raw) if raw.get() == "null" => Field::Null,
            Some(raw) => Field::Given(Fields::cut(raw.get(), Place::Field(name), known)?),
        })
    }

    /// An object among the values of this one, judged for itself: one event of a batch.
    ///
    /// # Errors
    /// As [`from_json`].
    pub fn part<T: FromFields>(&self, part: &'a RawValue) -> Result<T, ApiError> {
        T::from_fields(&mut Fields::cut(part.get(), self.place, T::FIELDS)?)
    }

    /// Any JSON, byte for byte, without a copy where the body is at hand.
    pub fn raw(&mut self, name: &str) -> Option<Bytes> {
        let raw = self.take(name)?.get().as_bytes();
        Some(match self.place {
            Place::Body(body) => body.slice_ref(raw),
            Place::Field(_) => Bytes::copy_from_slice(raw),
        })
    }

    /// Whether the field is a string, so that what is either a string or an object can be read.
    pub fn is_string(&self, name: &str) -> bool {
        let field = self.entries.iter().find(|(given, _)| given == name);
        field.is_some_and(|(_, raw)| raw.get().starts_with('"'))
    }

    /// A field that nobody took.
    pub fn left(&self) -> Option<&str> {
        self.entries.first().map(|(name, _)| &**name)
    }

    /// A field of the contract that is not carried out yet.
    ///
    /// # Errors
    /// `not_supported` if it is given.
    pub fn not_supported(&mut self, name: &str) -> Result<(), ApiError> {
        match self.take(name) {
            Some(raw) if raw.get() != "null" => {
                let message = format!("{name} is not supported yet; leave it out");
                Err(self.refuse(name, Invalid::not_supported(message)))
            }
            _ => Ok(()),
        }
    }

    /// The problem of a field that another rule refused.
    pub fn refuse(&self, name: &str, invalid: Invalid) -> ApiError {
        ApiError::from(invalid).at(self.place.pointer(name))
    }

    pub fn missing(&self, name: &str, kind: &str) -> ApiError {
        let detail = format!("{} must be {kind}", self.place.named(name));
        ApiError::new("schema", detail).at(self.place.pointer(name))
    }

    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.entries.iter().position(|(given, _)| given == name)?;
        Some(self.entries.swap_remove(at).1)
    }
}

impl Place<'_> {
    fn named(self, name: &str) -> String {
        match self {
            Place::Body(_) => name.to_owned(),
            Place::Field(parent) => format!("{parent}.{name}"),
        }
    }

    /// RFC 6901.
    fn pointer(self, name: &str) -> String {
        let name = shown(name).replace('~', "~0").replace('/', "~1");
        let parent = match self {
            Place::Body(_) => String::new(),
            Place::Field(parent) => format!("/{parent}"),
        };
        if name.is_empty() { parent } else { format!("{parent}/{name}") }
    }
}

/// Whether the text is one JSON document and nothing after it.
fn check_syntax(text: &str) -> Result<(), ApiError> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let detail =
                format!("the body is not JSON: reading stopped at line {line} column {column}");
            Err(ApiError::new("json_invalid", detail))
        }
    }
}

/// Cuts an object into its fields.
struct Cutter;

#[derive(Default)]
struct Cut<'a> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
    twice: Option<String>,
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Visitor<'a> for Cutter {
    type Value = Cut<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Cut<'a>, A::Error> {
        let mut cut = Cut::default();
        while let Some(Name(name)) = map.next_key()? {
            let value = map.next_value()?;
            if cut.entries.iter().any(|(given, _)| *given == name) {
                cut.twice.get_or_insert(name.into_owned());
            } else if cut.entries.len() < FIELDS_MAX {
                cut.entries.push((name, value));
            }
        }
        Ok(cut)
    }
}

#[cfg(test)]
mod tests;
