use super::*;
use crate::{Loader, Severity};

fn lint(name: &str, text: &str) -> (Vec<Diagnostic>, Collection) {
    let sources = [Source { name: name.into(), text: text.into() }];
    let collection = Loader::default().load(&sources);
    (check(&sources, &collection, &Options::default()), collection)
}

/// A sound rule with this detection.
fn rule(detection: &str) -> String {
    let detection = detection.replace('\n', "\n    ");
    format!(
        "title: Something Odd\nid: 6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d\nstatus: test\nlevel: low\n\
         logsource:\n    product: windows\n    category: process_creation\ndetection:\n    {detection}\n"
    )
}

/// A sound rule with this selection.
fn selection(items: &str) -> String {
    rule(&format!("selection:\n    {}\ncondition: selection", items.replace('\n', "\n    ")))
}

fn codes(text: &str) -> Vec<&'static str> {
    let (found, collection) = lint("a.yml", text);
    assert_eq!(collection.diagnostics, [], "must load");
    for finding in &found {
        assert!(finding.help.is_some() || finding.fix.is_some(), "{finding:?}");
        assert!(text.get(finding.span.range()).is_some(), "{finding:?}");
        assert_ne!(finding.severity, Severity::Error);
    }
    found.iter().map(|finding| finding.code).collect()
}

/// The text after all safe fixes.
fn fixed(text: &str) -> String {
    let (found, _) = lint("a.yml", text);
    let mut edits: Vec<_> = found
        .into_iter()
        .filter_map(|f| f.fix)
        .filter(|fix| fix.safe)
        .flat_map(|fix| fix.edits)
        .collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
    let mut text = text.to_owned();
    for edit in edits {
        text.replace_range(edit.span.range(), &edit.replacement);
    }
    text
}

#[test]
fn a_good_rule_is_clean() {
    let text = selection("Image|endswith:\n    - '\\cmd.exe'\n    - '\\powershell.exe'\nUser: 5");
    assert_eq!(codes(&text), [""; 0]);
}

#[test]
fn metadata() {
    let check = |from: &str, to: &str| codes(&selection("Image: x").replace(from, to));
    assert_eq!(check("Something Odd", "something odd"), ["title-style"]);
    assert_eq!(check("Something Odd", "Something odd."), ["title-style"]);
    assert_eq!(check("Something Odd", &"Long".repeat(70)), ["title-too-long"]);
    assert_eq!(check("id: 6f", "uuid: 6f"), ["missing-id"]);
    assert_eq!(check("6f1a2a3e-", ""), ["id-not-uuid"]);
    assert_eq!(check("-4f3d-", "-1f3d-"), ["id-not-uuid4"]);
    assert_eq!(check("level: low", "level: LOW"), ["capital-value"]);
    assert_eq!(check("level: low\n", ""), ["missing-level"]);
    assert_eq!(check("level: low", "levle: low"), ["missing-level", "misspelt-attribute"]);
    let kafka = "level: low\nkafka: {outputTopic: t, customFields: {a: b}, inputTopic: i}";
    assert_eq!(check("level: low", kafka), ["kafka-no-effect"]);
    assert_eq!(check("status: test", "status: test\ntags: [attack.t1059, cve.2021-1]"), [""; 0]);
    assert_eq!(check("status: test", "tags: [attack.Initial_Access]"), ["tag-format"]);
    assert_eq!(check("status: test", "tags: [atack.t1059, my.own]"), ["tag-namespace"; 2]);
    assert_eq!(check("status: test", "tags: attack.t1059"), ["not-a-list"]);
    assert_eq!(check("status: test", "tags: [t1059]"), ["tag-format"]);
    assert_eq!(check("status: test", "date: 2024/1/2"), ["date-format"]);
    assert_eq!(check("status: test", "date: 2023-02-29"), ["date-format"]);
    assert_eq!(
        check("status: test", "date: 2024-02-29\nmodified: 2024-01-01"),
        ["modified-before-date"]
    );
    assert_eq!(
        check("status: test", "related: [{id: x, type: obsoletes}]"),
        ["id-not-uuid", "related-type"]
    );
    assert_eq!(check("product: windows", "product: Windows"), ["capital-value"]);
    assert_eq!(check("category: p", "defintion: x\n    category: p"), ["misspelt-attribute"]);
}

