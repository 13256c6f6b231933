//! What a document says about itself (semantics section 1), checked for types. Style is lint's.

use crate::rule::{Level, Metadata, Status};
use crate::suggestion::did_you_mean;
use crate::yaml::{Kind, Node};
use crate::{Diagnostic, LogSource, Span};
use std::sync::Arc;

/// `status` values.
pub(crate) const STATUSES: [(&str, Status); 5] = [
    ("stable", Status::Stable),
    ("test", Status::Test),
    ("experimental", Status::Experimental),
    ("deprecated", Status::Deprecated),
    ("unsupported", Status::Unsupported),
];

/// `level` values.
pub(crate) const LEVELS: [(&str, Level); 5] = [
    ("informational", Level::Informational),
    ("low", Level::Low),
    ("medium", Level::Medium),
    ("high", Level::High),
    ("critical", Level::Critical),
];

/// Reads the metadata of a document from its top-level mapping.
pub(crate) fn parse(
    root: &Node,
    place: Span,
    source: &Arc<str>,
    text: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Metadata {
    let mut metadata = Metadata { source: Arc::clone(source), span: place, ..Metadata::default() };
    let mut title = None;
    for (key, value) in root.mapping().unwrap_or_default() {
        let name = key.text().unwrap_or("");
        let mut read = Reader { name, value, diagnostics };
        match name {
            "title" => title = read.text(),
            "id" => metadata.id = read.text(),
            "name" => {
                metadata.name = read.text();
                if metadata.name.as_deref().is_some_and(|name| name.trim().is_empty()) {
                    read.error(
                        "invalid-metadata",
                        "`name` is empty",
                        "give it a name, or remove the key",
                    );
                }
            }
            "status" => metadata.status = read.choice(&STATUSES),
            "level" => metadata.level = read.choice(&LEVELS),
            "description" => metadata.description = read.text(),
            "author" => metadata.author = read.list_or_text(),
            "date" => metadata.date = read.text(),
            "modified" => metadata.modified = read.text(),
            "license" => metadata.license = read.text(),
            "taxonomy" => {
                metadata.taxonomy = read.text();
                metadata.taxonomy_span = value.span;
            }
            "references" => metadata.references = read.list(),
            "tags" => metadata.tags = read.list(),
            "falsepositives" => metadata.falsepositives = read.list(),
            "fields" => metadata.fields = read.list(),
            "scope" => metadata.scope = read.list(),
            "related" => metadata.related = read.related(),
            "logsource" | "detection" | "correlation" | "filter" | "generate" | "action" => {}
            _ => {
                let written = match &value.kind {
                    Kind::Scalar(text, _) => text.to_string(),
                    _ => with_indentation(text, value.span),
                };
                metadata.custom.push((name.to_owned(), written));
            }
        }
    }
    match title {
        Some(title) if !title.trim().is_empty() => metadata.title = title,
        _ => diagnostics.push(
            Diagnostic::error("missing-title", head(root), "the document has no title")
                .with_help("add e.g. `title: Suspicious Child Process Of Word`"),
        ),
    }
    metadata
}

/// The text of a value, such that it can be read on its own: its first line is indented as it was.
fn with_indentation(text: &str, span: Span) -> String {
    let value = text.get(span.range()).unwrap_or("").trim_end();
    if !value.contains('\n') {
        return value.to_owned();
    }
    let before = text.get(..span.range().start).unwrap_or("");
    let column = before.chars().rev().take_while(|c| *c != '\n').count();
    format!("{}{value}", " ".repeat(column))
}

/// Fields of another taxonomy than Sigma's must be mapped (semantics section 1): without a pipeline the document is refused.
pub(crate) fn refuse_foreign_taxonomy(metadata: &Metadata) -> Option<Diagnostic> {
    let taxonomy = metadata.taxonomy.as_deref().filter(|name| *name != "sigma")?;
    let message = format!("the fields are of taxonomy `{taxonomy}`, and no pipeline maps them");
    Some(
        Diagnostic::error("foreign-taxonomy", metadata.taxonomy_span, message).with_help(
            "map them with a processing pipeline (`-p FILE`), or remove `taxonomy` if the logs have these very names",
        ),
    )
}

/// The first key of a document: where something missing is reported.
pub(crate) fn head(root: &Node) -> Span {
    match root.mapping().and_then(|entries| entries.first()) {
        Some((key, _)) => key.span,
        None => Span { end: root.span.start + 1, ..root.span },
    }
}

struct Reader<'a> {
    name: &'a str,
    value: &'a Node,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, self.value.span, message).with_help(help));
    }

    fn wrong_type(&mut self, wanted: &str) {
        let message = format!("`{}` must be {wanted}, not {}", self.name, self.value.noun());
        self.error("invalid-metadata", message, format!("write {wanted}, or remove the key"));
    }

    fn text(&mut self) -> Option<String> {
        if self.value.text().is_none() {
            self.wrong_type("text");
        }
        self.value.non_null_text().map(str::to_owned)
    }

    fn list(&mut self) -> Vec<String> {
        match &self.value.kind {
            Kind::Sequence(members) => {
                let texts: Vec<String> = members
                    .iter()
                    .filter_map(|member| member.non_null_text().map(str::to_owned))
                    .collect();
                if members.iter().any(|member| member.text().is_none()) {
                    self.wrong_type("a list of texts");
                }
                texts
            }
            // A single text has no effect on matching either; refusing the rule would lose detections.
            Kind::Scalar(..) => self.value.non_null_text().map(str::to_owned).into_iter().collect(),
            Kind::Mapping(_) => {
                self.wrong_type("a list of texts");
                Vec::new()
            }
        }
    }

    fn list_or_text(&mut self) -> Option<String> {
        let texts = self.list();
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    fn choice<T: Copy>(&mut self, known: &[(&str, T)]) -> Option<T> {
        if self.value.is_null() {
            return None;
        }
        let Some(text) = self.value.text() else {
            self.wrong_type("text");
            return None;
        };
        let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        if found.is_none() {
            let help = did_you_mean(text, known.iter().map(|(name, _)| *name), || {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                format!("use one of {}", names.join(", "))
            });
            let message = format!("`{text}` is not a {}", self.name);
            self.error("invalid-metadata", message, help);
        }
        found.map(|(_, value)| *value)
    }

    fn related(&mut self) -> Vec<(String, String)> {
        if self.value.is_null() {
            return Vec::new();
        }
        let Some(members) = self.value.sequence() else {
            self.wrong_type("a list of `id` and `type`");
            return Vec::new();
        };
        let text =
            |node: &Node, key: &str| node.get(key).and_then(Node::text).unwrap_or("").to_owned();
        if members.iter().any(|member| member.mapping().is_none()) {
            self.wrong_type("a list of `id` and `type`");
        }
        members.iter().map(|member| (text(member, "id"), text(member, "type"))).collect()
    }
}

