//! The key of a detection item: `field|mod1|mod2`.

use super::{Modifier, NAMES};
use crate::Diagnostic;
use crate::suggestion::did_you_mean;
use crate::yaml::Node;

/// A key taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// `None` for keywords (`'|all'`).
    pub(crate) field: Option<Box<str>>,
    /// In written order.
    pub(crate) modifiers: Vec<Modifier>,
}

/// Reads a key.
///
/// # Errors
/// An unknown or empty modifier, with its place.
pub(crate) fn key(node: &Node) -> Result<Key, Diagnostic> {
    let text = node.text().unwrap_or("");
    let (field, rest) = match text.split_once('|') {
        None => (text, None),
        Some((field, rest)) => (field, Some(rest)),
    };
    let mut modifiers = Vec::new();
    let mut start = field.len() + 1;
    for name in rest.into_iter().flat_map(|rest| rest.split('|')) {
        match Modifier::from_name(name) {
            Some(modifier) => modifiers.push(modifier),
            None => return Err(unknown(node, name, start)),
        }
        start += name.len() + 1;
    }
    let field = (!field.is_empty()).then(|| field.into());
    Ok(Key { field, modifiers })
}

fn unknown(node: &Node, name: &str, start: usize) -> Diagnostic {
    if name.is_empty() {
        return Diagnostic::error("unknown-modifier", node.span, "a modifier has no name")
            .with_help("remove the extra `|`");
    }
    let span = node.sub_span(start, start + name.len());
    let error = Diagnostic::error("unknown-modifier", span, format!("unknown modifier `{name}`"));
    let lower = name.trim().to_lowercase();
    if Modifier::from_name(&lower).is_some() {
        return error
            .with_help(format!("modifiers are written in lower case without blanks: `{lower}`"));
    }
    let negation = matches!(&*lower, "not" | "ne" | "nq" | "neg");
    let help = if negation {
        "did you mean `neq`?".to_owned()
    } else {
        did_you_mean(name, NAMES.iter().map(|(name, _)| *name), || {
            "known modifiers: contains, startswith, endswith, all, re, cidr, windash, base64offset, …"
                .to_owned()
        })
    };
    error.with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Key, Diagnostic> {
        let stream = yaml::parse(&format!("'{text}': x"));
        let root = stream.documents.into_iter().next().expect("document").root;
        key(&root.mapping().expect("mapping")[0].0)
    }

    #[test]
    fn fields_and_modifiers() {
        let parsed = read("Image|endswith|all").expect("key");
        assert_eq!(parsed.field.as_deref(), Some("Image"));
        assert_eq!(parsed.modifiers, [Modifier::EndsWith, Modifier::All]);
        assert_eq!(read("|all").expect("key").field, None);
        assert_eq!(read("a b.c-d").expect("key").field.as_deref(), Some("a b.c-d"));
    }

    #[test]
    fn unknown_modifiers_are_explained() {
        let error = read("Image|endwith").expect_err("unknown");
        assert_eq!(error.help.as_deref(), Some("did you mean `endswith`?"));
        assert_eq!((error.span.start, error.span.end), (7, 14));
        let error = read("Image|Contains").expect_err("unknown");
        assert!(error.help.expect("help").ends_with("`contains`"));
        assert_eq!(read("a||contains").expect_err("empty").code, "unknown-modifier");
        assert_eq!(read("a|").expect_err("empty").code, "unknown-modifier");
    }

    proptest! {
        #[test]
        fn no_key_panics(text in "[a-zé|*]{0,40}") {
            let _ = read(&text);
        }
    }
}
