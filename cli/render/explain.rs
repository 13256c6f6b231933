//! Why a rule matches an event or does not, as a tree for people and as JSON.

use serde_json::{Value, json};
use sigmund_engine::detection::SourcePosition;
use sigmund_engine::explain::{
    Compared, ConditionNode, EventValue, Explanation, ItemNode, LogSourceNode, SearchNode,
    SelectionNode, ValueNode,
};
use sigmund_engine::oracle::{CandidateKind, Origin};
use sigmund_engine::{Event, EventTime};
use sigmund_sigma::{LogSource, Rule};
use sigmund_stream::words::visible;
use std::io::{self, Write};

/// Longer texts of the log are cut for people; JSON has them whole.
const MAX_TEXT: usize = 240;
/// Of a value list that does not hold, and of the elements of one field, no more are shown to people.
const MAX_LISTED: usize = 8;

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// One rule and one event.
pub(crate) struct Explained<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) event: &'a Event,
    pub(crate) position: &'a SourcePosition,
    /// The event's time, written.
    pub(crate) time: Option<String>,
    pub(crate) explanation: &'a Explanation,
}

/// For people. Styles are always written; the stream takes them out where they are not wanted.
pub(crate) fn write_text(out: &mut dyn Write, explained: &Explained<'_>) -> io::Result<()> {
    let Explained { rule, event, position, time, explanation } = explained;
    let metadata = &rule.metadata;
    write!(out, "{BOLD}{}{PLAIN}", visible(&metadata.title, false))?;
    if let Some(id) = metadata.id.as_ref().or(metadata.name.as_ref()) {
        write!(out, " {DIM}({}){PLAIN}", visible(id, false))?;
    }
    writeln!(out)?;
    write!(out, "{} record {}", visible(&position.path, false), position.record)?;
    if let Some(time) = time {
        write!(out, ", {}", visible(time, false))?;
    }
    writeln!(out)?;
    writeln!(out, "{DIM}{}{PLAIN}", shown(&String::from_utf8_lossy(&event.raw)))?;
    writeln!(out)?;

    let mut tree = Tree { out };
    let verdict = match (explanation.verdict, explanation.holds) {
        (true, _) => "the rule matches the event",
        (false, false) => "the rule does not match the event",
        (false, true) => "the search holds, but the event never reaches the rule",
    };
    tree.line(0, explanation.verdict, &format!("{BOLD}{verdict}{PLAIN}"))?;
    tree.log_source(&explanation.log_source)?;
    match &*explanation.conditions {
        [only] => tree.line(1, only.holds(), "condition")?,
        several => {
            let holds = several.iter().any(ConditionNode::holds);
            tree.line(1, holds, "one of the conditions")?;
        }
    }
    for condition in &explanation.conditions {
        tree.condition(2, condition)?;
    }
    for filter in &explanation.filters {
        tree.line(1, filter.holds, &format!("filter `{}`", visible(&filter.title, false)))?;
        for condition in &filter.condition {
            tree.condition(2, condition)?;
        }
    }
    for search in &explanation.added {
        tree.line(1, search.holds(), "added by a pipeline")?;
        tree.search(2, search)?;
    }
    writeln!(tree.out)
}

struct Tree<'o> {
    out: &'o mut dyn Write,
}

