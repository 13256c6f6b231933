//! Codes of what is found in rules beside the mistakes of the language, which [`sigmund_sigma::lint`] explains.

/// Each code with its meaning in a line and its explanation.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "bad-regex",
        "a regular expression does not compile",
        "The expression is well-formed, but cannot be turned into what is searched with, because it \
         repeats too much. The rule is not loaded.",
    ),
    (
        "kafka-section",
        "a part of the `kafka` section does not count",
        "`outputTopic` of the section is a text and a name of a topic: letters, digits, `.`, `_` and `-`. \
         `customFields` is a mapping of at most 10,000 bytes. The rule is in force without what is \
         mistaken: its detections go where all others do, or lack the fields.",
    ),
    (
        "no-rule",
        "a record of the topic of rules has no rule",
        "Nothing of it is in force. Delete the record with a tombstone, which `sigmund rules publish --prune` \
         writes too, or write a Sigma rule.",
    ),
    (
        "output-topic",
        "detections would go to a topic that is not for them",
        "The topic is one that the service reads, or one that it keeps for itself: its own detections \
         would be events again, or be taken for its state. It is named by `outputTopic` of the rule, or by a \
         placeholder of a template under `detections`. The rule is left out; the others run.",
    ),
];

#[cfg(test)]
mod tests {
    use super::CODES;

    /// All that make diagnostics beside the crate of the language.
    #[test]
    fn codes_are_explained_and_made() {
        let made = [
            include_str!("../../engine/src/ruleset.rs"),
            include_str!("loading.rs"),
            include_str!("outlets.rs"),
        ]
        .concat();
        for (code, _, _) in CODES {
            assert!(made.contains(&format!("\"{code}\"")), "nothing makes `{code}`");
            assert_eq!(sigmund_sigma::lint::explain(code), None, "`{code}` is explained twice");
        }
        let words = made.split("Diagnostic::").skip(1).filter_map(|rest| rest.split('"').nth(1));
        let codes = words.filter(|word| word.contains('-') && !word.contains(' '));
        for code in codes {
            let is_ours = CODES.iter().any(|(known, _, _)| *known == code);
            assert!(is_ours || sigmund_sigma::lint::explain(code).is_some(), "{code}");
        }
    }
}
