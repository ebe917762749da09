//! SQL by name: statements live in `.sql` files, each under a line `-- name: <name>`. They are
//! looked up when the crate is compiled, so a missing one stops the build.

/// The statement called `name` in `file`.
pub(crate) const fn named(file: &'static str, name: &str) -> &'static str {
    const MARK: &str = "-- name: ";
    let bytes = file.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = line_end(bytes, at);
        if starts_with(bytes, at, MARK.as_bytes())
            && equals(bytes, at + MARK.len(), end, name.as_bytes())
        {
            let mut stop = end;
            while stop < bytes.len() && !starts_with(bytes, stop + 1, MARK.as_bytes()) {
                stop = line_end(bytes, stop + 1);
            }
            return between(file, end, stop);
        }
        at = end + 1;
    }
    panic!("no such SQL statement")
}

const fn line_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'\n' {
        at += 1;
    }
    at
}

const fn starts_with(bytes: &[u8], at: usize, prefix: &[u8]) -> bool {
    at + prefix.len() <= bytes.len() && equals(bytes, at, at + prefix.len(), prefix)
}

const fn equals(bytes: &[u8], from: usize, to: usize, other: &[u8]) -> bool {
    if to - from != other.len() {
        return false;
    }
    let mut i = 0;
    while i < other.len() {
        if bytes[from + i] != other[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn between(text: &'static str, from: usize, to: usize) -> &'static str {
    text.split_at(to).0.split_at(from).1.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "-- a file\n\n-- name: one\nSELECT 1\n\n-- name: one_more\nSELECT 2,\n  3\n";

    #[test]
    fn a_statement_is_found_by_its_whole_name() {
        assert_eq!(named(FILE, "one"), "SELECT 1");
        assert_eq!(named(FILE, "one_more"), "SELECT 2,\n  3");
    }

    #[test]
    #[should_panic(expected = "no such SQL statement")]
    fn a_missing_name_panics() {
        named(FILE, "two");
    }
}
