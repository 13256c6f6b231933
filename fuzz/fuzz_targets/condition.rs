//! Any text as the condition of a rule with four selections: no panic, and what is accepted says the same compiled and plain, whichever of
//! the selections hold.
#![no_main]

use sigmund_fuzz::{Both, format, load};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(condition) = std::str::from_utf8(data) else { return };
    let quoted = serde_json::to_string(condition).expect("text is JSON");
    let rule = format!(
        "title: x\nlogsource: {{product: x}}\ndetection:\n  sel_a: {{a: 1}}\n  sel_b: {{b: 1}}\n  c: {{c: 1}}\n  _d: {{d: 1}}\n  condition: {quoted}\n"
    );
    let rules = load(&rule);
    if rules.is_empty() {
        return;
    }
    let mut events = String::new();
    for bits in 0..16 {
        let fields: Vec<String> = (0..4)
            .filter(|field| bits >> field & 1 == 1)
            .map(|field| format!("\"{}\":1", ["a", "b", "c", "d"][field]))
            .collect();
        events.push_str(&format!("{{{}}}\n", fields.join(",")));
    }
    Both::new(rules).compare(events.as_bytes(), Some(format("json")));
});
