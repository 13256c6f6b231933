//! `sigmund rules`: look at the loaded rules.

use super::Status;
use crate::args::{ListFormat, RuleFilter, RulesCommand, RulesList, RulesShow};
use crate::encode::{RuleCard, Subject, csv, level_name, shortened, status_name};
use crate::plan::Rules;
use crate::printer::{Printer, visible};
use crate::{rule_fields, rule_text};
use serde_json::json;
use sigmund_engine::Routing;
use sigmund_sigma::{Item, Search};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

pub(super) fn run(args: &RulesCommand, printer: &Printer) -> anyhow::Result<Status> {
    match args {
        RulesCommand::List(args) => list(args, printer),
        RulesCommand::Fields(args) => fields(args, printer),
        RulesCommand::Show(args) => show(args, printer),
    }
}

fn load(args: &RulesList, printer: &Printer) -> anyhow::Result<Rules> {
    let rules = Rules::load(&args.rules, &args.filter, &Routing::default())?;
    rules.report(printer)?;
    Ok(rules)
}

fn status(rules: &Rules) -> Status {
    let unread = !rules.sources.unreadable.is_empty();
    if unread || rules.is_broken() { Status::Failure } else { Status::Success }
}

fn list(args: &RulesList, printer: &Printer) -> anyhow::Result<Status> {
    let rules = load(args, printer)?;
    let rows: Vec<Vec<String>> = rules
        .reporting()
        .map(|(_, card)| {
            let metadata = &card.rule.metadata;
            vec![
                Subject::Rule(card).id().to_owned(),
                metadata.level.map_or("", level_name).to_owned(),
                metadata.status.map_or("", status_name).to_owned(),
                card.rule.logsource.to_string(),
                metadata.title.clone(),
                metadata.tags.join(" "),
                metadata.source.to_string(),
            ]
        })
        .collect();
    let header = ["id", "level", "status", "logsource", "title", "tags", "path"];
    let mut out = BufWriter::new(printer.stdout());
    write_rows(&mut out, args.format, &header, &rows, printer.width())?;
    out.flush()?;
    printer.say(&format!("{} rules", rules.reporting().count()));
    Ok(status(&rules))
}

fn fields(args: &RulesList, printer: &Printer) -> anyhow::Result<Status> {
    let rules = load(args, printer)?;
    let mut counts: BTreeMap<&str, (u64, BTreeMap<String, u64>)> = BTreeMap::new();
    for (_, card) in rules.reporting() {
        for field in rule_fields::of(&card.rule) {
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
    Ok(status(&rules))
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
            let objects: Vec<serde_json::Value> = rows
                .iter()
                .map(|row| {
                    header
                        .iter()
                        .zip(row)
                        .map(|(key, cell)| ((*key).to_owned(), json!(cell)))
                        .collect()
                })
                .collect();
            serde_json::to_writer_pretty(&mut *out, &objects)?;
            writeln!(out)
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
    let rules = Rules::load(&args.rules, &RuleFilter::default(), &Routing::default())?;
    let mut out = BufWriter::new(printer.stdout());
    let mut missing = false;
    for subject in &args.subjects {
        let mut any = false;
        for card in rules.cards.iter().filter(|card| card.is_called(subject)) {
            any = true;
            write_card(&mut out, card)?;
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

fn write_card(out: &mut dyn Write, card: &RuleCard) -> io::Result<()> {
    let rule = &card.rule;
    let metadata = &rule.metadata;
    writeln!(out, "\u{1b}[1m{}\u{1b}[0m", visible(&metadata.title, false))?;
    let line = |out: &mut dyn Write, name: &str, text: &str| match text {
        "" => Ok(()),
        text => writeln!(out, "  {name:12} {}", visible(text, false)),
    };
    line(out, "id", metadata.id.as_deref().unwrap_or(""))?;
    line(out, "name", metadata.name.as_deref().unwrap_or(""))?;
    line(out, "level", metadata.level.map_or("", level_name))?;
    line(out, "status", metadata.status.map_or("", status_name))?;
    line(out, "log source", &rule.logsource.to_string())?;
    line(out, "tags", &metadata.tags.join(" "))?;
    line(out, "author", metadata.author.as_deref().unwrap_or(""))?;
    line(out, "file", &metadata.source)?;
    let fields: Vec<&str> = rule_fields::of(rule).into_iter().collect();
    line(out, "fields", &fields.join(", "))?;
    for text in metadata.description.iter().flat_map(|text| text.lines()) {
        writeln!(out, "  {}", visible(text, false))?;
    }
    for selection in &rule.selections {
        writeln!(out, "  \u{1b}[1m{}\u{1b}[0m", visible(&selection.name, false))?;
        write_search(out, &selection.search, 4)?;
    }
    for condition in &rule.conditions {
        writeln!(out, "  condition    {}", rule_text::condition(condition, rule))?;
    }
    writeln!(out)
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