#[test]
fn modifiers_and_lists() {
    let check = |items: &str| codes(&selection(items));
    assert_eq!(check("Image|contains|all: x"), ["all-with-one-value"]);
    assert_eq!(check("CommandLine|contains|all|windash: [' -a', ' -b']"), ["windash-with-all"]);
    assert_eq!(check("CommandLine|wide: abc"), ["encoding-without-base64"]);
    assert_eq!(check("CommandLine|wide|base64offset|contains: abc"), [""; 0]);
    assert_eq!(check("CommandLine|beginswith: a"), ["foreign-modifier"]);
    assert_eq!(
        check("ProcessId|less_than: 600\nParentProcessId|greater_than: 5"),
        ["foreign-modifier"; 2]
    );
    assert_eq!(
        fixed(&selection("Width|less_than: 600\nUser|beginswith|cased: a")),
        selection("Width|lt: 600\nUser|startswith|cased: a")
    );
    assert_eq!(check("User: [a, null]"), ["null-in-list"]);
    assert_eq!(check("User: null"), [""; 0]);
    assert_eq!(check("User: null\nUser|exists: true"), ["exists-and-null"]);
    assert_eq!(check("User: [a, A]"), ["duplicate-value"]);
    assert_eq!(check("User|cased: [a, A]"), [""; 0]);
    assert_eq!(check("CommandLine|re: [a+, A+]"), [""; 0]);
    assert_eq!(check("User: '%Administrators%'"), ["placeholder-without-expand"]);
    assert_eq!(check("User: '%AppData%'"), [""; 0]);
}

#[test]
fn ambiguous_scalars() {
    let check = |value: &str| codes(&selection(&format!("User: {value}")));
    for value in [
        "yes",
        "Off",
        "0x1F",
        "0b11",
        "00429",
        "1:30",
        "2024-01-01",
        "1_000",
        "1e5",
        ".5",
        "5.",
        ".inf",
    ] {
        assert_eq!(check(value), ["ambiguous-scalar"], "{value}");
        assert_eq!(check(&format!("'{value}'")), [""; 0], "{value}");
    }
    // Where only a number makes sense it is one, and quotes would be wrong.
    let text = selection("Width|gt: 010");
    assert_eq!(fixed(&text), selection("Width|gt: 10"));
    for value in ["0", "4625", "-1", "5.5", "true", "null", "x:y", "10.0.0.1", "1e", "0xg", "a1:30"]
    {
        assert_eq!(check(value), [""; 0], "{value}");
    }
}

#[test]
fn escapes_in_paths() {
    let check = |value: &str| codes(&selection(&format!("Image|startswith: '{value}'")));
    assert_eq!(check(r"C:\Users\*\x.exe"), ["escaped-wildcard"]);
    assert_eq!(check(r"C:\Users\\*\x.exe"), [""; 0]);
    assert_eq!(check(r"%TEMP%\*"), ["escaped-wildcard"]);
    assert_eq!(check(r"echo \*"), [""; 0]);
    assert_eq!(check(r"\*defender\*"), [""; 0]);
    assert_eq!(check(r"\\server\share"), ["unc-path"]);
    assert_eq!(check(r"\\\\server\share"), [""; 0]);
    assert_eq!(check("http://x/a.php?id=5"), ["question-mark-in-url"]);
    assert_eq!(check(r"http://x/a.php\?id=5"), [""; 0]);
    assert_eq!(check("what?"), [""; 0]);
}

#[test]
fn wildcards_and_regexes() {
    let check = |items: &str| codes(&selection(items));
    assert_eq!(check("Image: '*\\cmd.exe'"), ["wildcard-for-modifier"]);
    assert_eq!(check("Image: ['*a*', '*b*']"), ["wildcard-for-modifier"]);
    assert_eq!(check("Image: ['*a*', '*b']"), [""; 0]);
    assert_eq!(check("Image: '*'"), [""; 0]);
    assert_eq!(check("Image: 'a\\*'"), [""; 0]);
    assert_eq!(check("Image: '*a*b*'"), [""; 0]);
    assert_eq!(check("Image|contains: '*a'"), ["redundant-wildcard"]);
    assert_eq!(check("Image|endswith: 'a*'"), [""; 0]);
    assert_eq!(check("Image|re: '.*abc.*'"), ["needless-regex"]);
    assert_eq!(check("Image|re: '(a{1,200}){1,20}b'"), ["costly-regex"]);
    assert_eq!(check("Image|re: '(?:[a-z]{3,20}\\.){1,20}x|.{300,}'"), [""; 0]);
    assert_eq!(check("Image|re: 'cmd\\.exe'"), ["needless-regex"]);
    assert_eq!(check("Image|re: '.*[0-9]'"), ["regex-redundant-any"]);
    assert_eq!(check("Image|re: '^[0-9]+\\.*$'"), [""; 0]);
}

