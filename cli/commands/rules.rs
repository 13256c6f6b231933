//! `sigmund rules`: look at rules, and hand them to services.

mod publish;
mod tree;

use super::Status;
use crate::args::{ListFormat, RuleFilter, RulesCommand, RulesList, RulesShow};
use crate::encode::{csv, pretty_json, shortened};
use crate::plan::Loaded;
use crate::printer::Printer;
use crate::{correlation_text, rule_fields, rule_text};
use serde_json::json;
use sigmund_engine::Routing;
use sigmund_sigma::condition::Condition;
use sigmund_sigma::filter::AppliedFilter;
use sigmund_sigma::rule::Metadata;
use sigmund_sigma::{Correlation, Item, Rule, Search, Selection};
use sigmund_stream::encode::{RuleCard, Subject, is_called, level_name, status_name};
use sigmund_stream::rules::Rules;
use sigmund_stream::words::{plural, visible};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufWriter, Write};

pub(super) fn run(args: &RulesCommand, printer: &Printer) -> anyhow::Result<Status> {
    match args {
        RulesCommand::List(args) => list(args, printer),
        RulesCommand::Fields(args) => fields(args, printer),
        RulesCommand::Show(args) => show(args, printer),
        RulesCommand::Publish(args) => publish::run(args, printer),
    }
}

fn load(args: &RulesList, printer: &Printer) -> anyhow::Result<Loaded> {
    let loaded = Loaded::new(&args.rules, &args.filter, &Routing::default())?;
    loaded.report(printer)?;
    Ok(loaded)
}

fn status(loaded: &Loaded) -> Status {
    let unread = !loaded.files.unreadable.is_empty();
    if unread || loaded.rules.is_broken() { Status::Failure } else { Status::Success }
}

fn list(args: &RulesList, printer: &Printer) -> anyhow::Result<Status> {
    let loaded = load(args, printer)?;
    let rules = &loaded.rules;
    let row = |metadata: &Metadata, id: &str, logsource: String| {
        vec![
            id.to_owned(),
            metadata.level.map_or("", level_name).to_owned(),
            metadata.status.map_or("", status_name).to_owned(),
            logsource,
            metadata.title.clone(),
            metadata.tags.join(" "),
            metadata.source.to_string(),
        ]
    };
    let mut rows: Vec<Vec<String>> = rules
        .reporting()
        .map(|(_, card)| {
            let id = Subject::Rule(card).id();
            row(&card.rule.metadata, id, card.rule.logsource.to_string())
        })
        .collect();
    let single = rows.len();
    let correlations: Vec<&Correlation> = tree::reporting(rules).collect();
    let mut header = vec!["id", "level", "status", "logsource", "title", "tags", "path"];
    let mut out = BufWriter::new(printer.stdout());
    match args.format {
        ListFormat::Table => {
            if single > 0 || correlations.is_empty() {
                write_rows(&mut out, args.format, &header, &rows, printer.width())?;
            }
            if !correlations.is_empty() {
                let gap = if single > 0 { "\n" } else { "" };
                writeln!(out, "{gap}CORRELATIONS")?;
                tree::write(&mut out, rules, printer.width())?;
            }
        }
        ListFormat::Json => {
            let mut objects = objects(&header, &rows);
            for correlation in &correlations {
                let metadata = &correlation.metadata;
                let cells = row(metadata, identity(metadata), String::new());
                let mut object = objects_of(&header, &cells);
                object.remove("logsource");
                object.insert("correlation".to_owned(), tree::json(rules, correlation));
                objects.push(serde_json::Value::Object(object));
            }
            writeln!(out, "{}", pretty_json(&objects.into()))?;
        }
        ListFormat::Csv => {
            header.push("correlation");
            rows.iter_mut().for_each(|row| row.push(String::new()));
            for correlation in &correlations {
                let metadata = &correlation.metadata;
                let mut cells = row(metadata, identity(metadata), String::new());
                cells.push(correlation_text::line(correlation));
                rows.push(cells);
            }
            write_rows(&mut out, args.format, &header, &rows, None)?;
        }
    }
    out.flush()?;
    let mut summary = plural(single as u64, "rule");
    if !correlations.is_empty() {
        summary.push_str(&format!(", {}", plural(correlations.len() as u64, "correlation")));
    }
    printer.say(&summary);
    Ok(status(&loaded))
}

