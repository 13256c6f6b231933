//! Log source mappings in the format of SigmaHQ's `tests/thor.yml` (the `logsources` part of the old
//! sigmac configurations): which generic log source is which concrete one, under which field values and
//! field names. Routing is the engine's; this is the file as data.

use crate::diagnostic::Diagnostic;
use crate::read::{one_or_many, quoted_list};
use crate::suggestion::nearest;
use crate::yaml::{self, Node};
use crate::{LogSource, Span};
use std::sync::Arc;

/// A file of mappings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSourceMapping {
    /// In the order of the file.
    pub entries: Vec<MappingEntry>,
}

/// A log source, and what it is in terms of fields and of another log source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingEntry {
    /// The key of the entry.
    pub name: String,
    /// What rules ask for.
    pub logsource: LogSource,
    /// Field values that an event of it has: each field must have one of its values, in which `*` and `?` are wildcards.
    pub conditions: Vec<(String, Vec<String>)>,
    /// The log source it is a part of, where its own conditions apply too.
    pub rewrite: Option<LogSource>,
    /// Rule field → event fields.
    pub field_mappings: Vec<(String, Vec<String>)>,
}

impl LogSourceMapping {
    /// Reads a mapping file. Entries that cannot be understood are reported and left out;
    /// unknown keys are ignored, because the format has had many, unless they look like a known one that is misspelt.
    #[must_use]
    pub fn parse(name: &str, text: &str) -> (Self, Vec<Diagnostic>) {
        let stream = yaml::parse(text);
        let mut found = stream.diagnostics;
        let mut mapping = Self::default();
        for document in &stream.documents {
            read(&document.root, &mut mapping, &mut found);
        }
        if stream.documents.is_empty() && found.is_empty() {
            let message = "empty log source mapping";
            found.push(error(Span::default(), message, "give it `logsources`"));
        }
        for finding in &mut found {
            finding.source = Arc::from(name);
        }
        (mapping, found)
    }
}

fn error(span: Span, message: impl Into<String>, help: &str) -> Diagnostic {
    Diagnostic::error("logsource-mapping", span, message).with_help(help)
}

fn read(root: &Node, mapping: &mut LogSourceMapping, found: &mut Vec<Diagnostic>) {
    let Some(logsources) = root.get("logsources") else {
        let keys = root.mapping().unwrap_or_default();
        let keys = quoted_list(keys.iter().filter_map(|(key, _)| key.text()).take(5));
        let message = format!("no `logsources` in a log source mapping, only {keys}");
        found.push(error(root.span, message, "put the entries under `logsources`"));
        return;
    };
    if let Some(entries) = logsources.mapping() {
        for (name, entry) in entries {
            read_entry(name.text().unwrap_or_default(), entry, mapping, found);
        }
    } else if let Some(entries) = logsources.sequence() {
        for entry in entries {
            let name = entry.get("name").and_then(Node::text).unwrap_or_default();
            read_entry(name, entry, mapping, found);
        }
    } else {
        let message = format!("`logsources` must be a mapping, not {}", logsources.noun());
        found.push(error(logsources.span, message, "map names to log sources"));
    }
}

/// The keys of an entry that mean something.
const KEYS: [&str; 6] =
    ["product", "category", "service", "conditions", "rewrite", "fieldmappings"];

/// Reports keys that look like one of those: without it the entry would hold for other events than its author meant.
fn misspelt(node: &Node, known: &[&str], found: &mut Vec<Diagnostic>) {
    for (key, _) in node.mapping().unwrap_or_default() {
        let Some(text) = key.text().filter(|text| !known.contains(text)) else { continue };
        if let Some(meant) = nearest(text, known.iter().copied()) {
            let help = format!("did you mean `{meant}`?");
            found.push(error(key.span, format!("unknown key `{text}`"), &help));
        }
    }
}

fn log_source(node: &Node) -> LogSource {
    let part = |key: &str| node.get(key).and_then(Node::non_null_text);
    LogSource::new(part("product"), part("category"), part("service"))
}