#[test]
fn conditions() {
    let check = |condition: &str| {
        codes(&rule(&format!("sel_a:\n    Image: x\nsel_b:\n    Image: y\ncondition: {condition}")))
    };
    assert_eq!(check("sel_a and sel_b"), [""; 0]);
    assert_eq!(check("sel_a AND NOT sel_b"), ["capital-operator"; 2]);
    assert_eq!(check("sel_a"), ["unused-selection"]);
    assert_eq!(check("1 of them"), ["condition-them"]);
    let hidden = rule("sel:\n    Image: x\n_own:\n    Image: y\ncondition: 1 of them");
    assert_eq!(codes(&hidden), ["unused-selection", "condition-them"]);
    assert_eq!(check("all of sel_* or 1 of none_*"), ["selector-without-match"]);
    assert_eq!(check("sel_a or 1 of sel_b*"), [""; 0]);
    assert_eq!(
        check("sel_a and sel_b | count() by User > 5"),
        ["legacy-aggregation", "legacy-without-timeframe"]
    );
}

#[test]
fn fields() {
    let check = |items: &str| {
        let (found, _) = lint("a.yml", &selection(items));
        found
            .into_iter()
            .map(|f| (f.code, f.severity, f.help.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    let warning = |help: &str| vec![("unknown-field", Severity::Warning, help.to_owned())];
    assert_eq!(check("image: x"), warning("did you mean `Image`?"));
    assert_eq!(check("CommandLne|contains: x"), warning("did you mean `CommandLine`?"));
    assert_eq!(check("Whatever: x")[0].1, Severity::Note);
    assert!(check("ParentImage: x").is_empty());

    let text = selection("Whatever: x").replace("process_creation", "odd");
    let sources = [Source { name: "a.yml".into(), text: text.into() }];
    let collection = Loader::default().load(&sources);
    let taxonomy = Taxonomy::parse("t", "legit: {windows: {category: {odd: [Image]}}}").ok();
    let options = Options { taxonomy, ignored: Vec::new() };
    assert_eq!(check_codes(&sources, &collection, &options), ["unknown-field"]);
    let taxonomy = Taxonomy::parse("t", "legit: {}").ok();
    let options = Options { taxonomy, ignored: Vec::new() };
    assert_eq!(check_codes(&sources, &collection, &options), ["unknown-logsource"]);
    let options = Options { ignored: vec!["unknown-logsource".to_owned()], ..options };
    assert!(check_codes(&sources, &collection, &options).is_empty());
}

fn check_codes(
    sources: &[Source],
    collection: &Collection,
    options: &Options,
) -> Vec<&'static str> {
    super::check(sources, collection, options).iter().map(|finding| finding.code).collect()
}

#[test]
fn pipelines_and_templates_are_no_mistakes_of_the_rule() {
    let text = rule("sel:\n    Image: x\nfilter:\n    User: y\ncondition: sel and not filter");
    let sources = [Source { name: "a.yml".into(), text: text.as_str().into() }];
    let drop = "transformations:\n- {type: drop_detection_item, \
                field_name_conditions: [{type: include_fields, fields: User}]}";
    let (pipeline, found) = crate::pipeline::Pipeline::parse("p", drop);
    assert_eq!(found, []);
    let loader = Loader { pipelines: vec![pipeline], ..Loader::default() };
    let collection = loader.load(&sources);
    assert!(check_codes(&sources, &collection, &Options::default()).is_empty());

    let text = text.replace("level: low\n", "");
    assert_eq!(codes(&text), ["missing-level"]);
    assert_eq!(codes(&format!("action: global\nlevel: low\n---\n{text}")), [""; 0]);
}

#[test]
fn across_documents() {
    let one = selection("Image: x").replace("title", "name: a\ntitle");
    assert_eq!(
        codes(&format!("{one}---\n{one}")),
        ["duplicate-name", "duplicate-title", "duplicate-id"]
    );
    let other = one.replace("Something Odd", "Something Else");
    assert_eq!(codes(&format!("{one}---\n{other}")), ["duplicate-name", "duplicate-id"]);

    let filter = "title: F\nid: 7f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d\nlogsource:\n    product: windows\n\
                  filter:\n    rules: [a, gone]\n    selection:\n        User: x\n    condition: CONDITION\n";
    let with =
        |condition: &str| codes(&format!("{one}---\n{}", filter.replace("CONDITION", condition)));
    assert_eq!(with("not selection"), ["filter-unknown-rule"]);
    assert_eq!(with("selection"), ["filter-unknown-rule", "filter-without-not"]);
    let filter = filter.replace("CONDITION", "not selection");
    let of = |from: &str, to: &str| codes(&format!("{one}---\n{}", filter.replace(from, to)));
    assert_eq!(of("[a, gone]", "[a]"), [""; 0]);
    assert_eq!(of("[a, gone]", "any"), [""; 0]);
    assert_eq!(of("[a, gone]", "[any]"), ["filter-unknown-rule"]);
    let elsewhere = filter.replace("[a, gone]", "[a]").replace("windows", "linux");
    assert_eq!(codes(&format!("{one}---\n{elsewhere}")), ["filter-log-source"]);

    let correlation = "title: C\nid: 8f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d\nlevel: low\ncorrelation:\n\
                       \x20   type: event_count\n    rules: [a]\n    group-by: [ip]\n    timespan: 5m\n\
                       \x20   aliases: {ip: {a: User, gone: Image}, other: {a: User}}\n    condition: {lt: 5}\n";
    assert_eq!(
        codes(&format!("{one}---\n{correlation}")),
        ["correlation-alias", "correlation-alias", "correlation-upper-bound"]
    );
}

#[test]
fn style() {
    let text = selection("Image: x");
    assert_eq!(codes(&format!("\u{feff}{text}")), ["byte-order-mark"]);
    assert_eq!(codes(&text.replace('\n', "\r\n")), ["crlf"]);
    assert_eq!(codes(&text.replace("        Image", "      Image")), ["indentation"]);
    assert_eq!(codes(&text.replace("low\n", "low\ntags:\n- attack.t1059\n")), ["indentation"]);
    assert_eq!(codes(&text.replace("low\n", "low  \n")), ["trailing-blanks"]);
    assert_eq!(codes(&text.replace(": x", ": x\u{202e}y")), ["invisible-character"]);
    assert_eq!(codes(&text.replace(": x", ": x\u{fffd}y")), ["not-utf8"]);
    let names = |name: &str| lint(name, &text).0.into_iter().map(|f| f.code).collect::<Vec<_>>();
    assert_eq!(names("rules/My-Rule.yml"), ["file-name"]);
    assert_eq!(names("rules/my_rule.yaml"), ["file-name"]);
    assert_eq!(names("rules/my_rule.test.yml"), [""; 0]);
    assert_eq!(names("<stdin>"), [""; 0]);
}

#[test]
fn suppression() {
    let text = selection("image: x\nimage|contains: y");
    assert_eq!(codes(&text).len(), 2);
    let line = text.replace(": x", ": x # sigmund: ignore[unknown-field]");
    assert_eq!(codes(&line).len(), 1);
    let before = text.replace("image: x", "# sigmund: ignore\n        image: x");
    assert_eq!(codes(&before).len(), 1);
    assert!(codes(&format!("# sigmund: ignore[unknown-field]\n{text}")).is_empty());
    assert_eq!(codes(&format!("# sigmund: ignore[crlf]\n{text}")).len(), 2);
    let wrong = format!("# sigmund: ignore[unknown-feild]\n{text}");
    assert_eq!(codes(&wrong)[0], "unknown-code");
}

#[test]
fn safe_fixes_keep_the_meaning() {
    let fix = |items: &str| fixed(&selection(items));
    let is = |items: &str| selection(items);
    assert_eq!(fix("Image|contains|all: x"), is("Image|contains: x"));
    assert_eq!(fix("'Image|all|contains': x"), is("'Image|contains': x"));
    assert_eq!(fix("User: yes"), is("User: 'yes'"));
    assert_eq!(fix("Image: '*\\cmd.exe'"), is("Image|endswith: '\\cmd.exe'"));
    assert_eq!(
        fix("Image|all: [\"*a\\\\\\\\*\", '*b*']"),
        is("Image|contains|all: [\"a\\\\\\\\\", 'b']")
    );
    assert_eq!(fix("Image: x*"), is("Image|startswith: 'x'"));
    // A key that is there already, or that another fix makes, would be there twice.
    for items in ["Image: '*x*'\nImage|contains: y", "User|all: x\nUser: y"] {
        assert_eq!(fix(items), is(items));
    }
    assert_eq!(
        fix("Image: '*x*'\nImage|contains|all: y"),
        is("Image|contains: 'x'\nImage|contains|all: y")
    );
    let text = is("Image: x");
    assert_eq!(fixed(&text.replace('\n', "\r\n")), text);
    assert_eq!(fixed(&format!("\u{feff}{text}")), text);
    let dated = |date: &str| text.replace("level", &format!("date: {date}\nlevel"));
    assert_eq!(fixed(&dated("2024/1/2")), dated("2024-01-02"));
    let tagged = |tag: &str| text.replace("level", &format!("tags:\n    - {tag}\nlevel"));
    assert_eq!(fixed(&tagged("attack.Initial_Access")), tagged("attack.initial-access"));
    let condition = |condition: &str| rule(&format!("a:\n    Image: x\ncondition: {condition}"));
    assert_eq!(fixed(&condition("NOT (a AND a)")), condition("not (a and a)"));
}

#[test]
fn every_code_of_the_crate_is_explained() {
    let mut used = std::collections::BTreeSet::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the crate's sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("explanations.rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                used.extend(constructed_codes(code));
            }
        }
    }
    // A word in a message of an invalid regular expression.
    used.remove("look-around");
    assert!(used.len() > 80, "{used:?}");
    let known: std::collections::BTreeSet<String> =
        CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(known.len(), CODES.len(), "a code is explained twice");
    let unexplained: Vec<_> = used.difference(&known).collect();
    assert_eq!(unexplained, Vec::<&String>::new(), "codes without an explanation");
    let unused: Vec<_> = known.difference(&used).collect();
    assert_eq!(unused, Vec::<&String>::new(), "explained codes that nothing uses");
}