/// Reads `logsource`, which rules and filters need.
pub(crate) fn logsource(root: &Node, diagnostics: &mut Vec<Diagnostic>) -> LogSource {
    const HELP: &str = "give at least one of `product`, `category`, `service`";
    let Some((key, value)) = root.entry("logsource") else {
        diagnostics.push(
            Diagnostic::error("missing-logsource", head(root), "the document has no `logsource`")
                .with_help(HELP),
        );
        return LogSource::default();
    };
    if value.mapping().is_none() {
        let message = format!("`logsource` must be a mapping, not {}", value.noun());
        let span = if value.is_null() { key.span } else { value.span };
        diagnostics.push(Diagnostic::error("invalid-logsource", span, message).with_help(HELP));
        return LogSource::default();
    }
    let before = diagnostics.len();
    let mut attribute = |name: &str| {
        let value = value.get(name)?;
        if value.text().is_none() {
            let message = format!("`{name}` must be text, not {}", value.noun());
            diagnostics.push(
                Diagnostic::error("invalid-logsource", value.span, message)
                    .with_help("a rule has one log source; write one rule for each"),
            );
        }
        value.non_null_text().filter(|text| !text.is_empty())
    };
    let (product, category, service) =
        (attribute("product"), attribute("category"), attribute("service"));
    let logsource = LogSource::new(product, category, service);
    if logsource.is_empty() && diagnostics.len() == before {
        diagnostics.push(
            Diagnostic::error("invalid-logsource", key.span, "the log source is empty")
                .with_help(HELP),
        );
    }
    logsource
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Metadata, Vec<Diagnostic>) {
        let root = crate::yaml::parse(text).documents.remove(0).root;
        let mut diagnostics = Vec::new();
        let metadata = parse(&root, root.span, &Arc::from("x.yml"), text, &mut diagnostics);
        (metadata, diagnostics)
    }

    #[test]
    fn everything_is_kept() {
        let text = "title: T\nid: 1\nstatus: test\nlevel: High\ntags: [a.b]\nreferences: one\n\
                    custom: {a: [1, 2]}\nn: 5\nrelated:\n  - id: x\n    type: derived\nauthor: [a, b]\n";
        let (metadata, diagnostics) = read(text);
        assert_eq!(diagnostics, []);
        assert_eq!(metadata.title, "T");
        assert_eq!(metadata.id.as_deref(), Some("1"));
        assert_eq!(metadata.level, Some(Level::High));
        assert_eq!(metadata.references, ["one"]);
        assert_eq!(metadata.author.as_deref(), Some("a, b"));
        assert_eq!(metadata.related, [("x".to_owned(), "derived".to_owned())]);
        assert_eq!(
            metadata.custom,
            [("custom".to_owned(), "{a: [1, 2]}".to_owned()), ("n".to_owned(), "5".to_owned())]
        );
    }

    #[test]
    fn fields_of_another_taxonomy_need_a_pipeline() {
        let text = "title: T\ntaxonomy: acme\nlogsource:\n    category: c\n\
                    detection:\n    s:\n        f: v\n    condition: s\n";
        let load = |text: &str, pipelines: Vec<crate::pipeline::Pipeline>| {
            let source = crate::Source { name: "x.yml".into(), text: text.into() };
            let loader = crate::Loader { pipelines, ..crate::Loader::default() };
            let loaded = loader.load(&[source]);
            let codes: Vec<&str> = loaded.diagnostics.iter().map(|found| found.code).collect();
            let places: Vec<&str> =
                loaded.diagnostics.iter().map(|found| &text[found.span.range()]).collect();
            (loaded.rules.len(), codes.join(","), places.join(","))
        };
        assert_eq!(load(text, Vec::new()), (0, "foreign-taxonomy".into(), "acme".into()));
        assert_eq!(load(&text.replace("acme", "sigma"), Vec::new()).0, 1);
        assert_eq!(load(text, vec![crate::pipeline::Pipeline::default()]).0, 1);
    }

    #[test]
    fn wrong_types_and_values_are_errors() {
        let (_, diagnostics) =
            read("title: T\nlevel: hihg\nstatus: finished\ntags: {a: b}\nid: [1]\nname: ''\n");
        assert_eq!(diagnostics.len(), 5);
        assert_eq!(diagnostics[0].help.as_deref(), Some("did you mean `high`?"));
        let (_, diagnostics) = read("status: test\n");
        assert_eq!(diagnostics[0].code, "missing-title");
    }

    #[test]
    fn log_sources_need_an_attribute() {
        let read = |text: &str| {
            let root = crate::yaml::parse(text).documents.remove(0).root;
            let mut diagnostics = Vec::new();
            let logsource = logsource(&root, &mut diagnostics);
            (logsource.to_string(), diagnostics.first().map(|found| found.code))
        };
        assert_eq!(read("logsource: {product: Windows, vendor: x}"), ("windows/-".into(), None));
        assert_eq!(read("logsource: {definition: x}").1, Some("invalid-logsource"));
        assert_eq!(read("logsource: {product: [a]}").1, Some("invalid-logsource"));
        assert_eq!(read("logsource:").1, Some("invalid-logsource"));
        assert_eq!(read("title: x").1, Some("missing-logsource"));
    }
}