impl Tree<'_> {
    fn line(&mut self, depth: usize, holds: bool, text: &str) -> io::Result<()> {
        let mark = if holds { format!("{GREEN}✓") } else { format!("{RED}✗") };
        writeln!(self.out, "{:indent$}{mark}{PLAIN} {text}", "", indent = 2 * depth)
    }

    fn remark(&mut self, depth: usize, text: &str) -> io::Result<()> {
        writeln!(self.out, "{:indent$}{DIM}{text}{PLAIN}", "", indent = 2 * depth + 2)
    }

    fn log_source(&mut self, node: &LogSourceNode) -> io::Result<()> {
        let wanted = if node.wanted.is_empty() {
            "the rule asks for none".to_owned()
        } else {
            format!("the rule asks for {}", attributes(&node.wanted))
        };
        self.line(1, node.holds, &format!("log source: {wanted}"))?;
        let route = visible(&node.route, false);
        if node.unfiltered {
            self.remark(1, "routing is off: every rule sees every event")?;
        }
        if node.event.is_empty() {
            return self.remark(1, &format!("the event ({route}) has none that is known"));
        }
        self.remark(1, &format!("the event is {route}:"))?;
        for have in &node.event {
            let covers = node.covered.as_ref() == Some(have);
            let note = if covers { "  ← covered by the rule's" } else { "" };
            self.remark(2, &format!("{}{note}", attributes(have)))?;
        }
        Ok(())
    }

    fn condition(&mut self, depth: usize, node: &ConditionNode) -> io::Result<()> {
        let holds = node.holds();
        match node {
            ConditionNode::And { of, .. } | ConditionNode::Or { of, .. } => {
                let all = matches!(node, ConditionNode::And { .. });
                self.line(depth, holds, if all { "and: all of" } else { "or: one of" })?;
                of.iter().try_for_each(|operand| self.condition(depth + 1, operand))
            }
            ConditionNode::Not { of, .. } => {
                self.line(depth, holds, "not")?;
                self.condition(depth + 1, of)
            }
            ConditionNode::Selection(selection) => self.selection(depth, selection),
            ConditionNode::Of { all, pattern, selections, .. } => {
                let quantifier = if *all { "all of" } else { "1 of" };
                self.line(depth, holds, &format!("{quantifier} {}", visible(pattern, false)))?;
                if selections.is_empty() {
                    self.remark(depth, "no selection has such a name, so this is never true")?;
                }
                selections.iter().try_for_each(|selection| self.selection(depth + 1, selection))
            }
        }
    }

    fn selection(&mut self, depth: usize, node: &SelectionNode) -> io::Result<()> {
        let name = visible(&node.name, false);
        self.line(depth, node.holds, &format!("{BOLD}{name}{PLAIN}"))?;
        self.search(depth + 1, &node.search)
    }

    fn search(&mut self, depth: usize, node: &SearchNode) -> io::Result<()> {
        match node {
            SearchNode::All { items, .. } => {
                items.iter().try_for_each(|item| self.item(depth, item))
            }
            SearchNode::Any { holds, members } => {
                self.line(depth, *holds, "one of")?;
                members.iter().try_for_each(|member| match member {
                    SearchNode::All { items, .. } if items.len() == 1 => {
                        self.item(depth + 1, &items[0])
                    }
                    SearchNode::All { holds, .. } => {
                        self.line(depth + 1, *holds, "all of")?;
                        self.search(depth + 2, member)
                    }
                    SearchNode::Any { .. } => self.search(depth + 1, member),
                })
            }
        }
    }

    fn item(&mut self, depth: usize, node: &ItemNode) -> io::Result<()> {
        let key = key(node);
        let quantifier = match (node.negated, node.all, node.values.len()) {
            (false, _, 1) => String::new(),
            (false, true, _) => format!("{DIM} (all of the values){PLAIN}"),
            (false, false, _) => format!("{DIM} (one of the values){PLAIN}"),
            (true, true, 2..) => format!("{DIM} (not all of the values){PLAIN}"),
            (true, ..) => format!("{DIM} (none of the values){PLAIN}"),
        };
        self.line(depth, node.holds, &format!("{key}{quantifier}"))?;
        if let Some(written) = &node.written_field {
            let written = visible(written, false);
            self.remark(depth, &format!("written as `{written}`, mapped by a pipeline"))?;
        }
        self.compared(depth, &node.compared)?;
        let (holding, others): (Vec<&ValueNode>, Vec<&ValueNode>) =
            node.values.iter().partition(|value| value.holds);
        let limit = if node.all { usize::MAX } else { MAX_LISTED };
        for value in holding.iter().chain(others.iter().take(limit)) {
            self.value(depth + 1, value, node)?;
        }
        if others.len() > limit {
            self.remark(
                depth + 1,
                &format!("… and {} more that do not hold", others.len() - limit),
            )?;
        }
        Ok(())
    }

    fn compared(&mut self, depth: usize, compared: &Compared) -> io::Result<()> {
        match compared {
            Compared::Raw => self.remark(depth, "searched in the raw record"),
            Compared::Scalars { count } => {
                self.remark(depth, &format!("searched in {count} values of the event"))
            }
            Compared::Field { origin: Origin::Missing, values } if values.is_empty() => {
                self.remark(depth, "the event has no such field")
            }
            Compared::Field { origin, values } => {
                if values.is_empty() {
                    return self.remark(depth, "the field is an empty list");
                }
                for value in values.iter().take(MAX_LISTED) {
                    let way = match (origin, &value.source) {
                        (_, Some(source)) => format!("  ← {}", visible(source, false)),
                        (Origin::Lifted, None) => "  ← a container of the event".to_owned(),
                        _ => String::new(),
                    };
                    self.remark(depth, &format!("is {}{way}", event_value(value)))?;
                }
                if values.len() > MAX_LISTED {
                    self.remark(depth, &format!("… and {} more", values.len() - MAX_LISTED))?;
                }
                Ok(())
            }
        }
    }

    fn value(&mut self, depth: usize, node: &ValueNode, item: &ItemNode) -> io::Result<()> {
        let mut text = shown(&node.written);
        // With several values it matters which one it is.
        let several = match &item.compared {
            Compared::Field { values, .. } => values.len() > 1,
            Compared::Raw => false,
            Compared::Scalars { .. } => true,
        };
        if let (true, Some(by)) = (several, &node.by) {
            text.push_str(&format!("{DIM}  ← {}{PLAIN}", event_value(by)));
        }
        self.line(depth, node.holds, &text)?;
        match &node.other {
            Some(other) => self.compared(depth, other),
            None => Ok(()),
        }
    }
}

