//! Hostile and huge texts: a diagnostic, quickly, and never a panic. Each text has 128 KiB or
//! more, so that anything quadratic shows as a test that does not end.

use sigmund_sigma::{Collection, Loader, Source};
use std::fmt::Write as _;

const HEAD: &str = "title: T\nid: i\nlogsource:\n    category: c\n";

fn size() -> usize {
    std::env::var("SIGMUND_HOSTILE_BYTES").ok().and_then(|n| n.parse().ok()).unwrap_or(1 << 17)
}

fn load(name: &str, text: String) -> Collection {
    let started = std::time::Instant::now();
    let source = Source { name: name.into(), text: text.into() };
    let collection = Loader::default().load(&[source]);
    #[expect(clippy::print_stderr, reason = "the figure is wanted with --nocapture")]
    {
        let (rules, errors) = (collection.rules.len(), collection.diagnostics.len());
        eprintln!(
            "{:>8.3} s {rules:>7} rules {errors:>7} errors  {name}",
            started.elapsed().as_secs_f64()
        );
    }
    collection
}

/// `part(n)` for n = 0, 1, … until the text is large.
fn repeated(head: &str, part: impl Fn(usize) -> String, tail: &str) -> String {
    let mut text = head.to_owned();
    let mut n = 0;
    while text.len() < size() {
        text.push_str(&part(n));
        n += 1;
    }
    text + tail
}

fn detection(body: impl Fn(usize) -> String, tail: &str) -> String {
    repeated(&format!("{HEAD}detection:\n"), body, tail)
}

#[test]
fn huge_sound_rules_load() {
    let values = repeated(
        &format!("{HEAD}detection:\n    sel:\n        f|contains:\n"),
        |n| format!("            - 'value {n}'\n"),
        "    condition: sel\n",
    );
    assert_eq!(load("many values", values).rules.len(), 1);
    let fields = repeated(
        &format!("{HEAD}detection:\n    sel:\n"),
        |n| format!("        f{n}: v\n"),
        "    condition: sel\n",
    );
    assert_eq!(load("many fields", fields).rules.len(), 1);
    let selections =
        detection(|n| format!("    s{n}:\n        f: v\n"), "    condition: 1 of s*\n");
    assert_eq!(load("many selections", selections).rules.len(), 1);
    let maps = repeated(
        &format!("{HEAD}detection:\n    sel:\n"),
        |_| "        - f: v\n".to_owned(),
        "    condition: sel\n",
    );
    assert_eq!(load("many maps", maps).rules.len(), 1);
    let long = format!(
        "{HEAD}detection:\n    sel:\n        f|windash: '{}'\n    condition: sel\n",
        " -a*".repeat(size() / 4)
    );
    assert_eq!(load("one long value", long).rules.len(), 1);
    let condition = repeated(
        &format!("{HEAD}detection:\n    a:\n        f: v\n    condition: a"),
        |_| " or not a and a".to_owned(),
        "\n",
    );
    assert_eq!(load("long condition", condition).rules.len(), 1);
    let documents = repeated(
        "",
        |n| format!("---\n{HEAD}name: n{n}\ndetection:\n    s:\n        f: v\n    condition: s\n"),
        "",
    );
    assert!(load("many documents", documents).rules.len() > 300);
}

#[test]
fn huge_correlation_chains_load() {
    let chain = repeated(
        &format!("{HEAD}name: n0\ndetection:\n    s:\n        f: v\n    condition: s\n"),
        |n| {
            format!(
                "---\ntitle: C\nname: n{}\ncorrelation:\n    type: event_count\n    rules: [n{n}]\n    \
                 timespan: 1m\n    condition:\n        gte: 2\n",
                n + 1
            )
        },
        "",
    );
    let collection = load("chain of correlations", chain.clone());
    assert!(collection.correlations.len() > 300);
    assert_eq!(collection.diagnostics, []);
    let broken = chain.replacen("category: c", "category: [c]", 1);
    assert_eq!(load("broken chain of correlations", broken).correlations.len(), 0);
}

#[test]
fn huge_broken_texts_are_refused() {
    let refused = |name: &str, text: String| {
        let collection = load(name, text);
        assert!(collection.rules.is_empty(), "{name}");
        assert!(!collection.diagnostics.is_empty(), "{name}");
    };
    refused("braces", "{a: ".repeat(size() / 4));
    refused("brackets", "[".repeat(size()));
    refused("open flow list", format!("a: [{}", "x, ".repeat(size() / 3)));
    refused("open quote", format!("a: 'x{}", "\n  y".repeat(size() / 4)));
    refused("backslashes", format!("a: \"{}\"", "\\W".repeat(size() / 2)));
    refused("stars", "a: *x\n".repeat(size() / 6));
    refused("nuls", "\0".repeat(size()));
    refused("broken documents", "---\n[a\n".repeat(size() / 7));
    refused("documents that are no rules", "---\na: b\n".repeat(size() / 9));
    refused("one long line", "x".repeat(size()));
    refused("dashes", "- ".repeat(size() / 2));
    refused("question marks", "? ".repeat(size() / 2));
    refused("anchors", repeated("", |n| format!("a{n}: &a{n} x\n"), ""));
    refused(
        "wrong values",
        repeated(
            &format!("{HEAD}detection:\n    sel:\n        f|cidr:\n"),
            |_| "            - x\n".to_owned(),
            "    condition: sel\n",
        ),
    );
    refused(
        "wrong items",
        repeated(
            &format!("{HEAD}detection:\n    sel:\n"),
            |n| format!("        f{n}|contians: v\n"),
            "    condition: sel\n",
        ),
    );
    refused("wrong selections", detection(|n| format!("    s{n}: []\n"), "    condition: s0\n"));
    refused(
        "undefined selection",
        detection(|n| format!("    s{n}:\n        f: v\n"), "    condition: selection\n"),
    );
    refused("patterns over selections", {
        let mut text = format!("{HEAD}detection:\n");
        for n in 0..size() / 40 {
            let _ = writeln!(text, "    s{n}: v");
        }
        text.push_str("    condition: 1 of x*");
        text.push_str(&" or 1 of x*".repeat(size() / 20));
        text
    });
    refused(
        "unknown references",
        repeated(
            "",
            |n| {
                format!(
                    "---\ntitle: C\nname: n{n}\ncorrelation:\n    type: event_count\n    rules: [m{n}]\n    \
             timespan: 1m\n    condition:\n        gte: 2\n"
                )
            },
            "",
        ),
    );
}

proptest::proptest! {
    /// Rule-like soup through the whole way.
    #[test]
    fn no_text_panics(body in "((\\n|    |        |- |---\\n)|(title|detection|condition|logsource|category|correlation|type|rules|timespan|filter|action|sel|f\\|re|f\\|contains\\|all|timeframe)|: |(a|global|event_count|1 of \\*|sel \\| count\\(\\) > 1|'\\*'|\\(|null|5m|\\[|\\])){0,60}") {
        let _ = load_quietly(body.clone());
        let _ = load_quietly(format!("{HEAD}detection:\n    sel:\n        {body}\n    condition: sel\n"));
    }
}

fn load_quietly(text: String) -> Collection {
    Loader::default().load(&[Source { name: "x.yml".into(), text: text.into() }])
}
