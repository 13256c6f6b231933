//! What `sigmund rules publish` does to the rules topic: one record for each rule by its id, and nothing for what is there already.

use crate::loading::Finding;
use crate::rules_topic::{RuleRecords, source_name};
use sigmund_engine::Routing;
use sigmund_sigma::{Diagnostic, Loader, Severity, Source, Span, yaml};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done to a topic.
#[derive(Debug, Default)]
pub struct Publication {
    /// Ids that are not on the topic.
    pub added: Vec<String>,
    /// Ids whose text on the topic is another.
    pub changed: Vec<String>,
    /// Keys that are taken away.
    pub removed: Vec<String>,
    /// Ids whose text is on the topic.
    pub unchanged: Vec<String>,
    /// What is not published, and why, each as `file:line:column: message`.
    pub refused: Vec<String>,
    /// Keys of the topic whose rule has the id of one that is published under its id.
    pub doubled: Vec<String>,
    /// Keys and values in the order in which they are to be sent; no value is a tombstone.
    pub records: Vec<(String, Option<String>)>,
}

/// A part of a text that becomes a record.
struct Piece<'t> {
    source: &'t Source,
    span: Span,
    id: Option<String>,
    title: String,
}

/// What publishing rules does to a topic that has these records. With `prune` those of other rules are taken away.
///
/// Rules are checked together with those that are on the topic, which they may refer to.
#[must_use]
pub fn plan(
    texts: &[Source],
    loader: &Loader,
    (topic, records): (&str, &RuleRecords),
    prune: bool,
) -> Publication {
    let mut publication = Publication::default();
    let pieces: Vec<Piece<'_>> = texts.iter().flat_map(pieces).collect();
    let ids: BTreeSet<&str> = pieces.iter().filter_map(|piece| piece.id.as_deref()).collect();
    let mut all = texts.to_vec();
    if !prune {
        let others = records.iter().filter(|(key, _)| !ids.contains(key));
        all.extend(others.map(|(key, text)| Source {
            name: source_name(topic, key).into(),
            text: text.clone(),
        }));
    }
    let errors = errors(&all, loader);
    let mut taken: BTreeMap<&str, &Piece<'_>> = BTreeMap::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for piece in &pieces {
        let is_here = |found: &&Diagnostic| {
            *found.source == *piece.source.name
                && piece.span.start <= found.span.start
                && (found.span.start < piece.span.end
                    || piece.span.end as usize >= piece.source.text.len())
        };
        let mut is_refused = false;
        for found in errors.iter().filter(is_here) {
            is_refused = true;
            publication.refused.push(described(found, piece.source));
        }
        let refuse = |message: String| {
            let mut found = Diagnostic::error("not-published", piece.span, message);
            found.source = piece.source.name.clone();
            described(&found, piece.source)
        };
        let Some(id) = &piece.id else {
            if !is_refused {
                publication.refused.push(refuse(format!(
                    "rule `{}` has no `id`, by which it would be known on the topic; add one, such as `id: {}`",
                    piece.title,
                    suggested(piece)
                )));
            }
            continue;
        };
        if !seen.insert(id) {
            let first = taken.get(&**id).map_or("a refused rule", |first| &*first.source.name);
            publication.refused.push(refuse(format!("`{first}` has the same id, `{id}`")));
        } else if !is_refused {
            taken.insert(id, piece);
        }
    }
    for (id, piece) in taken {
        let value = piece.text();
        match records.get(id) {
            Some(old) if **old == *value => {
                publication.unchanged.push(id.to_owned());
                continue;
            }
            Some(_) => publication.changed.push(id.to_owned()),
            None => publication.added.push(id.to_owned()),
        }
        publication.records.push((id.to_owned(), Some(value)));
    }
    for (key, text) in records.iter().filter(|(key, _)| !ids.contains(key)) {
        if prune {
            publication.removed.push(key.to_owned());
            publication.records.push((key.to_owned(), None));
        } else {
            let stream = yaml::parse(text);
            let theirs = stream.documents.iter().filter_map(|document| id_of(&document.root));
            if theirs.into_iter().any(|id| ids.contains(&*id)) {
                publication.doubled.push(key.to_owned());
            }
        }
    }
    publication
}

/// Each document of a text; all of it if its documents are not on their own (`action: global`), or if it is not YAML.
fn pieces(source: &Source) -> Vec<Piece<'_>> {
    let stream = yaml::parse(&source.text);
    let whole = Span { start: 0, end: u32::try_from(source.text.len()).unwrap_or(u32::MAX) };
    let piece = |span: Span, roots: &[&yaml::Node]| {
        let text = |name: &str| roots.iter().find_map(|root| root.get(name)?.non_null_text());
        Piece {
            source,
            span,
            id: roots.iter().find_map(|root| id_of(root)),
            title: text("title").unwrap_or_default().to_owned(),
        }
    };
    let roots: Vec<&yaml::Node> = stream.documents.iter().map(|document| &document.root).collect();
    let broken = stream.diagnostics.iter().any(|found| found.severity == Severity::Error);
    if broken || roots.is_empty() || roots.iter().any(|root| root.get("action").is_some()) {
        return vec![piece(whole, &roots)];
    }
    let documents = stream.documents.iter();
    documents.map(|document| piece(document.span, &[&document.root])).collect()
}

fn id_of(root: &yaml::Node) -> Option<String> {
    root.get("id")?.non_null_text().map(str::to_owned).filter(|id| !id.is_empty())
}