/// `Image|endswith`, or `keywords`.
fn key(node: &ItemNode) -> String {
    let field = node.field.as_deref().unwrap_or("keywords");
    let mut key = visible(field, false).into_owned();
    for modifier in &node.modifiers {
        key.push('|');
        key.push_str(modifier.name());
    }
    key
}

fn attributes(source: &LogSource) -> String {
    let named = [
        ("product", &source.product),
        ("category", &source.category),
        ("service", &source.service),
    ];
    let parts: Vec<String> = named
        .iter()
        .filter_map(|(name, value)| {
            value.as_ref().map(|value| format!("{name} {}", visible(value, false)))
        })
        .collect();
    parts.join(", ")
}

fn event_value(value: &EventValue) -> String {
    match (value.kind, &value.text) {
        (None, _) => "(absent)".to_owned(),
        (Some(CandidateKind::Null), _) => "null".to_owned(),
        (Some(CandidateKind::Object), _) => "an object, which equals no value".to_owned(),
        (Some(_), Some(text)) => format!("`{}`", shown(text)),
        (Some(_), None) => "(nothing)".to_owned(),
    }
}

/// One line, harmless and not too long.
fn shown(text: &str) -> String {
    let text = text.trim_end_matches(['\r', '\n']);
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => {
            let rest = text[end..].chars().count();
            format!("{}… ({rest} more characters)", visible(&text[..end], false))
        }
        None => visible(text, false).into_owned(),
    }
}

