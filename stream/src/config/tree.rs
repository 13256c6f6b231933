//! What layers say, each value with its origin, and how one layer is laid over another.

use super::problem::{Origin, Problems};
use crate::words::plural;
use sigmund_sigma::yaml;
use std::collections::{BTreeMap, btree_map};
use std::path::PathBuf;
use std::sync::Arc;

/// A value with its origin.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) origin: Origin,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar {
        text: String,
        /// Without quotes: may be a number, a boolean or nothing.
        plain: bool,
        /// Came from a file or the environment and is not shown.
        hidden: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Members of a list by their index, to be laid over a list.
    Members(BTreeMap<usize, Node>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key is written.
    pub(super) origin: Origin,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn empty() -> Self {
        Self { kind: Kind::Map(Vec::new()), origin: Origin::Default }
    }

    pub(super) fn scalar(text: &str, origin: &Origin) -> Self {
        let kind = Kind::Scalar { text: text.to_owned(), plain: true, hidden: false };
        Self { kind, origin: origin.clone() }
    }

    /// `null`, `~` or nothing.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true, hidden: false }
            if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Lays another over this one: mappings by their keys, all else as a whole.
    pub(super) fn overlay(&mut self, upper: Self) {
        // A mapping whose lines are all comments says nothing.
        if matches!(self.kind, Kind::Map(_)) && upper.is_null() {
            return;
        }
        match (&mut self.kind, upper.kind) {
            (Kind::Map(entries), Kind::Map(over)) => {
                for entry in over {
                    match entries.iter_mut().find(|known| known.key == entry.key) {
                        Some(known) => {
                            known.origin = entry.origin;
                            known.value.overlay(entry.value);
                        }
                        None => entries.push(entry),
                    }
                }
            }
            (Kind::List(members), Kind::Members(over)) => {
                let mut all = std::mem::take(members).into_iter().enumerate().collect();
                lay_over(&mut all, over);
                self.kind = Kind::Members(all);
            }
            (Kind::Members(members), Kind::Members(over)) => lay_over(members, over),
            (_, kind) => *self = Self { kind, origin: upper.origin },
        }
    }

    /// Makes lists of members when all layers are there. One that leaves a gap would be another member than it says.
    pub(super) fn settle(&mut self, key: &str, problems: &mut Problems) {
        match &mut self.kind {
            Kind::Scalar { .. } => {}
            Kind::Map(entries) => {
                for entry in entries {
                    entry.value.settle(&below(key, &entry.key), problems);
                }
            }
            Kind::List(members) => {
                for (index, member) in members.iter_mut().enumerate() {
                    member.settle(&format!("{key}[{index}]"), problems);
                }
            }
            Kind::Members(members) => {
                let mut list = Vec::new();
                for (index, mut member) in std::mem::take(members) {
                    let key = format!("{key}[{index}]");
                    if index == list.len() {
                        member.settle(&key, problems);
                        list.push(member);
                        continue;
                    }
                    let has = plural(list.len() as u64, "member");
                    let message = format!("member {index} is beyond the end of the list of {has}");
                    let help = format!("members are counted from 0: the next is {}", list.len());
                    problems.push(key, &member.origin, message, help);
                }
                self.kind = Kind::List(list);
            }
        }
    }

    /// The nodes of a YAML text, all with one origin (`whole`) or with their places in a file.
    pub(super) fn of_yaml(node: &yaml::Node, place: &Place<'_>) -> Self {
        let origin = place.of(node);
        let kind = match &node.kind {
            yaml::Kind::Scalar(text, style) => Kind::Scalar {
                text: text.to_string(),
                plain: *style == yaml::Style::Plain,
                hidden: false,
            },
            yaml::Kind::Sequence(members) => {
                Kind::List(members.iter().map(|member| Self::of_yaml(member, place)).collect())
            }
            yaml::Kind::Mapping(entries) => Kind::Map(
                entries
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.text().unwrap_or_default().to_owned(),
                        origin: place.of(key),
                        value: Self::of_yaml(value, place),
                    })
                    .collect(),
            ),
        };
        Self { kind, origin }
    }

    /// All values with their keys, the mappings and lists among them.
    pub(super) fn walk(&self, key: &str, visit: &mut impl FnMut(&str, &Self)) {
        visit(key, self);
        match &self.kind {
            Kind::Scalar { .. } => {}
            Kind::Map(entries) => {
                for entry in entries {
                    entry.value.walk(&below(key, &entry.key), visit);
                }
            }
            Kind::List(members) => {
                for (index, member) in members.iter().enumerate() {
                    member.walk(&format!("{key}[{index}]"), visit);
                }
            }
            Kind::Members(members) => {
                for (index, member) in members {
                    member.walk(&format!("{key}[{index}]"), visit);
                }
            }
        }
    }

    /// All scalars with their keys.
    pub(super) fn scalars_mut(&mut self, key: &str, visit: &mut impl FnMut(&str, &mut Self)) {
        match &mut self.kind {
            Kind::Scalar { .. } => visit(key, self),
            Kind::Map(entries) => {
                for entry in entries {
                    entry.value.scalars_mut(&below(key, &entry.key), visit);
                }
            }
            Kind::List(members) => {
                for (index, member) in members.iter_mut().enumerate() {
                    member.scalars_mut(&format!("{key}[{index}]"), visit);
                }
            }
            Kind::Members(members) => {
                for (index, member) in members {
                    member.scalars_mut(&format!("{key}[{index}]"), visit);
                }
            }
        }
    }
}

