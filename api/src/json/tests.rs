use super::*;
use proptest::prelude::*;

#[derive(Debug, PartialEq)]
struct Thing {
    name: String,
    size: Field<u32>,
    data: Option<Bytes>,
}

impl FromFields for Thing {
    const FIELDS: &'static [&'static str] = &["name", "size", "data", "later"];

    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ApiError> {
        fields.not_supported("later")?;
        Ok(Thing {
            name: fields.required("name")?,
            size: fields.field("size")?,
            data: fields.raw("data"),
        })
    }
}

fn read(body: &[u8]) -> Result<Thing, &'static str> {
    from_json(&Bytes::copy_from_slice(body)).map_err(|e| e.code())
}

#[test]
fn each_mistake_has_its_code() {
    let rows: &[(&[u8], &str)] = &[
        (b"", "json_invalid"),
        (b"{", "json_invalid"),
        (b"{}}", "json_invalid"),
        (b"{\"name\":\"a\"} x", "json_invalid"),
        (b"{\"name\":5,\"data\":", "json_invalid"),
        (b"{'name':1}", "json_invalid"),
        (b"{\"name\":\"\xff\"}", "json_invalid"),
        (b"\xef\xbb\xbf{}", "json_invalid"),
        (b"[]", "schema"),
        (b"null", "schema"),
        (b"\"x\"", "schema"),
        (b"{}", "schema"),
        (b"{\"name\":null}", "schema"),
        (b"{\"name\":[\"a\"]}", "schema"),
        (b"{\"name\":\"a\",\"size\":-1}", "schema"),
        (b"{\"name\":\"a\",\"size\":1.5}", "schema"),
        (b"{\"name\":\"a\",\"size\":\"1\"}", "schema"),
        (b"{\"name\":\"a\",\"nam\":1}", "unknown_field"),
        (b"{\"nam\":1}", "unknown_field"),
        (b"{\"name\":\"a\",\"n\\u0061me\":\"b\"}", "duplicate_key"),
        (b"{\"name\":\"a\",\"later\":true}", "not_supported"),
    ];
    for (body, code) in rows {
        assert_eq!(read(body), Err(*code), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    let size = |text: &str| read(format!("{{\"name\":\"a\",\"size\":{text}}}").as_bytes());
    for text in ["16", "16.0", "1.6e1", "160E-1"] {
        assert_eq!(size(text).map(|thing| thing.size), Ok(Field::Given(16)), "{text}");
    }
    for text in ["16.5", "-16.0", "1e30", "4294967296", "4294967296.0", "1e400"] {
        assert_eq!(size(text), Err("schema"), "{text}");
    }
}

#[test]
fn data_is_kept_byte_for_byte() {
    let data = br#"{"b": 1.0,  "a":1e400, "a": "\ud800\u0000", "z":[ ]}"#;
    let body = [b" {\"data\": ", &data[..], b" , \"name\":\"a\"}\n"].concat();
    let thing = read(&body).expect("valid");
    assert_eq!(thing.data.as_deref(), Some(&data[..]));
    assert_eq!(read(b"{\"name\":\"a\",\"data\":null}").map(|t| t.data), Ok(Some("null".into())));
}

#[test]
fn null_is_told_from_absence_where_it_matters() {
    assert_eq!(read(b"{\"name\":\"a\"}").map(|t| t.size), Ok(Field::Absent));
    assert_eq!(read(b"{\"name\":\"a\",\"size\":null}").map(|t| t.size), Ok(Field::Null));
    assert_eq!(read(b"{\"name\":\"a\",\"size\":7}").map(|t| t.size), Ok(Field::Given(7)));
}

#[test]
fn a_message_names_the_field_and_never_repeats_its_value() {
    let body = Bytes::from_static(b"{\"name\":\"a\",\"size\":\"whsec_abc\"}");
    let error = from_json::<Thing>(&body).expect_err("a wrong type");
    assert_eq!(error.detail(), "size must be a whole number");
}

#[test]
fn depth_and_number_of_fields_break_nothing() {
    let deep =
        [b"{\"name\":\"a\",\"data\":", &b"[".repeat(100_000)[..], &b"]".repeat(100_000), b"}"];
    assert!(read(&deep.concat()).is_ok());
    let many: Vec<_> = (0..50_000).map(|n| format!("\"f{n}\":0")).collect();
    assert_eq!(read(format!("{{{}}}", many.join(",")).as_bytes()), Err("unknown_field"));
}

/// Any JSON text, with the white space and the escapes that a parser would not give back.
fn any_json() -> impl Strategy<Value = String> {
    let space = || "[ \t\r\n]{0,2}";
    let number = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?";
    let escape = "\\\\([\"\\\\/bfnrt]|u[0-9a-fA-F]{4})";
    let character = prop_oneof!["[^\"\\\\\\x00-\\x1f]", escape];
    let string =
        prop::collection::vec(character, 0..8).prop_map(|parts| format!("\"{}\"", parts.concat()));
    let leaf = prop_oneof![number, string.clone(), "true|false|null"];
    leaf.prop_recursive(6, 64, 4, move |inner| {
        let item =
            (space(), inner, space()).prop_map(|(before, item, after)| before + &item + &after);
        let member = (space(), string.clone(), space(), item.clone())
            .prop_map(|(before, name, after, item)| format!("{before}{name}{after}:{item}"));
        let list = |of: BoxedStrategy<String>| {
            prop::collection::vec(of, 0..4).prop_map(|items| items.join(","))
        };
        prop_oneof![
            (list(item.boxed()), space()).prop_map(|(items, space)| format!("[{space}{items}]")),
            (list(member.boxed()), space())
                .prop_map(|(members, space)| format!("{{{space}{members}}}")),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_goes_through_byte_for_byte(data in any_json(), before in "[ \t\r\n]{0,3}", after in "[ \t\r\n]{0,3}") {
        let body = format!("{{\"name\":\"a\",\"data\":{before}{data}{after}}}");
        let thing = read(body.as_bytes());
        prop_assert_eq!(thing.map(|thing| thing.data), Ok(Some(data.into())), "{}", body);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\",:a-z0-9\\\\ ]{0,60}") {
        let _: Result<Thing, _> = read(&bytes);
        // What is taken is JSON: serde_json's own tree agrees.
        if read(text.as_bytes()).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }
}