impl Piece<'_> {
    /// The text of the record.
    fn text(&self) -> String {
        let text = self.source.text.get(self.span.range()).unwrap_or_default();
        let text = text.trim_start_matches('\u{feff}').trim();
        let text = match text.strip_prefix("---") {
            Some(rest) if rest.starts_with(['\n', '\r']) => rest.trim_start(),
            _ => text,
        };
        format!("{}\n", text.trim_end_matches("...").trim_end())
    }
}

/// An id for a rule that has none: always the same for the same title.
fn suggested(piece: &Piece<'_>) -> String {
    let hash = sigmund_engine::DetectionId::of("id of a rule", &[piece.title.as_bytes()]);
    let hex = hash.to_string();
    // The form of version 4, which `sigmund check` asks for: a hash is as good as random.
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

fn described(found: &Diagnostic, source: &Source) -> String {
    let Finding { line, column, message, help, .. } = Finding::new(found, &source.text);
    let help = help.map_or(String::new(), |help| format!("; {help}"));
    format!("{}:{line}:{column}: {message}{help}", source.name)
}

/// What keeps documents from loading.
fn errors(texts: &[Source], loader: &Loader) -> Vec<Diagnostic> {
    let rules = crate::rules::Rules::compile(loader, texts, &|_| true, &Routing::default());
    let mut errors = rules.diagnostics;
    errors.retain(|found| found.severity == Severity::Error);
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, value: &str) -> String {
        format!(
            "title: T{id}\nid: {id}\nlogsource:\n    category: c\ndetection:\n    s:\n        f: {value}\n    condition: s\n"
        )
    }

    fn run(files: &[(&str, String)], on_topic: &[(&str, String)], prune: bool) -> Publication {
        let texts: Vec<Source> = files
            .iter()
            .map(|(name, text)| Source { name: (*name).into(), text: text.as_str().into() })
            .collect();
        let mut records = RuleRecords::default();
        for (key, text) in on_topic {
            records.take(0, 0, Some(key.as_bytes()), Some(text.as_bytes()));
        }
        plan(&texts, &Loader::default(), ("rules", &records), prune)
    }

    #[test]
    fn what_is_there_is_not_sent_again() {
        let files = [
            ("ab.yml", format!("---\n{}---\n{}", rule("a", "1"), rule("b", "2"))),
            ("c.yml", rule("c", "1")),
        ];
        let on_topic = [("a", rule("a", "1")), ("b", rule("b", "1")), ("d", rule("d", "1"))];
        let publication = run(&files, &on_topic, false);
        assert_eq!(publication.refused, Vec::<String>::new());
        assert_eq!(publication.added, ["c"]);
        assert_eq!(publication.changed, ["b"]);
        assert_eq!(publication.unchanged, ["a"]);
        assert!(publication.removed.is_empty());
        assert_eq!(publication.records.len(), 2);
        assert_eq!(publication.records[0], ("b".to_owned(), Some(rule("b", "2"))));
        let pruned = run(&files, &on_topic, true);
        assert_eq!(pruned.removed, ["d"]);
        assert_eq!(pruned.records.last(), Some(&("d".to_owned(), None)));
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_not_pruned() {
        let nameless = rule("x", "1").replace("id: x\n", "");
        let broken = rule("b", "1").replace("condition: s", "condition: t");
        let files = [
            ("a.yml", format!("{}---\n{broken}---\n{nameless}", rule("a", "1"))),
            ("again.yml", rule("a", "2")),
        ];
        let publication = run(&files, &[("b", rule("b", "1"))], true);
        assert_eq!(publication.added, ["a"]);
        assert!(publication.removed.is_empty());
        assert_eq!(publication.refused.len(), 3, "{:?}", publication.refused);
        assert!(publication.refused[0].starts_with("a.yml:17:16: "), "{:?}", publication.refused);
        assert!(publication.refused[1].contains("has no `id`"), "{:?}", publication.refused);
        let (_, id) = publication.refused[1].rsplit_once("`id: ").expect("an id");
        assert_eq!((id.find('-'), &id[14..15]), (Some(8), "4"), "{:?}", publication.refused);
        assert_eq!(publication.refused[2], "again.yml:1:1: `a.yml` has the same id, `a`");
    }

    #[test]
    fn correlations_may_refer_to_rules_of_the_topic() {
        let correlation = "title: C\nid: c\ncorrelation:\n    type: event_count\n    rules: [b]\n    group-by: [u]\n    timespan: 1m\n    condition: {gte: 3}\n";
        let files = [("c.yml", correlation.to_owned())];
        let publication = run(&files, &[("b", rule("b", "1"))], false);
        assert_eq!((publication.added.len(), publication.refused.len()), (1, 0));
        // The rule would be gone.
        let publication = run(&files, &[("b", rule("b", "1"))], true);
        assert_eq!((publication.added.len(), publication.refused.len()), (0, 1));
    }

    #[test]
    fn documents_that_need_each_other_stay_together() {
        let text = "action: global\ntitle: G\nid: g\nlogsource:\n    category: c\n---\ndetection:\n    s: {f: 1}\n    condition: s\n";
        let publication = run(&[("g.yml", text.to_owned())], &[], false);
        assert_eq!(publication.refused, Vec::<String>::new());
        assert_eq!(publication.records, [("g".to_owned(), Some(text.to_owned()))]);
    }

    #[test]
    fn records_under_a_title_are_named() {
        let publication = run(&[("a.yml", rule("a", "1"))], &[("Ta", rule("a", "1"))], false);
        assert_eq!(publication.doubled, ["Ta"]);
        assert_eq!(publication.added, ["a"]);
    }
}
