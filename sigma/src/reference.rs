//! References of correlations to rules and to each other, by id or name.

use crate::suggestion::did_you_mean;
use crate::{Correlation, Diagnostic, Rule};
use ahash::{AHashMap, AHashSet};

/// A correlation or error with the index of its source.
type FromSource<T> = (usize, T);

/// Keeps the correlations all of whose references lead to something that loaded, without cycles.
pub(crate) fn resolve(
    correlations: Vec<FromSource<Correlation>>,
    rules: &[Rule],
    refused: &AHashSet<String>,
) -> (Vec<Correlation>, Vec<FromSource<Diagnostic>>) {
    if correlations.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let names = |metadata: &crate::rule::Metadata| -> Vec<String> {
        metadata.id.iter().chain(&metadata.name).cloned().collect()
    };
    let known: AHashSet<String> = rules.iter().flat_map(|rule| names(&rule.metadata)).collect();
    let mut by_name: AHashMap<String, usize> = AHashMap::new();
    for (at, (_, correlation)) in correlations.iter().enumerate() {
        for name in names(&correlation.metadata) {
            by_name.entry(name).or_insert(at);
        }
    }
    // For each correlation, the correlations it refers to.
    let mut edges: Vec<Vec<usize>> = vec![Vec::new(); correlations.len()];
    let mut errors: Vec<FromSource<Diagnostic>> = Vec::new();
    let mut bad = vec![false; correlations.len()];
    for (at, (source, correlation)) in correlations.iter().enumerate() {
        for reference in &correlation.rules {
            let name = &reference.name;
            if known.contains(name) {
                continue;
            }
            if let Some(&other) = by_name.get(name) {
                edges[at].push(other);
                continue;
            }
            bad[at] = true;
            let error = if refused.contains(name) {
                Diagnostic::error(
                    "unresolved-reference",
                    reference.span,
                    format!("rule `{name}` did not load"),
                )
                .with_help("mend the errors of that rule first")
            } else {
                // Each comparison costs; nobody reads the help of the hundredth such error.
                let looked_at = if errors.len() < 100 { 20_000 } else { 0 };
                let candidates = rules.iter().map(|rule| &rule.metadata);
                let candidates = candidates.chain(correlations.iter().map(|(_, c)| &c.metadata));
                let candidates = candidates.take(looked_at);
                // Of ids only one in other case can be meant.
                let same = candidates
                    .clone()
                    .filter_map(|metadata| metadata.id.as_deref())
                    .find(|id| id.eq_ignore_ascii_case(name));
                let near = candidates.filter_map(|metadata| metadata.name.as_deref());
                let help = did_you_mean(name, same.into_iter().chain(near), || {
                    "refer to the `id` or `name` of a rule that is loaded together with this one"
                        .to_owned()
                });
                Diagnostic::error(
                    "unresolved-reference",
                    reference.span,
                    format!("no rule has the id or name `{name}`"),
                )
                .with_help(help)
            };
            errors.push((*source, error));
        }
    }
    for at in cyclic(&edges) {
        let (source, correlation) = &correlations[at];
        bad[at] = true;
        let span = correlation.rules.first().map_or(correlation.metadata.span, |rule| rule.span);
        errors.push((
            *source,
            Diagnostic::error(
                "cyclic-reference",
                span,
                format!("correlation `{}` refers to itself", correlation.metadata.title),
            )
            .with_help("a correlation can only use rules that do not depend on it"),
        ));
    }
    // What refers to something bad is bad too.
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); correlations.len()];
    for (at, targets) in edges.iter().enumerate() {
        for &target in targets {
            users[target].push(at);
        }
    }
    let mut pending: Vec<usize> = (0..correlations.len()).filter(|&at| bad[at]).collect();
    while let Some(target) = pending.pop() {
        for &at in &users[target] {
            if std::mem::replace(&mut bad[at], true) {
                continue;
            }
            pending.push(at);
            let (source, correlation) = &correlations[at];
            let title = &correlations[target].1.metadata.title;
            errors.push((
                *source,
                Diagnostic::error(
                    "unresolved-reference",
                    correlation.rules.first().map_or(correlation.metadata.span, |rule| rule.span),
                    format!("correlation `{title}` did not load"),
                )
                .with_help("mend the errors of that correlation first"),
            ));
        }
    }
    let sound = correlations.into_iter().zip(bad).filter(|(_, bad)| !bad);
    (sound.map(|((_, correlation), _)| correlation).collect(), errors)
}

/// The nodes on cycles (and on ways from one cycle to another), in order. Iterative, since chains
/// may be long.
fn cyclic(edges: &[Vec<usize>]) -> Vec<usize> {
    // The others can be taken away one by one from the two ends of the graph.
    let mut alive = vec![true; edges.len()];
    let mut incoming: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (from, targets) in edges.iter().enumerate() {
        for &to in targets {
            incoming[to].push(from);
        }
    }
    for (forward, backward) in [(edges, incoming.as_slice()), (incoming.as_slice(), edges)] {
        let mut degree: Vec<usize> = forward
            .iter()
            .map(|targets| targets.iter().filter(|&&target| alive[target]).count())
            .collect();
        let mut ends: Vec<usize> =
            (0..edges.len()).filter(|&at| alive[at] && degree[at] == 0).collect();
        while let Some(end) = ends.pop() {
            alive[end] = false;
            for &other in &backward[end] {
                if alive[other] {
                    degree[other] -= 1;
                    if degree[other] == 0 {
                        ends.push(other);
                    }
                }
            }
        }
    }
    (0..edges.len()).filter(|&at| alive[at]).collect()
}

