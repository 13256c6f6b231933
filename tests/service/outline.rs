//! Detections as far as it does not depend on how events came: for comparison.

use crate::command::run_in;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Detections without places, each with how often it is there.
pub(super) type Outlines = BTreeMap<String, i64>;

/// A detection without the places of its events, which have an order by themselves.
fn outline(line: &str) -> String {
    let mut detection: Value = serde_json::from_str(line).expect("a detection is JSON");
    let whole = detection.as_object_mut().expect("an object");
    whole.remove("source");
    if let Some(events) = whole
        .get_mut("correlation")
        .and_then(|correlation| correlation.get_mut("events"))
        .and_then(Value::as_array_mut)
    {
        for event in events.iter_mut() {
            event.as_object_mut().expect("an object").remove("source");
        }
        events.sort_by_key(ToString::to_string);
    }
    detection.to_string()
}

/// How often each detection is there.
pub(super) fn outlines<'a>(lines: impl Iterator<Item = &'a str>) -> Outlines {
    let mut outlines = Outlines::new();
    for line in lines {
        *outlines.entry(outline(line)).or_default() += 1;
    }
    outlines
}

/// What `sigmund hunt` detects in logs in a folder.
pub(super) fn hunted(folder: &Path, args: &[&str]) -> Outlines {
    let ran = run_in(folder, &[&["hunt", "-q", "-f", "jsonl"], args].concat(), b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    outlines(ran.stdout.lines())
}

/// What is in one and not in the other, as text; `None` if they are equal.
pub(super) fn difference(found: &Outlines, expected: &Outlines) -> Option<String> {
    let mut text = String::new();
    let (mut missing, mut added) = (0, 0);
    for outline in found.keys().chain(expected.keys().filter(|key| !found.contains_key(*key))) {
        let count = |outlines: &Outlines| outlines.get(outline).copied().unwrap_or(0);
        let (have, want) = (count(found), count(expected));
        if have == want {
            continue;
        }
        missing += (want - have).max(0);
        added += (have - want).max(0);
        if missing + added <= 20 {
            let short: String = outline.chars().take(1200).collect();
            let _ = writeln!(text, "{have} times, expected {want}: {short}");
        }
    }
    (missing + added > 0).then(|| {
        let total: i64 = expected.values().sum();
        format!("of {total} detections {missing} are missing, and {added} are too many:\n{text}")
    })
}
