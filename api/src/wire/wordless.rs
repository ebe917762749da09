//! What actix-web answers to bytes that are no request is a head and nothing more. Found by what no
//! answer of ours is: a refusal of nothing.

use bytes::Bytes;

use crate::problem::ApiError;

const END: &[u8] = b"\r\n\r\n";
const EMPTY: &str = "content-length: 0";
/// The longest such head.
const HEAD_BYTES_MAX: usize = 256;

/// Where in `written` the last answer is a refusal without a word, and the answer to send instead.
pub fn find(written: &[u8]) -> Option<(usize, Bytes)> {
    if !written.ends_with(END) {
        return None;
    }
    let tail = written.len().saturating_sub(HEAD_BYTES_MAX);
    let at = tail + last(&written[tail..], b"HTTP/1.")?;
    let head = std::str::from_utf8(&written[at..]).ok()?;
    if !head.contains(EMPTY) || head.find("\r\n\r\n")? + END.len() != head.len() {
        return None;
    }
    let problem = refusal(head.split(' ').nth(1)?)?.body();
    let length =
        format!("content-type: application/problem+json\r\ncontent-length: {}", problem.len());
    let head = head.replace(EMPTY, &length);
    Some((at, [head.as_bytes(), &problem].concat().into()))
}

fn refusal(status: &str) -> Option<ApiError> {
    Some(match status {
        "400" => ApiError::new("http_invalid", "these bytes are not a request in HTTP/1.1"),
        "408" => ApiError::new("request_timeout", "the request took more than 10 seconds"),
        "431" => ApiError::new("head_too_large", "a request has up to 96 headers in 128 KiB"),
        _ => return None,
    })
}

fn last(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).rposition(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
                        date: Thu, 26 Nov 2026 19:41:19 GMT\r\n\r\n";

    #[test]
    fn a_refusal_without_a_word_gets_one_and_keeps_its_head() {
        for (status, code) in [("400", "http_invalid"), ("408", "request_timeout")] {
            let bare = BARE.replace("400", status);
            let (at, answer) = find(bare.as_bytes()).expect("bare");
            let answer = std::str::from_utf8(&answer).expect("text");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert_eq!(at, 0);
            assert!(head.contains("connection: close") && head.contains("date: "), "{head}");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
            assert!(body.contains(&format!("\"code\":\"{code}\"")), "{body}");
        }
    }

    #[test]
    fn an_answer_before_it_is_left_alone() {
        let before = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let (at, _) = find(format!("{before}{BARE}").as_bytes()).expect("bare");
        assert_eq!(at, before.len());
    }

    #[test]
    fn other_answers_are_none() {
        for other in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 133\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 133\r\n\r\n",
            &format!("{BARE}{{}}"),
            &format!("{BARE}\r\n\r\n"),
        ] {
            assert_eq!(find(other.as_bytes()), None, "{other:?}");
        }
    }
}