/// Lays members over others, by their indices.
fn lay_over(members: &mut BTreeMap<usize, Node>, over: BTreeMap<usize, Node>) {
    for (index, member) in over {
        match members.entry(index) {
            btree_map::Entry::Occupied(mut known) => known.get_mut().overlay(member),
            btree_map::Entry::Vacant(place) => {
                place.insert(member);
            }
        }
    }
}

/// The key of a value in a mapping.
pub(super) fn below(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// What tells the origin of the nodes of a YAML text.
pub(super) enum Place<'a> {
    File { path: Arc<PathBuf>, text: &'a str },
    Whole(Origin),
}

impl Place<'_> {
    fn of(&self, node: &yaml::Node) -> Origin {
        self.at(node.span)
    }

    pub(super) fn at(&self, span: sigmund_sigma::Span) -> Origin {
        match self {
            Self::File { path, text } => {
                let position = span.position(text);
                Origin::File {
                    path: Arc::clone(path),
                    line: position.line,
                    column: position.column,
                }
            }
            Self::Whole(origin) => origin.clone(),
        }
    }
}

/// Reads a YAML text of one document. Nothing at all is an empty mapping.
pub(super) fn read(text: &str, place: &Place<'_>, problems: &mut Problems) -> Option<Node> {
    let stream = yaml::parse(text);
    for diagnostic in &stream.diagnostics {
        let origin = place.at(diagnostic.span);
        let (message, help) = match diagnostic.code {
            // What it says is for rules.
            "duplicate-key" => (
                diagnostic.message.replacen("duplicate key ", "a second ", 1),
                diagnostic.labels.first().map(|first| match place.at(first.span) {
                    Origin::File { line, .. } => format!("keep one: the first is in line {line}"),
                    _ => "keep one of them".to_owned(),
                }),
            ),
            _ => {
                (diagnostic.message.to_string(), diagnostic.help.as_ref().map(ToString::to_string))
            }
        };
        problems.push("", &origin, message, help);
    }
    match &*stream.documents {
        [] if stream.diagnostics.is_empty() => Some(Node::empty()),
        [document] => Some(Node::of_yaml(&document.root, place)),
        [_, second, ..] => {
            let help = "write one document, without `---` between its parts".to_owned();
            problems.push("", &place.at(second.span), "a second document", help);
            None
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        let mut problems = Problems::default();
        let place = Place::Whole(Origin::Flag(text.into()));
        let node = read(text, &place, &mut problems);
        assert!(problems.is_empty(), "{problems}");
        node.expect("a node")
    }

    fn shown(node: &Node) -> String {
        let mut text = String::new();
        node.walk("", &mut |key, node| {
            if let Kind::Scalar { text: value, .. } = &node.kind {
                text.push_str(&format!("{key}={value} "));
            }
        });
        text
    }

    #[test]
    fn mappings_merge_and_lists_do_not() {
        let mut tree = node("a: {x: 1, y: [1, 2]}\nb: 1\nd: {z: 1}");
        tree.overlay(node("a: {y: [3], z: 4}\nc: 5\nd:\n"));
        assert_eq!(shown(&tree), "a.x=1 a.y[0]=3 a.z=4 b=1 d.z=1 c=5 ");
    }

    #[test]
    fn members_are_laid_over_lists() {
        let mut tree = node("[{a: 1}, {a: 2}]");
        let kind = Kind::Members([(1, node("{b: 3}")), (2, node("{a: 4}"))].into());
        tree.overlay(Node { kind, origin: Origin::Default });
        assert_eq!(shown(&tree), "[0].a=1 [1].a=2 [1].b=3 [2].a=4 ");
        let mut problems = Problems::default();
        tree.settle("", &mut problems);
        assert!(problems.is_empty() && matches!(tree.kind, Kind::List(_)), "{tree:?}");
    }

    #[test]
    fn members_are_laid_over_members() {
        let members = |index, text| {
            let kind = Kind::Members([(index, node(text))].into());
            Node { kind, origin: Origin::Default }
        };
        let mut tree = members(10, "{a: 1}");
        for (index, text) in [(0, "{a: 2}"), (10, "{b: 3}"), (1, "{a: 4}")] {
            tree.overlay(members(index, text));
        }
        assert_eq!(shown(&tree), "[0].a=2 [1].a=4 [10].a=1 [10].b=3 ");
        let mut problems = Problems::default();
        tree.settle("l", &mut problems);
        assert_eq!(shown(&tree), "[0].a=2 [1].a=4 ");
        assert_eq!(
            problems.to_string(),
            "{a: 1}: l[10]: member 10 is beyond the end of the list of 2 members; members are counted from 0: the next is 2"
        );
    }

    #[test]
    fn keys_that_come_twice_are_told_in_words_of_configurations() {
        let mut problems = Problems::default();
        let text = "a: 1\nb: 1\na: 2\n";
        let place = Place::File { path: Arc::new("x.yaml".into()), text };
        assert!(read(text, &place, &mut problems).is_none());
        assert_eq!(
            problems.to_string(),
            "x.yaml:3:1: a second `a`; keep one: the first is in line 1"
        );
    }

    #[test]
    fn second_documents_are_refused() {
        let mut problems = Problems::default();
        let place = Place::File { path: Arc::new("x.yaml".into()), text: "a: 1\n---\nb: 1\n" };
        assert!(read("a: 1\n---\nb: 1\n", &place, &mut problems).is_none());
        assert!(problems.to_string().starts_with("x.yaml:2:1: "), "{problems}");
    }
}