/// One object.
pub(crate) fn to_json(explained: &Explained<'_>) -> Value {
    let Explained { rule, event, position, time, explanation } = explained;
    json!({
        "rule": {
            "id": rule.metadata.id,
            "name": rule.metadata.name,
            "title": rule.metadata.title,
        },
        "source": {"path": &*position.path, "record": position.record},
        "time": time,
        "event": String::from_utf8_lossy(&event.raw),
        "verdict": explanation.verdict,
        "log_source": {
            "holds": explanation.log_source.holds,
            "wanted": log_source_json(&explanation.log_source.wanted),
            "route": &*explanation.log_source.route,
            "event": explanation.log_source.event.iter().map(log_source_json).collect::<Vec<_>>(),
            "covered": explanation.log_source.covered.as_ref().map(log_source_json),
            "unfiltered": explanation.log_source.unfiltered,
        },
        "search": {
            "holds": explanation.holds,
            "conditions": explanation.conditions.iter().map(condition_json).collect::<Vec<_>>(),
            "filters": explanation.filters.iter().map(|filter| json!({
                "holds": filter.holds,
                "title": filter.title,
                "conditions": filter.condition.iter().map(condition_json).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "added": explanation.added.iter().map(search_json).collect::<Vec<_>>(),
        },
    })
}

fn log_source_json(source: &LogSource) -> Value {
    json!({"product": source.product, "category": source.category, "service": source.service})
}

fn condition_json(node: &ConditionNode) -> Value {
    let holds = node.holds();
    match node {
        ConditionNode::And { of, .. } => {
            json!({"holds": holds, "and": of.iter().map(condition_json).collect::<Vec<_>>()})
        }
        ConditionNode::Or { of, .. } => {
            json!({"holds": holds, "or": of.iter().map(condition_json).collect::<Vec<_>>()})
        }
        ConditionNode::Not { of, .. } => json!({"holds": holds, "not": condition_json(of)}),
        ConditionNode::Selection(selection) => selection_json(selection),
        ConditionNode::Of { all, pattern, selections, .. } => json!({
            "holds": holds,
            "of": {
                "quantifier": if *all { "all" } else { "1" },
                "pattern": pattern,
                "selections": selections.iter().map(selection_json).collect::<Vec<_>>(),
            },
        }),
    }
}

fn selection_json(node: &SelectionNode) -> Value {
    json!({"holds": node.holds, "selection": node.name, "search": search_json(&node.search)})
}

fn search_json(node: &SearchNode) -> Value {
    match node {
        SearchNode::All { holds, items } => {
            json!({"holds": holds, "all": items.iter().map(item_json).collect::<Vec<_>>()})
        }
        SearchNode::Any { holds, members } => {
            json!({"holds": holds, "any": members.iter().map(search_json).collect::<Vec<_>>()})
        }
    }
}

fn item_json(node: &ItemNode) -> Value {
    json!({
        "holds": node.holds,
        "field": node.field,
        "written_field": node.written_field,
        "modifiers": node.modifiers.iter().map(|modifier| modifier.name()).collect::<Vec<_>>(),
        "compared": compared_json(&node.compared),
        "values": node.values.iter().map(|value| json!({
            "holds": value.holds,
            "written": value.written,
            "by": value.by.as_ref().map(event_value_json),
            "other": value.other.as_ref().map(compared_json),
        })).collect::<Vec<_>>(),
    })
}

fn compared_json(compared: &Compared) -> Value {
    match compared {
        Compared::Raw => json!({"with": "raw"}),
        Compared::Scalars { count } => json!({"with": "values", "count": count}),
        Compared::Field { origin, values } => json!({
            "with": match origin {
                Origin::Missing => "missing",
                Origin::Native => "field",
                Origin::Lifted => "lifted",
                Origin::Alias => "alias",
            },
            "values": values.iter().map(event_value_json).collect::<Vec<_>>(),
        }),
    }
}

fn event_value_json(value: &EventValue) -> Value {
    json!({
        "source": value.source,
        "kind": value.kind.map(|kind| match kind {
            CandidateKind::Null => "null",
            CandidateKind::Bool => "boolean",
            CandidateKind::Number => "number",
            CandidateKind::Text => "text",
            CandidateKind::Object => "object",
        }),
        "text": value.text,
    })
}

/// RFC 3339 with as many digits as the time has, and what had to be assumed.
pub(crate) fn written_time(time: EventTime) -> Option<String> {
    let mut text = jiff::Timestamp::from_nanosecond(i128::from(time.nanos)).ok()?.to_string();
    if time.year_inferred {
        text.push_str(" (year inferred)");
    }
    if time.zone_assumed {
        text.push_str(" (zone assumed)");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigmund_engine::{AliasTable, Object, Route, alias::Alias, explain::explain};
    use sigmund_sigma::{Loader, Source};
    use std::sync::Arc;

    const RULE: &str = r"
title: Shell of a web server
id: 6c5de3f7-8f43-4a7e-b8c8-27d1e1dbb45b
logsource:
    product: windows
    category: process_creation
detection:
    selection:
        Image|endswith:
            - '\cmd.exe'
            - '\powershell.exe'
        ParentImage|endswith: '\w3wp.exe'
    filter_user:
        User: null
    condition: selection and not 1 of filter_*
";

    fn event(log_sources: Vec<LogSource>) -> Event {
        let mut object = Object::default();
        object.push("NewProcessName", sigmund_engine::Value::text("C:\\cmd.exe"));
        object.push("ParentImage", sigmund_engine::Value::text("C:\\w3wp.exe\u{1b}[2J"));
        Event {
            raw: Arc::from(&b"raw \x1b]0;title\x07 text"[..]),
            object,
            lifted: Object::default(),
            keywords_in_raw: false,
            route: Arc::new(Route {
                id: 0,
                name: "windows Security 4688".into(),
                log_sources,
                aliases: Arc::new(AliasTable::new([Alias::to("Image", &["NewProcessName"])])),
                event_id: None,
                unfiltered: false,
                is_known: true,
            }),
            time: None,
        }
    }

    fn rendered(event: &Event) -> (String, Value) {
        let source = Source { name: "rule.yml".into(), text: RULE.into() };
        let collection = Loader::default().load(&[source]);
        assert!(collection.diagnostics.is_empty(), "{:?}", collection.diagnostics);
        let rule = &collection.rules[0];
        let explanation = explain(rule, event).unwrap();
        let position = SourcePosition { path: "security.json".into(), record: 3 };
        let explained =
            Explained { rule, event, position: &position, time: None, explanation: &explanation };
        let mut text = anstream::StripStream::new(Vec::new());
        write_text(&mut text, &explained).unwrap();
        (String::from_utf8(text.into_inner()).unwrap(), to_json(&explained))
    }

    #[test]
    fn the_tree_says_what_was_compared_with_what() {
        let sources = vec![
            LogSource::new(Some("windows"), None, Some("security")),
            LogSource::new(Some("windows"), Some("process_creation"), None),
        ];
        let (text, json) = rendered(&event(sources));
        let expected = "\
Shell of a web server (6c5de3f7-8f43-4a7e-b8c8-27d1e1dbb45b)
security.json record 3
raw \\u{1b}]0;title\\u{7} text

✗ the rule does not match the event
  ✓ log source: the rule asks for product windows, category process_creation
    the event is windows Security 4688:
      product windows, service security
      product windows, category process_creation  ← covered by the rule's
  ✗ condition
    ✗ and: all of
      ✗ selection
        ✓ Image|endswith (one of the values)
          is `C:\\cmd.exe`  ← NewProcessName
          ✓ \\cmd.exe
          ✗ \\powershell.exe
        ✗ ParentImage|endswith
          is `C:\\w3wp.exe\\u{1b}[2J`
          ✗ \\w3wp.exe
      ✗ not
        ✓ 1 of filter_*
          ✓ filter_user
            ✓ User
              the event has no such field
              ✓ null

";
        assert_eq!(text, expected);
        assert_eq!(json["verdict"], false);
        assert_eq!(json["log_source"]["covered"]["category"], "process_creation");
        let item = &json["search"]["conditions"][0]["and"][0]["search"]["all"][0];
        assert_eq!(item["compared"]["values"][0]["source"], "NewProcessName");
        assert_eq!(item["values"][0]["by"]["text"], "C:\\cmd.exe");
    }

    #[test]
    fn an_event_of_another_log_source_is_named_as_such() {
        let (text, json) = rendered(&event(vec![LogSource::new(Some("linux"), None, None)]));
        assert!(text.contains("✗ log source: the rule asks for product windows"), "{text}");
        assert!(text.contains("      product linux\n"), "{text}");
        assert_eq!(json["log_source"]["holds"], false);
        let (text, _) = rendered(&event(Vec::new()));
        assert!(text.contains("has none that is known"), "{text}");
    }
}