fn read_entry(
    name: &str,
    node: &Node,
    mapping: &mut LogSourceMapping,
    found: &mut Vec<Diagnostic>,
) {
    let errors = found.len();
    misspelt(node, &KEYS, found);
    let logsource = log_source(node);
    if logsource.is_empty() && found.len() == errors {
        let message = format!("entry `{name}` names no log source");
        found.push(error(node.span, message, "give it `product`, `category` or `service`"));
        return;
    }
    let rewrite = node.get("rewrite").filter(|node| !node.is_null());
    if let Some(rewrite) = rewrite {
        let before = found.len();
        misspelt(rewrite, &KEYS[..3], found);
        if log_source(rewrite).is_empty() && found.len() == before {
            let message = format!("`rewrite` of entry `{name}` names no log source");
            found.push(error(rewrite.span, message, "give it `product`, `category` or `service`"));
        }
    }
    let pairs = |key: &str, found: &mut Vec<Diagnostic>| {
        let Some(node) = node.get(key).filter(|node| !node.is_null()) else { return Vec::new() };
        let Some(entries) = node.mapping() else {
            let message = format!("`{key}` must be a mapping, not {}", node.noun());
            found.push(error(node.span, message, "map fields to values"));
            return Vec::new();
        };
        let mut pairs = Vec::with_capacity(entries.len());
        for (field, values) in entries {
            if let Some(text) = field.text().filter(|text| text.contains('|')) {
                let message =
                    format!("`{text}` under `{key}` has a modifier, which means nothing here");
                let help = match key {
                    "conditions" => {
                        "name the field alone; values may have wildcards, as in `Kind: '*web*'`"
                    }
                    _ => "name the field alone",
                };
                found.push(error(field.span, message, help));
                continue;
            }
            let texts: Option<Vec<String>> = one_or_many(values)
                .iter()
                .map(|value| value.non_null_text().map(str::to_owned))
                .collect();
            match texts {
                Some(texts) => pairs.push((field.text().unwrap_or_default().to_owned(), texts)),
                None => {
                    let message = "expected a value or a list of values";
                    found.push(error(values.span, message, "write e.g. `EventID: [1, 4688]`"));
                }
            }
        }
        pairs
    };
    let entry = MappingEntry {
        name: name.to_owned(),
        logsource,
        conditions: pairs("conditions", found),
        rewrite: rewrite.map(log_source),
        field_mappings: pairs("fieldmappings", found),
    };
    // An entry without its condition would hold for too much.
    if found.len() == errors {
        mapping.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_conditions_rewrites_and_fields() {
        let (mapping, found) = LogSourceMapping::parse(
            "m.yml",
            "title: t
logsources:
  started:
    category: process_creation
    product: Windows
    conditions: {EventID: 4688}
    rewrite: {product: windows, service: security}
    fieldmappings: {Image: NewProcessName, User: [a, b]}
  security:
    product: windows
    service: security
    conditions: {Channel: [Security, ForwardedEvents]}
",
        );
        assert!(found.is_empty(), "{found:?}");
        let [started, security] = &mapping.entries[..] else { panic!("{mapping:?}") };
        assert_eq!(
            started.logsource,
            LogSource::new(Some("windows"), Some("process_creation"), None)
        );
        assert_eq!(started.conditions, [("EventID".to_owned(), vec!["4688".to_owned()])]);
        assert_eq!(started.rewrite, Some(LogSource::new(Some("windows"), None, Some("security"))));
        assert_eq!(started.field_mappings[1].1, ["a", "b"]);
        assert_eq!(security.conditions[0].1, ["Security", "ForwardedEvents"]);
        assert_eq!(security.rewrite, None);
    }

    #[test]
    fn bad_entries_are_reported_and_left_out() {
        let (mapping, found) = LogSourceMapping::parse(
            "m.yml",
            "logsources:\n  a: {conditions: {x: 1}}\n  b: {product: x, conditions: [y]}\n  c: {product: x}\n",
        );
        assert_eq!(found.len(), 2);
        assert_eq!(mapping.entries.len(), 1);
        assert_eq!(&*found[0].source, "m.yml");
        assert_eq!(LogSourceMapping::parse("m", "").1.len(), 1);
        assert_eq!(LogSourceMapping::parse("m", "[a]").1.len(), 1);
    }

    #[test]
    fn what_would_never_hold_or_hold_for_too_much_is_an_error() {
        for (entry, message, help) in [
            (
                "{product: x, conditions: {'Kind|contains': web}}",
                "`Kind|contains` under `conditions` has a modifier, which means nothing here",
                "name the field alone; values may have wildcards, as in `Kind: '*web*'`",
            ),
            (
                "{product: x, condition: {a: 1}}",
                "unknown key `condition`",
                "did you mean `conditions`?",
            ),
            ("{prodcut: x}", "unknown key `prodcut`", "did you mean `product`?"),
            (
                "{category: y, conditions: {a: 1}, rewrite: {produkt: x}}",
                "unknown key `produkt`",
                "did you mean `product`?",
            ),
            (
                "{category: y, conditions: {a: 1}, rewrite: x}",
                "`rewrite` of entry `e` names no log source",
                "give it `product`, `category` or `service`",
            ),
        ] {
            let text = format!("logsources: {{e: {entry}}}");
            let (mapping, found) = LogSourceMapping::parse("m.yml", &text);
            let [found] = &found[..] else { panic!("{entry}: {found:?}") };
            assert_eq!((&*found.message, found.help.as_deref()), (message, Some(help)), "{entry}");
            assert!(mapping.entries.is_empty(), "{entry}");
        }
        let text = "logsources: {e: {product: x, index: i, sources: [y], search: z}}";
        assert_eq!(LogSourceMapping::parse("m.yml", text).1, []);
    }
}
