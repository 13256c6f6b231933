//! Collections of the first Sigma version: `action: global`, `reset` and `repeat`
//! (semantics section 12). Documents are merged as YAML, before anything is read from them.

use crate::suggestion::did_you_mean;
use crate::yaml::{Kind, Node};
use crate::{Diagnostic, Span};

/// What earlier documents of one source left for the later ones.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    global: Option<Node>,
    previous: Option<Node>,
}

/// Nodes that merging may copy in one source, against templates that are merged into thousands
/// of documents.
const COPY_LIMIT: usize = 5_000_000;

impl Actions {
    /// Takes the next document of a source; `collection` says whether the source uses actions at
    /// all, so that others need not be remembered. Returns the rule to read, if it is one.
    pub(crate) fn next(
        &mut self,
        mut root: Node,
        collection: bool,
        copied: &mut usize,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Node> {
        if !collection {
            return Some(root);
        }
        let Some((key, value)) = take_action(&mut root) else {
            if root.get("correlation").is_some() || root.get("filter").is_some() {
                return Some(root);
            }
            if let Some(global) = &self.global {
                if !spend(count(global), root.span, copied, diagnostics) {
                    return None;
                }
                merge(&mut root, global.clone());
            }
            if !spend(count(&root), root.span, copied, diagnostics) {
                return None;
            }
            self.previous = Some(root.clone());
            return Some(root);
        };
        match value.text() {
            Some("global") => self.global = Some(root),
            Some("reset") => self.global = None,
            Some("repeat") => {
                let Some(previous) = &mut self.previous else {
                    diagnostics.push(
                        Diagnostic::error("invalid-action", value.span, "no rule to repeat")
                            .with_help("put the document behind the rule that it varies"),
                    );
                    return None;
                };
                if !spend(count(previous), root.span, copied, diagnostics) {
                    return None;
                }
                merge(previous, root);
                return Some(previous.clone());
            }
            other => {
                let name = other.unwrap_or("");
                let help = did_you_mean(name, ["global", "reset", "repeat"], || {
                    "known actions: `global`, `reset`, `repeat`".to_owned()
                });
                let message = format!("unknown action `{name}`");
                diagnostics.push(
                    Diagnostic::error("invalid-action", key.span.to(value.span), message)
                        .with_help(help),
                );
            }
        }
        None
    }
}

/// Whether a document is an instruction.
pub(crate) fn is_action(root: &Node) -> bool {
    root.get("action").is_some()
}

fn take_action(root: &mut Node) -> Option<(Node, Node)> {
    let Kind::Mapping(entries) = &mut root.kind else { return None };
    let at = entries.iter().position(|(key, _)| key.text() == Some("action"))?;
    Some(entries.remove(at))
}

fn spend(nodes: usize, span: Span, copied: &mut usize, diagnostics: &mut Vec<Diagnostic>) -> bool {
    *copied += nodes;
    if *copied <= COPY_LIMIT {
        return true;
    }
    diagnostics.push(
        Diagnostic::error(
            "action-limit",
            Span { end: span.start + 1, ..span },
            "the global document is merged into too many rules",
        )
        .with_help("split the file"),
    );
    false
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar(..) => 0,
        Kind::Sequence(members) => members.iter().map(count).sum(),
        Kind::Mapping(entries) => entries.iter().map(|(_, value)| 1 + count(value)).sum(),
    }
}

/// Merges `new` into `base`: mappings recursively, otherwise `new` wins.
fn merge(base: &mut Node, new: Node) {
    match (&mut base.kind, new.kind) {
        (Kind::Mapping(entries), Kind::Mapping(more)) => {
            for (key, value) in more {
                match entries.iter_mut().find(|(known, _)| known.text() == key.text()) {
                    Some((_, known)) => merge(known, value),
                    None => entries.push((key, value)),
                }
            }
        }
        (_, kind) => *base = Node { kind, span: new.span },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn titles(text: &str) -> (Vec<String>, usize) {
        let mut actions = Actions::default();
        let (mut diagnostics, mut copied) = (Vec::new(), 0);
        let mut found = Vec::new();
        for document in yaml::parse(text).documents {
            let rule = actions.next(document.root, true, &mut copied, &mut diagnostics);
            found.extend(rule.map(|rule| {
                let text = |key: &str| rule.get(key).and_then(Node::text).unwrap_or("-").to_owned();
                format!("{} {}", text("title"), text("level"))
            }));
        }
        (found, diagnostics.len())
    }

    #[test]
    fn global_reset_and_repeat() {
        let text = "action: global\nlevel: high\n---\ntitle: a\nlevel: low\n---\ntitle: b\n---\n\
                    action: repeat\ntitle: c\nlevel: low\n---\naction: reset\n---\ntitle: d\n";
        assert_eq!(
            titles(text),
            (["a high", "b high", "c low", "d -"].map(str::to_owned).into(), 0)
        );
    }

    #[test]
    fn unknown_actions_are_errors() {
        assert_eq!(titles("action: explode\n---\ntitle: a\n"), (vec!["a -".to_owned()], 1));
        assert_eq!(titles("action: repeat\ntitle: a\n"), (vec![], 1));
    }
}