/// Marks rules that a correlation without `generate` uses (semantics section 13.8).
pub(crate) fn silence(rules: &mut [Rule], correlations: &[Correlation]) {
    let used: AHashSet<&str> = correlations
        .iter()
        .filter(|correlation| !correlation.generate)
        .flat_map(|correlation| correlation.rules.iter().map(|reference| &*reference.name))
        .collect();
    if used.is_empty() {
        return;
    }
    for rule in rules {
        let named = |name: &Option<String>| name.as_deref().is_some_and(|name| used.contains(name));
        if named(&rule.metadata.id) || named(&rule.metadata.name) {
            rule.silent = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_found_without_their_surroundings() {
        assert_eq!(cyclic(&[vec![1], vec![2], vec![1], vec![0]]), [1, 2]);
        assert_eq!(cyclic(&[vec![0]]), [0]);
        assert!(cyclic(&[vec![1, 2], vec![2], vec![]]).is_empty());
        let chain: Vec<Vec<usize>> = (0..100_000).map(|at| vec![(at + 1) % 100_000]).collect();
        assert_eq!(cyclic(&chain).len(), 100_000);
    }

    /// Messages with the text at their place, and the titles of the correlations that load.
    fn found(documents: &[&str]) -> (Vec<(String, String)>, Vec<String>) {
        let rule = "title: Good\nid: 6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d\nname: good\nlogsource: {product: p}\n\
                    detection: {sel: {a: b}, condition: sel}\n---\n\
                    title: Bad\nname: bad\nlogsource: {product: p}\n\
                    detection: {sel: {a: b}, condition: gone}\n";
        let mut text = rule.to_owned();
        for (title, rules) in ["A", "B", "C"].into_iter().zip(documents) {
            let name = title.to_lowercase();
            text.push_str(&format!(
                "---\ntitle: {title}\nname: {name}\ncorrelation:\n    type: event_count\n    \
                 timespan: 5m\n    condition: {{gte: 2}}\n    rules: [{rules}]\n"
            ));
        }
        let source = crate::Source { name: "a.yml".into(), text: text.as_str().into() };
        let collection = crate::Loader::default().load(&[source]);
        let mut messages = Vec::new();
        for error in &collection.diagnostics {
            assert!(error.help.is_some());
            if error.code.ends_with("-reference") {
                let place = text[error.span.range()].to_owned();
                messages.push((error.message.clone(), place));
            }
        }
        let titles = collection.correlations.into_iter().map(|one| one.metadata.title).collect();
        (messages, titles)
    }

    fn messages(documents: &[&str]) -> Vec<String> {
        found(documents).0.into_iter().map(|(message, _)| message).collect()
    }

    #[test]
    fn references_must_lead_somewhere() {
        assert_eq!(found(&["good", "a, good"]), (vec![], vec!["A".to_owned(), "B".to_owned()]));
        let (errors, titles) = found(&["good, godo", "good"]);
        let expected = ("no rule has the id or name `godo`".to_owned(), "godo".to_owned());
        assert_eq!((errors, titles), (vec![expected], vec!["B".to_owned()]));
        assert_eq!(messages(&["bad"]), ["rule `bad` did not load"]);
        assert_eq!(
            messages(&["gone", "a", "b"]),
            [
                "no rule has the id or name `gone`",
                "correlation `A` did not load",
                "correlation `B` did not load"
            ]
        );
    }

    #[test]
    fn an_id_in_other_case_is_suggested() {
        let id = "6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d";
        let text = format!(
            "title: Good\nid: {id}\nlogsource: {{product: p}}\ndetection: {{s: {{a: b}}, condition: s}}\n---\n\
             title: C\ncorrelation: {{type: event_count, rules: [{}], timespan: 1m, condition: {{gte: 2}}}}\n",
            id.to_uppercase()
        );
        let source = crate::Source { name: "a.yml".into(), text: text.into() };
        let collection = crate::Loader::default().load(&[source]);
        let help = collection.diagnostics[0].help.as_deref();
        assert_eq!(help, Some(&*format!("did you mean `{id}`?")));
    }

    #[test]
    fn circles_are_refused() {
        let itself = |title: &str| format!("correlation `{title}` refers to itself");
        assert_eq!(messages(&["a"]), [itself("A")]);
        assert_eq!(messages(&["b, good", "c", "a"]), ["A", "B", "C"].map(itself));
        let (errors, titles) = found(&["b", "a", "good"]);
        assert_eq!(errors.len(), 2);
        assert_eq!(titles, ["C"]);
        assert_eq!(
            messages(&["b", "a", "b"]),
            [itself("A"), itself("B"), "correlation `B` did not load".to_owned()]
        );
    }
}
