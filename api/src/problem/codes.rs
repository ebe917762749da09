//! The table of codes. A code, once released, keeps its meaning.

use serde::Serialize;
use utoipa::ToSchema;

/// A code that a problem can carry.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Code {
    #[schema(example = "event_id_conflict")]
    pub code: &'static str,
    #[schema(example = 409)]
    pub status: u16,
    pub title: &'static str,
    pub what_to_do: &'static str,
}

/// The entry of a code. A code that is missing here is our mistake, and the caller's input is then
/// still what was refused.
pub fn find(code: &str) -> &'static Code {
    CODES.iter().find(|known| known.code == code).unwrap_or(&INVALID)
}

const INVALID: Code = row("invalid", 422, "Not valid", "Read the detail and change the request.");

const fn row(
    code: &'static str,
    status: u16,
    title: &'static str,
    what_to_do: &'static str,
) -> Code {
    Code { code, status, title, what_to_do }
}

pub const CODES: &[Code] = &[
    // The request as such.
    row(
        "http_invalid",
        400,
        "Not a request in HTTP/1.1",
        "Send HTTP/1.1: a path in ASCII, one Host, one of Content-Length and chunked, no control characters in headers.",
    ),
    row(
        "json_invalid",
        400,
        "The body is not JSON",
        "Send one JSON document in UTF-8; the detail says where reading stopped.",
    ),
    row(
        "duplicate_key",
        400,
        "A field is given twice",
        "Send each field and query parameter once.",
    ),
    row("body_incomplete", 400, "The body broke off", "Send as many bytes as Content-Length says."),
    row(
        "cursor_invalid",
        400,
        "Not a cursor",
        "Use next_cursor of the page before, or the id of the stream's last message, unchanged; or leave it out to begin anew.",
    ),
    row(
        "cursor_mismatch",
        400,
        "The cursor is of another list",
        "Keep the filters and the key of the first page, or leave cursor out to begin anew.",
    ),
    row(
        "unauthorized",
        401,
        "No valid key",
        "Send Authorization: Bearer and an API key that was not revoked.",
    ),
    row(
        "link_used",
        401,
        "The link opens nothing",
        "A link works once, for an hour, while its key is there. Ask for another: postrider dashboard.",
    ),
    row(
        "forbidden_role",
        403,
        "The key may not do this",
        "Use a key of a role that may: see the roles of /v1/keys.",
    ),
    row(
        "csrf",
        403,
        "Not asked for by a page of this server",
        "With a session, send Postrider-Dashboard: 1 with all but GET, from a page of this server. Programs use a key.",
    ),
    row(
        "not_found",
        404,
        "Not found",
        "Check the path, the id and the tenant; what belongs to another tenant is never found.",
    ),
    row(
        "method_not_allowed",
        405,
        "The path takes other methods",
        "Use one of the methods of the Allow header.",
    ),
    row(
        "request_timeout",
        408,
        "The request came too slowly",
        "Send the head within 10 seconds, and the body within another 10.",
    ),
    row(
        "body_too_large",
        413,
        "The body is too large",
        "Send less; the detail says how much is taken. Large data belongs behind a link in the event.",
    ),
    row(
        "head_too_large",
        431,
        "The request's head is too large",
        "Send up to 96 headers, and less than 128 KiB with the path.",
    ),
    row("batch_too_large", 413, "Too many events", "Split the batch."),
    row(
        "unsupported_media_type",
        415,
        "Not application/json",
        "Send Content-Type: application/json, in UTF-8 and not compressed.",
    ),
    row(
        "schema",
        422,
        "A field is missing or of another type",
        "Compare the body with /openapi.json; errors says which field.",
    ),
    row(
        "unknown_field",
        422,
        "There is no such field",
        "Remove the field or correct its name; errors says which one.",
    ),
    row(
        "not_supported",
        422,
        "Not supported yet",
        "Leave the field out: this version does not carry it out, and nothing is stored that is not.",
    ),
    row("limit_invalid", 422, "limit is out of bounds", "Use a limit from 1 to 200."),
    row(
        "parameter_invalid",
        422,
        "A query parameter is not valid",
        "The detail says which one and what it takes.",
    ),
    row(
        "filter_required",
        422,
        "Nothing says which are meant",
        "Give at least one filter: without one it would be all there are.",
    ),
    // Tenants and keys.
    row(
        "tenant_invalid",
        422,
        "Not a tenant's name",
        "Use 1 to 64 characters of A-Z a-z 0-9 _ - . :",
    ),
    row(
        "tenant_required",
        422,
        "The tenant is missing",
        "A key of the role tenant is bound to one: give its tenant. Other roles take none.",
    ),
    row("role_invalid", 422, "Not a role", "Use admin, publisher, viewer or tenant."),
    row("name_invalid", 422, "Not a name", "Use 1 to 128 bytes without control characters."),
    row(
        "log_level_invalid",
        422,
        "Not a log level",
        "Use error, warn, info, debug, trace or off, and after a comma exceptions: info,worker=debug.",
    ),
    row("for_ms_invalid", 422, "Not a time in milliseconds", "Use 1 to 86400000, or leave it out."),
    // Publishing.
    row(
        "event_id_invalid",
        422,
        "Not an event's id",
        "Use 1 to 128 characters of A-Z a-z 0-9 _ : -",
    ),
    row(
        "event_id_reserved",
        422,
        "The id looks like one of ours",
        "Choose an id of another form, or none: then one is made.",
    ),
    row(
        "event_type_invalid",
        422,
        "Not an event type",
        "Use words of A-Z a-z 0-9 _ joined by dots, such as order.paid.",
    ),
    row(
        "timestamp_invalid",
        422,
        "Not a date and time",
        "Use RFC 3339 with a zone, such as 2026-08-22T10:00:00Z.",
    ),
    row(
        "event_id_conflict",
        409,
        "The id was used for another event",
        "An id names one event for ever. Repeat with the same content, or use a new id.",
    ),
    row(
        "idempotency_key_invalid",
        422,
        "Not an idempotency key",
        "Use up to 255 printable ASCII characters, in quotes or without.",
    ),
    row(
        "idempotency_key_conflict",
        422,
        "The key was used for another event",
        "Repeat with the same content, or use a new key.",
    ),
    // The webhook's URL.
    row(
        "url_invalid",
        422,
        "The URL cannot be read",
        "Write it plainly: https://, a host, a path.",
    ),
    row("url_too_long", 422, "The URL is too long", "Use up to 2048 bytes."),
    row(
        "scheme",
        422,
        "The URL's scheme is closed",
        "Use https. An operator can open plain http: the detail says how.",
    ),
    row(
        "userinfo",
        422,
        "The URL carries credentials",
        "Leave user and password out; set an authorization header in headers instead.",
    ),
    row(
        "fragment",
        422,
        "The URL has a fragment",
        "Leave out # and what follows: it would never be sent.",
    ),
    row(
        "port",
        422,
        "The URL's port is closed",
        "Use 443, 80, or a port from 1024 on that no database listens on.",
    ),
    row(
        "host_forbidden",
        422,
        "The host may not be called",
        "Use a public host. An operator can open a private network with POSTRIDER_EGRESS_ALLOW.",
    ),
    row(
        "url_taken",
        409,
        "Another webhook has this URL",
        "Change that one, or delete it first: the detail names it.",
    ),
    // The webhook's other fields.
    row(
        "event_types_invalid",
        422,
        "event_types is not valid",
        "List exact types (order.paid), prefixes (order.*) or *.",
    ),
    row("method_invalid", 422, "method is not valid", "Use POST, PUT or PATCH."),
    row(
        "headers_invalid",
        422,
        "Too many headers, or one twice",
        "Use up to 32 headers, each name once whatever its case.",
    ),
    row(
        "header_invalid",
        422,
        "A header is not valid",
        "Use token characters in the name and printable ASCII in the value.",
    ),
    row(
        "header_needed_anew",
        422,
        "A header's value was meant for another host",
        "With a webhook_url of another scheme, host or port, send in headers the values of all that are kept encrypted (*** does not do), or headers without them, or headers: null.",
    ),
    row("header_reserved", 422, "The header is filled by Postrider", "Remove it from headers."),
    row(
        "authorization_conflict",
        422,
        "Two things fill the authorization header",
        "Remove authorization from headers, or use another signature scheme.",
    ),
    row("signature_invalid", 422, "signature is not valid", "Use standard or jwt."),
    row("signing", 500, "The webhook cannot sign", "Rotate its secret."),
    row(
        "payload_format_invalid",
        422,
        "payload_format is not valid",
        "Use standard, raw or event.",
    ),
    row("retry_invalid", 422, "retry is not valid", "The detail names the bound that was crossed."),
    row("timeout_invalid", 422, "timeout_ms is out of bounds", "Use 1000 to 30000."),
    row("max_in_flight_invalid", 422, "max_in_flight is out of bounds", "Use 1 to 256."),
    row("description_too_long", 422, "description is too long", "Use up to 1024 bytes."),
    row(
        "metadata_too_large",
        422,
        "metadata is too large",
        "Use up to 50 entries of up to 512 bytes.",
    ),
    row(
        "secret_invalid",
        422,
        "Not a signing secret",
        "Use whsec_ and the base64 of 24 to 64 random bytes.",
    ),
    row(
        "secret_differs",
        409,
        "The webhook has another secret",
        "Leave secret out, or rotate it with POST /v1/webhooks/{id}/secret/rotate.",
    ),
    row(
        "webhook_disabled",
        409,
        "The webhook is disabled",
        "Resume it first: its status_reason says why it was disabled.",
    ),
    row(
        "webhook_deleted",
        409,
        "The webhook was deleted",
        "Register the URL again and publish the event anew.",
    ),
    row(
        "changed_meanwhile",
        409,
        "It is being changed by others",
        "Read it again and repeat the request.",
    ),
    // Deliveries.
    row("already_delivered", 409, "It was delivered", "Delivered is final: nothing to do."),
    row(
        "already_finished",
        409,
        "It has ended",
        "Only a delivery that is pending or retrying can be cancelled.",
    ),
    // Our side.
    row(
        "internal",
        500,
        "Something went wrong here",
        "Try again; if it stays, tell the operator the response's Request-Id.",
    ),
    row(
        "store_unavailable",
        503,
        "The store does not answer",
        "Try again after Retry-After, with the same id or Idempotency-Key: whether this was kept is not known.",
    ),
    row(
        "store_full",
        507,
        "No space is left",
        "An operator has to make room. Nothing was accepted.",
    ),
    row(
        "too_many_streams",
        503,
        "Too many streams are open",
        "Close those that nobody looks at, or try again after Retry-After. An operator can raise limits.streams.",
    ),
    row("unavailable", 503, "Not ready", "Try again after Retry-After."),
    INVALID,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_has_an_error_status() {
        for (n, entry) in CODES.iter().enumerate() {
            assert!((400..600).contains(&entry.status), "{}", entry.code);
            assert!(
                entry.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{}",
                entry.code
            );
            assert!(!entry.title.is_empty() && !entry.what_to_do.is_empty(), "{}", entry.code);
            let twins = CODES[n + 1..].iter().filter(|other| other.code == entry.code);
            assert_eq!(twins.count(), 0, "{} stands twice", entry.code);
        }
    }

    #[test]
    fn a_code_that_is_missing_is_still_the_callers_422() {
        assert_eq!(find("no_such_code").status, 422);
        assert_eq!(find("event_id_conflict").status, 409);
    }
}
