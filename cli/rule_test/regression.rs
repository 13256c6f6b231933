//! SigmaHQ's regression tests: a rule names an `info.yml` by `regression_tests_path`, which names event logs. Beside
//! each EVTX file there is the same as JSON; the rule must match at least `match_count` events of both.

use super::{Clock, Count, Tested, Verdict, read_file, reader};
use crate::args::LogOptions;
use crate::plan;
use crate::render::line;
use crate::sources;
use serde::Deserialize;
use sigmund_stream::reading::Reading;
use sigmund_stream::rules::Rules;
use std::path::{Path, PathBuf};

const KEY: &str = "regression_tests_path";

#[derive(Debug, Deserialize)]
struct Info {
    #[serde(default)]
    regression_tests_info: Option<Vec<Case>>,
}

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    match_count: Option<u64>,
    /// From the root of the repository.
    path: PathBuf,
}

/// Whether a rule's text names regression data.
pub(super) fn is_named_in(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        line.strip_prefix(KEY.as_bytes())
            .is_some_and(|rest| rest.trim_ascii_start().first() == Some(&b':'))
    })
}

/// Runs the tests of rule files.
pub(super) fn run(files: &[PathBuf], options: &LogOptions) -> anyhow::Result<Vec<Tested>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let reading = plan::reading(options)?;
    let loader = plan::loader(&[], &[])?;
    let read = sources::read(files);
    let rules = Rules::compile(&loader, &read.texts, &|_| true, &reading.routing);
    let mut tested = Vec::new();
    for file in files {
        let name = file.to_string_lossy();
        let mut loaded = false;
        for (index, card) in (0u32..).zip(&rules.cards) {
            let metadata = &card.rule.metadata;
            if *metadata.source != *name {
                continue;
            }
            loaded = true;
            let Some((_, info)) = metadata.custom.iter().find(|(key, _)| key == KEY) else {
                continue;
            };
            for (case, verdict) in cases(file, Path::new(info), index, &rules, &reading) {
                tested.push(Tested {
                    file: name.clone().into_owned(),
                    name: case,
                    verdict,
                    why: String::new(),
                });
            }
        }
        if !loaded {
            let error = rules.diagnostics.iter().find(|finding| *finding.source == *name);
            let nothing = || "it holds no rule".to_owned();
            let reason = error.map_or_else(nothing, |error| line(&read.texts, error));
            let verdict = Verdict::Broken(format!("does not load: {reason}"));
            tested.push(Tested {
                file: name.into_owned(),
                name: "(rule)".to_owned(),
                verdict,
                why: String::new(),
            });
        }
    }
    Ok(tested)
}

/// The tests of one rule.
fn cases(
    file: &Path,
    info: &Path,
    rule: u32,
    rules: &Rules,
    reading: &Reading,
) -> Vec<(String, Verdict)> {
    let whole = |verdict| vec![("(regression data)".to_owned(), verdict)];
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let Some(root) = file.ancestors().skip(1).find(|root| root.join(info).is_file()) else {
        return whole(Verdict::Absent(format!("`{}` is not there", info.display())));
    };
    let content: Info = match std::fs::read_to_string(root.join(info))
        .map_err(|error| error.to_string())
        .and_then(|text| serde_yaml::from_str(&text).map_err(|error| error.to_string()))
    {
        Ok(content) => content,
        Err(problem) => {
            return whole(Verdict::Broken(format!("cannot read `{}`: {problem}", info.display())));
        }
    };
    let cases = content.regression_tests_info.unwrap_or_default();
    if cases.is_empty() {
        return whole(Verdict::Absent(format!("`{}` names no test", info.display())));
    }
    cases
        .into_iter()
        .map(|case| (case.name.clone(), verdict(&case, root, rule, rules, reading)))
        .collect()
}

fn verdict(case: &Case, root: &Path, rule: u32, rules: &Rules, reading: &Reading) -> Verdict {
    let log = root.join(&case.path);
    let logs: Vec<PathBuf> =
        [log.clone(), log.with_extension("json")].into_iter().filter(|log| log.is_file()).collect();
    if logs.is_empty() {
        return Verdict::Absent(format!("`{}` is not there", case.path.display()));
    }
    let least = case.match_count.unwrap_or(1);
    let mut differences = Vec::new();
    let mut seen = Vec::new();
    for log in logs {
        if seen.contains(&log) {
            continue;
        }
        let clock = Clock::default();
        let mut count = Count::new(rules, &clock);
        if let Err(problem) = read_file(&log, reading, &mut reader(rules), &mut count) {
            return Verdict::Broken(problem);
        }
        let times = count.matches.get(&rule).copied().unwrap_or(0);
        if times < least {
            let kind = log.extension().unwrap_or_default().to_string_lossy();
            let events = count.events;
            differences.push(format!("{kind}: matched {times} of {events} events, not {least}"));
        }
        seen.push(log);
    }
    if differences.is_empty() { Verdict::Passed } else { Verdict::Failed(differences.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::is_named_in;

    #[test]
    fn comments_name_nothing() {
        assert!(is_named_in(b"title: x\nregression_tests_path: a/info.yml\n"));
        assert!(!is_named_in(b"# regression_tests_path: a/info.yml\n"));
        assert!(!is_named_in(b"title: regression_tests_path\n"));
    }
}
