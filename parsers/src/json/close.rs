//! Objects that were cut: what is there of them, as an object.

use super::read::{is_blank, string_end};

/// Makes an object of the beginning of one: its whole members, and a text as far as it goes. `false` if it is none, or was not cut.
pub(crate) fn close(cut: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let Some((length, brackets, in_text)) = whole(cut) else { return false };
    out.extend_from_slice(&cut[..length]);
    out.extend(in_text.then_some(b'"'));
    out.extend(brackets.iter().rev());
    true
}

/// Up to where all is whole, the brackets that close what is open there, and whether that is a text.
fn whole(cut: &[u8]) -> Option<(usize, Vec<u8>, bool)> {
    let (mut at, mut length) = (0, 0);
    let mut brackets = Vec::new();
    // What comes next in an object is a name.
    let mut name = false;
    while let Some(byte) = cut.get(at) {
        match byte {
            b'"' => match string_end(&cut[at + 1..]) {
                Some(end) => {
                    at += end + 2;
                    // A name alone says nothing.
                    if !name {
                        length = at;
                    }
                }
                None if name => break,
                None => return Some((text_end(cut, at + 1), brackets, true)),
            },
            b'{' | b'[' => {
                name = *byte == b'{';
                brackets.push(if name { b'}' } else { b']' });
                at += 1;
                length = at;
            }
            b'}' | b']' => {
                brackets.pop();
                at += 1;
                length = at;
                if brackets.is_empty() {
                    return None;
                }
            }
            b',' => {
                name = brackets.last() == Some(&b'}');
                at += 1;
            }
            b':' => {
                name = false;
                at += 1;
            }
            byte if is_blank(*byte) => at += 1,
            _ => {
                let ends = |byte: &u8| is_blank(*byte) || matches!(byte, b',' | b'}' | b']');
                // A number may go on.
                let Some(end) = cut[at..].iter().position(ends) else { break };
                at += end;
                length = at;
            }
        }
    }
    (length > 0).then_some((length, brackets, false))
}

/// Where a text that was cut ends if neither an escape nor a character may be cut.
fn text_end(cut: &[u8], start: usize) -> usize {
    let (mut at, mut end) = (start, cut.len());
    while let Some(escape) = memchr::memchr(b'\\', &cut[at..]) {
        let escape = at + escape;
        at = escape + if cut.get(escape + 1) == Some(&b'u') { 6 } else { 2 };
        if at > cut.len() {
            end = escape;
            break;
        }
    }
    let text = &cut[start..end];
    let last = text.iter().rev().take(4).position(|byte| byte & 0xC0 != 0x80);
    match last.map(|back| (back + 1, text[text.len() - back - 1].leading_ones())) {
        Some((have, need)) if need as usize > have => end - have,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::read;
    use proptest::prelude::*;

    #[test]
    fn what_was_cut_is_closed() {
        for (cut, closed) in [
            (r#"{"a":"#, "{}"),
            (r#"{"a":1"#, "{}"),
            (r#"{"a":1,"b":tr"#, r#"{"a":1}"#),
            (r#"{"a":1,"b"#, r#"{"a":1}"#),
            (r#"{"a":[1,{"b":"x","c":["y"#, r#"{"a":[1,{"b":"x","c":["y"]}]}"#),
            (r#"{"a":{"b":2},"c":[3 ,4"#, r#"{"a":{"b":2},"c":[3]}"#),
            (r#"{"a":"x\"#, r#"{"a":"x"}"#),
            (r#"{"a":"x\\"#, r#"{"a":"x\\"}"#),
            (r#"{"a":"x\u00e"#, r#"{"a":"x"}"#),
        ] {
            let mut out = Vec::new();
            assert!(close(cut.as_bytes(), &mut out), "{cut}");
            assert_eq!(String::from_utf8_lossy(&out), closed, "{cut}");
        }
        let mut out = Vec::new();
        assert!(close("{\"a\":\"\u{e9}\u{20ac}".as_bytes().split_last().unwrap().1, &mut out));
        assert_eq!(out, "{\"a\":\"\u{e9}\"}".as_bytes());
        for cut in ["", "x", "{}", "{\"a\":1} "] {
            assert!(!close(cut.as_bytes(), &mut out), "{cut}");
        }
    }

    proptest! {
        /// Wherever an object is cut, what is left is one, and nothing in it was not there.
        #[test]
        fn any_cut_leaves_an_object(
            members in proptest::collection::vec(
                (
                    "[a-c]",
                    prop_oneof![
                        Just("12"), Just("true"), Just("null"), Just(" \"x\\\"y\\u00e9\u{20ac}\" "), Just("[1, [\"a\"],{}]"),
                        Just("{\"b\":{\"c\":[{}]}, \"d\" : -1.5}"), Just("\"\""),
                    ],
                ),
                1..5,
            ),
            at in 1usize..200,
        ) {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
            let text = format!("{{{}}}", members.join(","));
            let cut = &text.as_bytes()[..at.min(text.len() - 1)];
            let mut out = Vec::new();
            prop_assert!(close(cut, &mut out));
            let object = read::object(&out);
            prop_assert!(object.is_ok(), "{}", String::from_utf8_lossy(&out));
            let whole = read::object(text.as_bytes()).unwrap();
            let object = object.unwrap();
            let (last, before) = match object.0.split_last() {
                Some((last, before)) => (Some(last), before),
                None => (None, &[][..]),
            };
            prop_assert_eq!(before, &whole.0[..before.len()]);
            if let Some((name, _)) = last {
                prop_assert_eq!(name, &whole.0[before.len()].0);
            }
        }
    }
}