/// The id, or where there is none the name or the title.
fn identity(metadata: &Metadata) -> &str {
    metadata.id.as_deref().or(metadata.name.as_deref()).unwrap_or(&metadata.title)
}

fn objects(header: &[&str], rows: &[Vec<String>]) -> Vec<serde_json::Value> {
    rows.iter().map(|row| serde_json::Value::Object(objects_of(header, row))).collect()
}

fn objects_of(header: &[&str], row: &[String]) -> serde_json::Map<String, serde_json::Value> {
    header.iter().zip(row).map(|(key, cell)| ((*key).to_owned(), json!(cell))).collect()
}

fn fields(args: &RulesList, printer: &Printer) -> anyhow::Result<Status> {
    let loaded = load(args, printer)?;
    let rules = &loaded.rules;
    let mut counts: BTreeMap<&str, (u64, BTreeMap<String, u64>)> = BTreeMap::new();
    let mut seen = HashSet::new();
    for (index, card) in (0..).zip(&rules.cards) {
        // An aggregation of version 1 with `near` is several rules with the same detection.
        if !seen.insert((&card.rule.metadata.source, card.rule.metadata.span)) {
            continue;
        }
        let mut read = rule_fields::of(&card.rule);
        read.extend(rules.correlations.fields_of(index));
        for field in read {
            let (count, sources) = counts.entry(field).or_default();
            *count += 1;
            *sources.entry(card.rule.logsource.to_string()).or_default() += 1;
        }
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let rows: Vec<Vec<String>> = sorted
        .into_iter()
        .map(|(field, (count, sources))| {
            let mut sources: Vec<(String, u64)> = sources.into_iter().collect();
            sources.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let sources: Vec<String> = sources.into_iter().map(|(source, _)| source).collect();
            vec![field.to_owned(), count.to_string(), sources.join(" ")]
        })
        .collect();
    let mut out = BufWriter::new(printer.stdout());
    write_rows(&mut out, args.format, &["field", "rules", "logsources"], &rows, printer.width())?;
    out.flush()?;
    Ok(status(&loaded))
}

fn write_rows(
    out: &mut dyn Write,
    format: ListFormat,
    header: &[&str],
    rows: &[Vec<String>],
    width: Option<usize>,
) -> io::Result<()> {
    match format {
        ListFormat::Json => {
            writeln!(out, "{}", pretty_json(&objects(header, rows).into()))
        }
        ListFormat::Csv => {
            let mut text = header.join(",").into_bytes();
            text.push(b'\n');
            for row in rows {
                for (index, cell) in row.iter().enumerate() {
                    if index > 0 {
                        text.push(b',');
                    }
                    csv::cell(cell, &mut text);
                }
                text.push(b'\n');
            }
            out.write_all(&text)
        }
        ListFormat::Table => {
            let mut shown: Vec<Vec<String>> =
                vec![header.iter().map(|name| name.to_uppercase()).collect()];
            shown.extend(
                rows.iter()
                    .map(|row| row.iter().map(|cell| visible(cell, false).into_owned()).collect()),
            );
            write_table(out, header, &shown, width)
        }
    }
}

/// What a narrow terminal does without, the first first; what is left is cut.
const DISPENSABLE: &[&str] = &["tags", "path", "id", "status"];

fn write_table(
    out: &mut dyn Write,
    header: &[&str],
    rows: &[Vec<String>],
    width: Option<usize>,
) -> io::Result<()> {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut columns: Vec<usize> = (0..header.len()).collect();
    if let Some(width) = width {
        let needed = |columns: &[usize]| columns.iter().map(|at| widths[*at] + 2).sum::<usize>();
        for name in DISPENSABLE {
            if needed(&columns) <= width + 2 {
                break;
            }
            columns.retain(|at| header[*at] != *name);
        }
    }
    for row in rows {
        let mut line = String::new();
        for at in &columns {
            line.push_str(&row[*at]);
            line.extend(std::iter::repeat_n(' ', widths[*at] - row[*at].chars().count() + 2));
        }
        let line = line.trim_end();
        match width {
            Some(width) => writeln!(out, "{}", shortened(line, width))?,
            None => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

fn show(args: &RulesShow, printer: &Printer) -> anyhow::Result<Status> {
    let Loaded { rules, .. } =
        Loaded::new(&args.rules, &RuleFilter::default(), &Routing::default())?;
    let mut out = BufWriter::new(printer.stdout());
    let mut missing = false;
    for subject in &args.subjects {
        let mut any = false;
        let correlations = rules.alert_cards.iter().map(|card| &*card.correlation);
        let called = |correlation: &&Correlation| is_called(&correlation.metadata, subject);
        for correlation in correlations.filter(called) {
            any = true;
            write_correlation(&mut out, &rules, correlation, printer.width())?;
        }
        let of_aggregation =
            |card: &&RuleCard| users(&rules, card).any(|correlation| correlation.legacy);
        for card in rules.cards.iter().filter(|card| card.is_called(subject)) {
            // Shown with the correlation that the rule is outside.
            if any && of_aggregation(&card) {
                continue;
            }
            any = true;
            write_card(&mut out, &rules, card)?;
        }
        if !any {
            missing = true;
            printer.error(&format!(
                "no rule is called `{subject}`: `sigmund rules list` shows ids and titles"
            ));
        }
    }
    out.flush()?;
    Ok(if missing { Status::Failure } else { Status::Success })
}

/// The correlations that refer to a rule.
fn users<'a>(rules: &'a Rules, card: &'a RuleCard) -> impl Iterator<Item = &'a Correlation> {
    let metadata = &card.rule.metadata;
    let correlations = rules.alert_cards.iter().map(|card| &*card.correlation);
    correlations.filter(|correlation| {
        let mut names = metadata.id.iter().chain(&metadata.name);
        names.any(|name| correlation.rules.iter().any(|reference| reference.name == *name))
    })
}

/// A line of a card.
fn line(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    match text {
        "" => Ok(()),
        text => writeln!(out, "  {name:12} {}", visible(text, false)),
    }
}

/// Title and attributes. `kind` is a line that says what it is for.
fn write_head(out: &mut dyn Write, metadata: &Metadata, kind: (&str, &str)) -> io::Result<()> {
    writeln!(out, "\u{1b}[1m{}\u{1b}[0m", visible(&metadata.title, false))?;
    line(out, "id", metadata.id.as_deref().unwrap_or(""))?;
    line(out, "name", metadata.name.as_deref().unwrap_or(""))?;
    line(out, "level", metadata.level.map_or("", level_name))?;
    line(out, "status", metadata.status.map_or("", status_name))?;
    line(out, kind.0, kind.1)?;
    line(out, "tags", &metadata.tags.join(" "))?;
    line(out, "author", metadata.author.as_deref().unwrap_or(""))?;
    line(out, "file", &metadata.source)
}

fn write_description(out: &mut dyn Write, metadata: &Metadata) -> io::Result<()> {
    for text in metadata.description.iter().flat_map(|text| text.lines()) {
        writeln!(out, "  {}", visible(text, false))?;
    }
    Ok(())
}

fn write_card(out: &mut dyn Write, rules: &Rules, card: &RuleCard) -> io::Result<()> {
    let rule = &card.rule;
    write_head(out, &rule.metadata, ("log source", &rule.logsource.to_string()))?;
    let fields: Vec<&str> = rule_fields::of(rule).into_iter().collect();
    line(out, "fields", &fields.join(", "))?;
    for correlation in users(rules, card) {
        line(out, "used by", &correlation.metadata.title)?;
    }
    if rule.silent {
        line(out, "reports", "nothing itself: only what uses it does")?;
    }
    write_description(out, &rule.metadata)?;
    write_detection(out, rule)?;
    writeln!(out)
}

fn write_detection(out: &mut dyn Write, rule: &Rule) -> io::Result<()> {
    write_selections(out, &rule.selections, &rule.conditions)?;
    // What must hold besides.
    for search in &rule.added {
        writeln!(out, "  \u{1b}[1mand, by a pipeline\u{1b}[0m")?;
        write_search(out, search, 4)?;
    }
    for AppliedFilter(filter) in &rule.filters {
        let title = visible(&filter.metadata.title, false);
        writeln!(out, "  \u{1b}[1mand, by the filter {title}\u{1b}[0m")?;
        write_selections(out, &filter.selections, std::slice::from_ref(&filter.condition))?;
    }
    Ok(())
}

fn write_selections(
    out: &mut dyn Write,
    selections: &[Selection],
    conditions: &[Condition],
) -> io::Result<()> {
    for selection in selections {
        writeln!(out, "  \u{1b}[1m{}\u{1b}[0m", visible(&selection.name, false))?;
        write_search(out, &selection.search, 4)?;
    }
    for condition in conditions {
        writeln!(out, "  condition    {}", rule_text::condition(condition, selections))?;
    }
    Ok(())
}

/// A correlation in words, with what it refers to.
fn write_correlation(
    out: &mut dyn Write,
    rules: &Rules,
    correlation: &Correlation,
    width: Option<usize>,
) -> io::Result<()> {
    let metadata = &correlation.metadata;
    write_head(out, metadata, ("correlation", &correlation_text::line(correlation)))?;
    write_description(out, metadata)?;
    let mut text = correlation_text::sentence(correlation);
    if !correlation.group_by.is_empty() {
        text.push_str(" Hits without one of the fields of the group do not count.");
    }
    if correlation_text::decided_late(correlation) {
        text.push_str(
            " It is decided when the window closes, which the first hit of a group opens.",
        );
    }
    let own = if correlation.generate {
        "report on their own as well"
    } else {
        "report nothing themselves"
    };
    text.push_str(&format!(" The rules below {own}."));
    if correlation.legacy {
        text.push_str(
            " This is an aggregation of Sigma version 1; `sigmund check` shows its modern form.",
        );
    }
    for text in wrapped(&text, width.unwrap_or(100).saturating_sub(2).max(20)) {
        writeln!(out, "  {}", visible(&text, false))?;
    }
    for (alias, fields) in &correlation.aliases {
        let fields: Vec<String> =
            fields.iter().map(|(rule, field)| format!("{field} of {rule}")).collect();
        line(out, "alias", &format!("{alias} is {}", fields.join(", ")))?;
    }
    tree::write_references(out, rules, correlation, "  ", width)?;
    if correlation.legacy
        && let Some(first) = correlation.rules.first()
        && let Some(tree::Target::Rule(rule)) = tree::target(rules, &first.name)
    {
        write_detection(out, rule)?;
    }
    writeln!(out)
}

/// Lines of at most `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn write_search(out: &mut dyn Write, search: &Search, indent: usize) -> io::Result<()> {
    match search {
        Search::Any(parts) => {
            for (index, part) in parts.iter().enumerate() {
                let word = if index == 0 { "one of" } else { "or" };
                writeln!(out, "{:indent$}{word}", "")?;
                write_search(out, part, indent + 2)?;
            }
            Ok(())
        }
        Search::All(items) => items.iter().try_for_each(|item| write_item(out, item, indent)),
    }
}

fn write_item(out: &mut dyn Write, item: &Item, indent: usize) -> io::Result<()> {
    let field = item.field.as_deref().unwrap_or("(keywords)");
    let word = match (item.negated, item.all) {
        (false, false) => "",
        (false, true) => " all of",
        (true, false) => " none of",
        (true, true) => " not all of",
    };
    writeln!(out, "{:indent$}{}{word}", "", visible(field, false))?;
    for matcher in &item.matchers {
        let text = rule_text::matcher(matcher);
        writeln!(out, "{:indent$}  {}", "", visible(&text, false))?;
    }
    Ok(())
}
