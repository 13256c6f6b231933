use super::*;
use crate::json::lift::lifted;
use crate::json::parser::find;
use crate::json::read;
use proptest::prelude::*;
use sigmund_engine::Value;
use sigmund_engine::{FieldTable, Slot};
use std::sync::Arc;

/// (kind, text) of all scalars of a field, by the general way.
fn slow(text: &str, name: &str) -> Option<Vec<(Kind, String)>> {
    fn add(value: &Value, out: &mut Vec<(Kind, String)>) {
        match value {
            Value::Null => out.push((Kind::Null, String::new())),
            Value::Bool(true) => out.push((Kind::True, String::new())),
            Value::Bool(false) => out.push((Kind::False, String::new())),
            Value::Number(text) => out.push((Kind::Number, text.to_string())),
            Value::Text(text) => out.push((Kind::Text, text.to_string())),
            Value::Object(_) => out.push((Kind::Object, String::new())),
            Value::Array(elements) => elements.iter().for_each(|element| add(element, out)),
        }
    }
    let object = read::object(text.as_bytes()).ok()?;
    let lifted = lifted(&object);
    let mut out = vec![];
    find(&object, &lifted, name).iter().for_each(|value| add(value, &mut out));
    Some(out)
}

fn fast(text: &str, names: &[&str]) -> Option<Vec<Vec<(Kind, String)>>> {
    let table = Arc::new(FieldTable::new(names.iter().copied()));
    let mut fields = Fields::new(Arc::clone(&table));
    Projection::new(&table)
        .project(text.as_bytes(), (&mut Index::default(), &mut Entered::default()), &mut fields)
        .ok()?;
    let values = |slot| {
        let mut out = vec![];
        for value in fields.values(slot).filter(|value| value.kind != Kind::Empty) {
            let bytes = fields.bytes(text.as_bytes(), value);
            let mut decoded = Vec::new();
            match value.kind {
                Kind::JsonText => sigmund_engine::escape::unescape_json(bytes, &mut decoded),
                Kind::Text | Kind::Number => decoded.extend_from_slice(bytes),
                _ => {}
            }
            let kind = if value.kind == Kind::JsonText { Kind::Text } else { value.kind };
            out.push((kind, String::from_utf8(decoded).unwrap()));
        }
        out
    };
    Some((0..names.len()).map(|slot| values(Slot(slot as u32))).collect())
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "a.b",
    "a.b.c",
    "EventID",
    "Provider_Name",
    "Image",
    "Data",
    "a.b.c.a",
    "I mage",
    "Event.EventData.I mage",
];

fn json(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("-2.50".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just(r#""x""#.to_owned()),
        Just(r#""C:\\x \u00e9""#.to_owned()),
        Just(r#""{\"Image\":\"y\",\"Data\":[1]}""#.to_owned()),
        Just(r#""<EventData><Data>z</Data></EventData>""#.to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let key = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "a.b",
        "b.c",
        "a.b.c",
        "Event",
        "EventData",
        "System",
        "UserData",
        "Image",
        "EventID",
        "Provider",
        "#attributes",
        "Name",
        "Data",
        "#text",
        "I mage",
    ]);
    let object = prop::collection::vec((key, json(depth - 1)), 0..5).prop_map(|members| {
        let members: Vec<String> =
            members.iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
        format!("{{{}}}", members.join(", "))
    });
    let list = prop::collection::vec(json(depth - 1), 0..3)
        .prop_map(|elements| format!("[{}]", elements.join(",")));
    prop_oneof![2 => leaf, 4 => object, 1 => list].boxed()
}

#[test]
fn what_leads_nowhere_does_not_hide_what_is_lifted() {
    let text = r#"{"EventData":{"a.b.c":1},"a":{"b":{"c":2}},"a.b":5}"#;
    assert_eq!(slow(text, "a.b.c"), Some(vec![(Kind::Number, "1".to_owned())]));
    assert_eq!(fast(text, &["a.b.c"]), None);
    // The usual order is read fast.
    let text = r#"{"EventData":{"a.b.c":1},"a.b":5,"a":{"b":{"c":2}}}"#;
    assert_eq!(fast(text, &["a.b.c"]), Some(vec![vec![(Kind::Number, "1".to_owned())]]));
    assert_eq!(slow(text, "a.b.c"), Some(vec![(Kind::Number, "1".to_owned())]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8000))]
    #[test]
    fn the_projection_finds_what_the_general_way_finds(value in json(4), first in json(2), last in json(2)) {
        let text = format!(
            "{{\"EventData\":{first},\"Event\":{value},\"a\":{value},\"a.b\":{last},\"b\":1}}"
        );
        if let Some(found) = fast(&text, NAMES) {
            for (name, values) in NAMES.iter().zip(found) {
                prop_assert_eq!(Some(values), slow(&text, name), "{} in {}", name, &text);
            }
        }
    }

    #[test]
    fn digits_are_counted_as_they_are_defined(text in r"[0-9/:.\x00\u{80}-]{0,30}") {
        let plain = text.bytes().take_while(u8::is_ascii_digit).count();
        prop_assert_eq!(digits(text.as_bytes()), plain);
    }

    #[test]
    fn what_is_not_json_is_refused(text in r#"[{}\[\]:,"a1 .\\-]{0,40}"#) {
        if fast(&text, NAMES).is_some() {
            prop_assert!(read::object(text.as_bytes()).is_ok(), "{}", text);
        }
    }
}