/// Texts in kebab case that stand where a code does: as the first argument of a call, or after
/// `Code =`.
fn constructed_codes(text: &str) -> Vec<String> {
    let mut codes = Vec::new();
    for (at, _) in text.match_indices('"') {
        let Some((code, after)) = text[at + 1..].split_once('"') else { continue };
        let kebab = code.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
        let before = text[..at].trim_end();
        let is_argument = before.ends_with('(') && after.starts_with(',');
        let second = ["document, ", "self.error("].iter().any(|start| text[..at].ends_with(start));
        let is_code = before.ends_with("Code =") || before.ends_with("code: Code =");
        if kebab && (code.contains('-') || code == "crlf") && (is_argument || second || is_code) {
            codes.push(code.to_owned());
        }
        let taken = [
            ("\"id\", ", "duplicate-id"),
            ("\"name\", ", "duplicate-name"),
            ("\"title\", ", "duplicate-title"),
        ];
        for (start, known) in taken {
            if text[..at].ends_with(start) && code == known {
                codes.push(code.to_owned());
            }
        }
    }
    codes
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(title|id|tags|date|detection|condition|filter|correlation|logsource|sel|\\*|\\\\|\\?|%|[:\\[\\]{}, \n'#|é-]|sigmund: ignore\\[){0,60}") {
        let _ = lint("a.yml", &text);
    }

    #[test]
    fn no_value_panics(value in "[a*?\\\\%:/=.é0-9 |]{0,24}", key in "Image(\\|(contains|all|re|windash)){0,3}") {
        let _ = lint("a.yml", &selection(&format!("{key}: '{value}'\nUser: {value}")));
    }
}
