//! SigmaHQ's regression events against all its active rules, by the plain evaluator.

use crate::json::read;
use crate::samples::shared;
use crate::{Stream, StreamInfo};
use sigmund_engine::oracle::Oracle;
use sigmund_engine::{Event, Record, Value};
use sigmund_sigma::{Loader, Source};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|have| have == ending) {
            found.push(path);
        }
    }
}

fn events(bytes: &[u8]) -> Vec<Event> {
    let info = StreamInfo::new("", 0);
    let mut stream = Stream::open(info, bytes, None);
    let mut record = Record::new(Arc::default());
    let mut events = Vec::new();
    stream.read(bytes, true, &mut record, &mut |mut framed| {
        assert_eq!(framed.format, "json");
        events.push(framed.event());
    });
    events
}

#[test]
fn all_rules_on_all_cases_give_the_known_detections() {
    let Some(corpus) = shared().map(|root| root.join("corpus/sigmahq")) else { return };
    let mut rules = Vec::new();
    for folder in ["rules", "rules-emerging-threats", "rules-threat-hunting"] {
        files(&corpus.join(folder), "yml", &mut rules);
    }
    let sources: Vec<Source> = rules
        .iter()
        .map(|path| Source {
            name: path.to_string_lossy().into(),
            text: String::from_utf8_lossy(&std::fs::read(path).unwrap()).into(),
        })
        .collect();
    let collection = Loader::default().load(&sources);
    let rules: Vec<(&str, Oracle)> = collection
        .rules
        .iter()
        .map(|rule| (rule.metadata.id.as_deref().unwrap_or(""), Oracle::new(rule).unwrap()))
        .collect();

    let mut cases = Vec::new();
    files(&corpus.join("regression_data"), "json", &mut cases);
    let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
    for path in &cases {
        let case = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        for event in events(&std::fs::read(path).unwrap()) {
            assert!(!event.route.log_sources.is_empty(), "{}", path.display());
            assert!(event.time.is_some(), "{}", path.display());
            for (id, rule) in &rules {
                if rule.sees(&event.route) && rule.matches(&event) {
                    *found.entry((case.clone(), (*id).to_owned())).or_default() += 1;
                }
            }
        }
    }

    let golden = std::fs::read(corpus.join("regression_golden.json")).unwrap();
    let Value::Array(golden) = read::value(&golden).unwrap().value else { panic!() };
    let expected: BTreeMap<(String, String), u64> = golden
        .iter()
        .map(|line| match line {
            Value::Array(line) => match line.as_slice() {
                [Value::Text(case), Value::Text(id), Value::Number(count)] => {
                    ((case.to_string(), id.to_string()), count.parse().unwrap())
                }
                _ => panic!(),
            },
            _ => panic!(),
        })
        .collect();
    let missing: Vec<_> =
        expected.iter().filter(|(key, count)| found.get(*key) != Some(count)).collect();
    let extra: Vec<_> =
        found.iter().filter(|(key, count)| expected.get(*key) != Some(count)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nextra: {extra:#?}");
}
