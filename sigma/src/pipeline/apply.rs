//! Running a pipeline on a rule or a correlation.

use super::condition::Subject;
use super::transformation::{HashesFields, PlaceholderNames, Transformation};
use super::{Pipeline, ProcessingItem, State, value};
use crate::condition::Condition;
use crate::diagnostic::Diagnostic;
use crate::modifier::Modifier;
use crate::rule::{Item, Search};
use crate::value::{Scalar, canonical_number};
use crate::{Correlation, LogSource, Rule};

/// Combinations that fields mapped to several may make of one selection, and values that
/// placeholders may make of one item.
const MAX_COMBINATIONS: usize = 4_096;

pub(super) fn to_rule(
    pipeline: &Pipeline,
    rule: &mut Rule,
    state: &mut State,
) -> Result<(), Diagnostic> {
    state.vars.extend(pipeline.vars.iter().cloned());
    run(&pipeline.items, rule, state)
}

fn run(items: &[ProcessingItem], rule: &mut Rule, state: &mut State) -> Result<(), Diagnostic> {
    for item in items {
        if item.rule.open(|test| test.holds(&Subject::Rule(rule), state)) {
            step(item, rule, state)?;
            state.applied.extend(item.id.clone());
        }
    }
    Ok(())
}

fn step(step: &ProcessingItem, rule: &mut Rule, state: &mut State) -> Result<(), Diagnostic> {
    let failure = |message: &str| {
        Diagnostic::error("pipeline-failure", rule.metadata.span, message.to_owned())
            .with_help("change the rule, or the pipeline's item that refuses it")
    };
    match &step.transformation {
        Transformation::AddCondition { items, template, negated } => {
            rule.added.push(added_condition(items, *template, *negated, &rule.logsource));
        }
        Transformation::ChangeLogSource(logsource) => rule.logsource = logsource.clone(),
        Transformation::AddFields(fields) => rule.metadata.fields.extend(fields.iter().cloned()),
        Transformation::RemoveFields(fields) => {
            rule.metadata.fields.retain(|field| !fields.contains(field));
        }
        Transformation::SetFields(fields) => rule.metadata.fields.clone_from(fields),
        Transformation::SetState(key, value) => set(&mut state.values, key, value.clone()),
        Transformation::SetCustomAttribute(key, value) => {
            set(&mut rule.metadata.custom, key, value.clone());
        }
        Transformation::RuleFailure(message) => return Err(failure(message)),
        Transformation::StrictFieldMappingFailure => strict(rule, state)?,
        Transformation::Nest(items) => run(items, rule, state)?,
        transformation => {
            if is_field_mapping(transformation) {
                let fields = std::mem::take(&mut rule.metadata.fields);
                for field in fields {
                    let mapped = map_field(step, Some(&field), state);
                    rule.metadata.fields.extend(mapped.unwrap_or_else(|| vec![field]));
                }
            }
            every_item(rule, &mut |item| transform(step, item, state))?;
        }
    }
    Ok(())
}

fn set<V>(values: &mut Vec<(String, V)>, key: &str, value: V) {
    match values.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = value,
        None => values.push((key.to_owned(), value)),
    }
}

fn is_field_mapping(transformation: &Transformation) -> bool {
    matches!(
        transformation,
        Transformation::FieldNameMapping(_)
            | Transformation::FieldNamePrefixMapping(_)
            | Transformation::FieldNamePrefix(_)
            | Transformation::FieldNameSuffix(_)
    )
}

/// The added items as a search; `not` of an AND is an OR of negated items.
fn added_condition(items: &[Item], template: bool, negated: bool, logsource: &LogSource) -> Search {
    let mut items = items.to_vec();
    if template {
        let part = |part: &Option<Box<str>>| part.as_deref().unwrap_or("None").to_owned();
        let parts = [
            ("category", part(&logsource.category)),
            ("product", part(&logsource.product)),
            ("service", part(&logsource.service)),
        ];
        for value in items.iter_mut().flat_map(|item| &mut item.values) {
            if let Scalar::Text(text) = value {
                let mut filled = text.to_string();
                for (name, part) in &parts {
                    filled = filled.replace(&format!("${{{name}}}"), part);
                    filled = filled.replace(&format!("${name}"), part);
                }
                *text = filled.into();
            }
        }
    }
    if !negated {
        return Search::All(items);
    }
    Search::Any(items.into_iter().map(|item| Search::All(vec![opposite(item)])).collect())
}

/// The item negated by its modifier, which decides when modifiers are applied. `exists` stands alone,
/// so that its value changes.
fn opposite(mut item: Item) -> Item {
    if item.modifiers.contains(&Modifier::Exists) {
        for value in &mut item.values {
            if let Scalar::Bool(exists) = value {
                *exists = !*exists;
            }
        }
        return item;
    }
    match item.modifiers.iter().position(|modifier| *modifier == Modifier::Neq) {
        Some(at) => drop(item.modifiers.remove(at)),
        None => item.modifiers.push(Modifier::Neq),
    }
    item.negated = item.modifiers.contains(&Modifier::Neq);
    item
}

/// Every field of the rule must be known to a mapping.
fn strict(rule: &mut Rule, state: &State) -> Result<(), Diagnostic> {
    let mut unmapped: Vec<String> = Vec::new();
    let mut place = None;
    every_item(rule, &mut |item| {
        if let Some(field) = item.field.as_deref()
            && !state.mapped_fields.contains(field)
            && !unmapped.iter().any(|known| known == field)
        {
            unmapped.push(field.to_owned());
            place.get_or_insert(item.span);
        }
        Ok(Replaced::One(item))
    })?;
    let Some(place) = place else { return Ok(()) };
    let message = format!("fields without a mapping: `{}`", unmapped.join("`, `"));
    Err(Diagnostic::error("pipeline-failure", place, message)
        .with_help("map them in the pipeline, or drop `strict_field_mapping_failure`"))
}

/// What becomes of an item.
enum Replaced {
    One(Item),
    Nothing,
    /// One of these must match.
    Any(Vec<Item>),
    /// All of these must match.
    All(Vec<Item>),
}

type Change<'a> = dyn FnMut(Item) -> Result<Replaced, Diagnostic> + 'a;

/// Changes the items of the selections and of added conditions. Filters of the rule are not touched:
/// the loader runs pipelines over each of them with its own condition.
fn every_item(rule: &mut Rule, change: &mut Change<'_>) -> Result<(), Diagnostic> {
    let mut emptied = Vec::new();
    for (index, selection) in rule.selections.iter_mut().enumerate() {
        let search = std::mem::replace(&mut selection.search, Search::All(Vec::new()));
        match rewrite(search, change)? {
            Some(search) => selection.search = search,
            None => emptied.push(index),
        }
    }
    let mut added = Vec::new();
    for search in std::mem::take(&mut rule.added) {
        added.extend(rewrite(search, change)?);
    }
    rule.added = added;
    if !emptied.is_empty() {
        let conditions = std::mem::take(&mut rule.conditions);
        for condition in conditions {
            let Some(condition) = without(&condition, &emptied) else {
                let message = "nothing is left of the rule's condition";
                return Err(Diagnostic::error(
                    "pipeline-empties-rule",
                    rule.metadata.span,
                    message,
                )
                .with_help("drop fewer detection items in the pipeline"));
            };
            rule.conditions.push(condition);
        }
    }
    Ok(())
}

/// The search with its items changed; `None` if it had some and none is left. Since a mapping holds
/// items only, an item that becomes an OR multiplies the mapping out.
fn rewrite(search: Search, change: &mut Change<'_>) -> Result<Option<Search>, Diagnostic> {
    match search {
        Search::All(items) if items.is_empty() => Ok(Some(Search::All(items))),
        Search::All(items) => {
            let mut alternatives: Vec<Vec<Item>> = vec![Vec::with_capacity(items.len())];
            for item in items {
                let span = item.span;
                match change(item)? {
                    Replaced::Nothing => {}
                    Replaced::One(item) => {
                        for alternative in &mut alternatives {
                            alternative.push(item.clone());
                        }
                    }
                    Replaced::All(items) => {
                        for alternative in &mut alternatives {
                            alternative.extend(items.iter().cloned());
                        }
                    }
                    Replaced::Any(items) => {
                        if alternatives.len() * items.len() > MAX_COMBINATIONS {
                            let message = "fields that are mapped to several make more than \
                                           4096 combinations of this selection";
                            return Err(Diagnostic::error("pipeline-too-many", span, message)
                                .with_help("map to fewer fields, or split the selection"));
                        }
                        let extended = |alternative: &Vec<Item>| {
                            items
                                .iter()
                                .map(|item| {
                                    [alternative.as_slice(), std::slice::from_ref(item)].concat()
                                })
                                .collect::<Vec<_>>()
                        };
                        alternatives = alternatives.iter().flat_map(extended).collect();
                    }
                }
            }
            alternatives.retain(|alternative| !alternative.is_empty());
            Ok(match alternatives.pop() {
                None => None,
                Some(only) if alternatives.is_empty() => Some(Search::All(only)),
                Some(last) => {
                    alternatives.push(last);
                    Some(Search::Any(alternatives.into_iter().map(Search::All).collect()))
                }
            })
        }
        Search::Any(members) => {
            let mut left = Vec::with_capacity(members.len());
            for member in members {
                left.extend(rewrite(member, change)?);
            }
            Ok((!left.is_empty()).then_some(Search::Any(left)))
        }
    }
}

/// A condition without some of its selections, as if they had not been written.
fn without(condition: &Condition, emptied: &[usize]) -> Option<Condition> {
    let members = |members: &[Condition]| -> Vec<Condition> {
        members.iter().filter_map(|member| without(member, emptied)).collect()
    };
    match condition {
        Condition::And(all) => Some(members(all)).filter(|all| !all.is_empty()).map(Condition::And),
        Condition::Or(any) => Some(members(any)).filter(|any| !any.is_empty()).map(Condition::Or),
        Condition::Not(inner) => Some(Condition::Not(Box::new(without(inner, emptied)?))),
        Condition::Selection(index, _) => (!emptied.contains(index)).then(|| condition.clone()),
        Condition::Of { all, pattern, selections, span } => {
            let left: Vec<usize> =
                selections.iter().copied().filter(|index| !emptied.contains(index)).collect();
            // A pattern that found nothing in the first place stays as it was (choice C11).
            (!left.is_empty() || selections.is_empty()).then(|| Condition::Of {
                all: *all,
                pattern: pattern.clone(),
                selections: left,
                span: *span,
            })
        }
    }
}

fn negated(item: &Item) -> bool {
    item.negated || item.modifiers.contains(&Modifier::Neq)
}

fn linked_by_all(item: &Item) -> bool {
    item.all || item.modifiers.contains(&Modifier::All)
}

/// Several items in place of one that are an OR, unless the item is negated.
fn any_of(mut items: Vec<Item>, negated: bool) -> Replaced {
    match items.pop() {
        None => Replaced::Nothing,
        Some(only) if items.is_empty() => Replaced::One(only),
        Some(last) => {
            items.push(last);
            if negated { Replaced::All(items) } else { Replaced::Any(items) }
        }
    }
}

/// One item under an item transformation, if its conditions let it through.
fn transform(step: &ProcessingItem, item: Item, state: &mut State) -> Result<Replaced, Diagnostic> {
    let field = item.field.as_deref();
    let reaches = step.item.open(|test| test.holds(&item, state))
        // A mapping checks the fields it maps itself: the item's and those that `fieldref` names.
        && (is_field_mapping(&step.transformation)
            || step.field.open(|test| test.holds(field, state)));
    if !reaches {
        return Ok(Replaced::One(item));
    }
    let place = item.span;
    let before = (item.field.clone(), item.values.clone());
    let replaced = change(step, item, state)?;
    let applied = match &replaced {
        Replaced::One(item) => {
            (&item.field, &item.values) != (&before.0, &before.1)
                || matches!(step.transformation, Transformation::SetValue(_))
        }
        Replaced::Nothing | Replaced::Any(_) | Replaced::All(_) => true,
    };
    if let Some(id) = step.id.clone().filter(|_| applied) {
        state.applied_items.insert((place, id));
    }
    Ok(replaced)
}

fn change(
    step: &ProcessingItem,
    mut item: Item,
    state: &mut State,
) -> Result<Replaced, Diagnostic> {
    let is_sigma_text = !item.modifiers.contains(&Modifier::Re)
        && !item.modifiers.contains(&Modifier::Cidr)
        && !item.modifiers.contains(&Modifier::FieldRef);
    match &step.transformation {
        Transformation::DropDetectionItem => Ok(Replaced::Nothing),
        Transformation::DetectionItemFailure(message) => {
            Err(Diagnostic::error("pipeline-failure", item.span, message.clone())
                .with_help("change this item, or the pipeline's item that refuses it"))
        }
        Transformation::HashesFields(parameters) => hashes(parameters, item),
        Transformation::ValuePlaceholders(names) => {
            let vars = &state.vars;
            placeholders(item, names, &|name| {
                vars.iter().rev().find(|(known, _)| known == name).map(|(_, values)| values.clone())
            })
        }
        Transformation::WildcardPlaceholders(names) => {
            placeholders(item, names, &|_| Some(vec!["*".to_owned()]))
        }
        Transformation::ReplaceString { regex, replacement } => {
            if is_sigma_text {
                for value in &mut item.values {
                    let text = match value {
                        Scalar::Text(text) | Scalar::Number(text) => text,
                        Scalar::Bool(_) | Scalar::Null => continue,
                    };
                    let replaced = value::replace(text, regex, replacement);
                    if replaced != **text {
                        *value = Scalar::Text(replaced.into());
                    }
                }
            }
            Ok(Replaced::One(item))
        }
        Transformation::MapString(mapping) if is_sigma_text => Ok(each_value(item, |value| {
            let Scalar::Text(text) = &value else { return vec![value] };
            let plain = value::plain(text);
            match mapping.iter().find(|(from, _)| *from == plain) {
                Some((_, to)) => to.iter().map(|to| Scalar::Text(to.as_str().into())).collect(),
                None => vec![value],
            }
        })),
        Transformation::SetValue(value) => {
            item.values = vec![value.clone()];
            item.value_spans.truncate(1);
            Ok(Replaced::One(item))
        }
        Transformation::ConvertType { to_number } => {
            for (index, value) in item.values.iter_mut().enumerate() {
                match value {
                    Scalar::Number(text) if !to_number => *value = Scalar::Text(text.clone()),
                    Scalar::Text(text) if *to_number && is_sigma_text => {
                        let Some(number) = canonical_number(text) else {
                            let span = item.value_spans.get(index).copied().unwrap_or(item.span);
                            let message = format!("`{text}` cannot be converted to a number");
                            return Err(Diagnostic::error("pipeline-value", span, message)
                                .with_help("exclude this field from `convert_type`"));
                        };
                        *value = Scalar::Number(number);
                    }
                    _ => {}
                }
            }
            Ok(Replaced::One(item))
        }
        Transformation::Case { upper } if is_sigma_text => {
            for value in &mut item.values {
                if let Scalar::Text(text) = value {
                    let cased = if *upper { text.to_uppercase() } else { text.to_lowercase() };
                    *text = cased.into();
                }
            }
            Ok(Replaced::One(item))
        }
        transformation if is_field_mapping(transformation) => Ok(renamed(step, item, state)),
        _ => Ok(Replaced::One(item)),
    }
}

/// Replaces each value by some. Under `all`, what one value becomes is an OR, so that the
/// values part into items of their own.
fn each_value(mut item: Item, change: impl Fn(Scalar) -> Vec<Scalar>) -> Replaced {
    let spans =
        |index: usize, item: &Item| item.value_spans.get(index).copied().unwrap_or(item.span);
    let changed: Vec<(usize, Vec<Scalar>)> =
        std::mem::take(&mut item.values).into_iter().map(change).enumerate().collect();
    if linked_by_all(&item) && changed.iter().any(|(_, values)| values.len() > 1) {
        let negated = negated(&item);
        let part = |(index, values): (usize, Vec<Scalar>)| {
            let mut part = item.clone();
            part.all = false;
            part.modifiers.retain(|modifier| *modifier != Modifier::All);
            part.value_spans = vec![spans(index, &item); values.len()];
            part.values = values;
            part
        };
        let parts: Vec<Item> = changed.into_iter().map(part).collect();
        return if negated { Replaced::Any(parts) } else { Replaced::All(parts) };
    }
    let mut value_spans = Vec::with_capacity(changed.len());
    for (index, values) in changed {
        value_spans.extend(std::iter::repeat_n(spans(index, &item), values.len()));
        item.values.extend(values);
    }
    item.value_spans = value_spans;
    Replaced::One(item)
}

/// The field or fields a field becomes; `None` leaves it.
fn map_field(step: &ProcessingItem, field: Option<&str>, state: &mut State) -> Option<Vec<String>> {
    if !step.field.open(|test| test.holds(field, state)) {
        return None;
    }
    let mapped = match (&step.transformation, field) {
        (Transformation::FieldNameMapping(mapping), field) => {
            mapping.iter().find(|(from, _)| from.as_deref() == field)?.1.clone()
        }
        (Transformation::FieldNamePrefixMapping(mapping), Some(field)) => {
            let (from, to) = mapping.iter().find(|(from, _)| field.starts_with(from.as_str()))?;
            to.iter().map(|to| format!("{to}{}", &field[from.len()..])).collect()
        }
        (Transformation::FieldNamePrefix(prefix), Some(field)) => vec![format!("{prefix}{field}")],
        (Transformation::FieldNameSuffix(suffix), Some(field)) => vec![format!("{field}{suffix}")],
        _ => return None,
    };
    state.mapped_fields.extend(field.map(str::to_owned));
    state.mapped_fields.extend(mapped.iter().cloned());
    if let Some(id) = &step.id {
        state.applied_fields.extend(mapped.iter().map(|field| (field.clone(), id.clone())));
    }
    Some(mapped)
}

/// An item under a field mapping.
fn renamed(step: &ProcessingItem, mut item: Item, state: &mut State) -> Replaced {
    if item.modifiers.contains(&Modifier::FieldRef) {
        let mut values = Vec::with_capacity(item.values.len());
        let mut spans = Vec::with_capacity(item.values.len());
        for (index, value) in item.values.iter().enumerate() {
            let span = item.value_spans.get(index).copied().unwrap_or(item.span);
            let mapped = match value {
                Scalar::Text(field) => map_field(step, Some(field), state),
                _ => None,
            };
            match mapped {
                Some(fields) => {
                    spans.extend(std::iter::repeat_n(span, fields.len()));
                    values.extend(fields.into_iter().map(|field| Scalar::Text(field.into())));
                }
                None => {
                    spans.push(span);
                    values.push(value.clone());
                }
            }
        }
        (item.values, item.value_spans) = (values, spans);
    }
    let Some(fields) = map_field(step, item.field.as_deref(), state) else {
        return Replaced::One(item);
    };
    let keywords = item.field.is_none();
    if keywords {
        // A keyword may stand anywhere in the value, so it may in the field.
        const ANCHORS: [Modifier; 4] =
            [Modifier::Contains, Modifier::StartsWith, Modifier::EndsWith, Modifier::Re];
        if !item.modifiers.iter().any(|modifier| ANCHORS.contains(modifier)) {
            item.modifiers.push(Modifier::Contains);
        }
    }
    let negated = negated(&item);
    let renamed = |field: String| {
        let mut renamed = item.clone();
        if renamed.written_field.is_none() && renamed.field.as_deref() != Some(&*field) {
            renamed.written_field = item.field.clone();
        }
        renamed.field = Some(field.into());
        renamed
    };
    any_of(fields.into_iter().map(renamed).collect(), negated)
}

/// Replaces `%name%` in the values of an item with `expand`. What is inserted keeps its wildcards,
/// its percent signs are plain.
fn placeholders(
    item: Item,
    names: &PlaceholderNames,
    values_of: &dyn Fn(&str) -> Option<Vec<String>>,
) -> Result<Replaced, Diagnostic> {
    if !item.modifiers.contains(&Modifier::Expand) {
        return Ok(Replaced::One(item));
    }
    let mut error = None;
    let span = item.span;
    let regex = item.modifiers.contains(&Modifier::Re);
    let error_slot = std::cell::RefCell::new(&mut error);
    let replaced = each_value(item, |value| {
        let Scalar::Text(text) = &value else { return vec![value] };
        match expand(text, names, values_of, regex) {
            Ok(texts) => texts.into_iter().map(|text| Scalar::Text(text.into())).collect(),
            Err(message) => {
                error_slot.borrow_mut().get_or_insert(message);
                vec![value]
            }
        }
    });
    match error {
        None => Ok(replaced),
        Some(message) => Err(Diagnostic::error("pipeline-placeholder", span, message)
            .with_help("add it to `vars` of the pipeline")),
    }
}

fn expand(
    text: &str,
    names: &PlaceholderNames,
    values_of: &dyn Fn(&str) -> Option<Vec<String>>,
    regex: bool,
) -> Result<Vec<String>, String> {
    let mut expanded = vec![String::new()];
    let mut rest = text;
    while let Some(at) = rest.find(['%', '\\']) {
        let (before, from) = rest.split_at(at);
        // An escaped percent sign, or any escaped character, is not a start.
        let kept = match from.strip_prefix('\\') {
            Some(after) => &rest[..at + 1 + after.chars().next().map_or(0, char::len_utf8)],
            None => match from[1..].split_once('%') {
                Some((name, after)) if is_name(name) && names.contain(name) => {
                    let values = values_of(name)
                        .filter(|values| !values.is_empty())
                        .ok_or_else(|| format!("no value for placeholder `%{name}%`"))?;
                    if expanded.len() * values.len() > MAX_COMBINATIONS {
                        return Err(format!("placeholders of `{text}` make too many combinations"));
                    }
                    let mut longer = Vec::with_capacity(expanded.len() * values.len());
                    for start in &expanded {
                        for value in &values {
                            let value = if regex && value == "*" { ".*" } else { value };
                            longer.push(format!("{start}{before}{}", value.replace('%', "\\%")));
                        }
                    }
                    expanded = longer;
                    rest = after;
                    continue;
                }
                _ => &rest[..=at],
            },
        };
        for start in &mut expanded {
            start.push_str(kept);
        }
        rest = &rest[kept.len()..];
    }
    for start in &mut expanded {
        start.push_str(rest);
    }
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// `Hashes: [SHA1=…, MD5=…]` to an item for each algorithm.
fn hashes(parameters: &HashesFields, item: Item) -> Result<Replaced, Diagnostic> {
    let known = |name: &str| parameters.algorithms.iter().any(|algorithm| algorithm == name);
    if !item.field.as_deref().is_some_and(|field| parameters.fields.iter().any(|f| f == field)) {
        return Ok(Replaced::One(item));
    }
    let mut fields: Vec<(String, Item)> = Vec::new();
    for (index, value) in item.values.iter().enumerate() {
        let Scalar::Text(text) = value else { return Ok(Replaced::One(item)) };
        let plain = value::plain(text);
        let (algorithm, hash) = match plain.split_once(['|', '=']) {
            Some((algorithm, hash)) => (algorithm.trim_start_matches('*').to_uppercase(), hash),
            None => {
                let algorithm = match plain.trim_matches(['*', '?']).len() {
                    32 => "MD5",
                    40 => "SHA1",
                    64 => "SHA256",
                    128 => "SHA512",
                    _ => "",
                };
                (algorithm.to_owned(), plain.as_str())
            }
        };
        if !known(&algorithm) {
            continue;
        }
        let name = if parameters.drop_algorithm { "" } else { &algorithm };
        let field = format!("{}{name}", parameters.prefix);
        let at = fields.iter().position(|(known, _)| *known == field).unwrap_or_else(|| {
            let mut part = item.clone();
            part.written_field = part.written_field.or_else(|| part.field.clone());
            part.field = Some(field.as_str().into());
            part.values.clear();
            part.value_spans.clear();
            part.modifiers.retain(|m| matches!(m, Modifier::All | Modifier::Neq));
            fields.push((field, part));
            fields.len() - 1
        });
        let part = &mut fields[at].1;
        part.values.push(Scalar::Text(hash.trim_matches(['*', '?']).into()));
        part.value_spans.push(item.value_spans.get(index).copied().unwrap_or(item.span));
    }
    if fields.is_empty() {
        let message = "no value names a known hash algorithm";
        return Err(Diagnostic::error("pipeline-value", item.span, message)
            .with_help(format!("known ones: {}", parameters.algorithms.join(", "))));
    }
    let link_by_all = linked_by_all(&item) != negated(&item);
    Ok(any_of(fields.into_iter().map(|(_, item)| item).collect(), link_by_all))
}

pub(super) fn to_correlation(
    pipeline: &Pipeline,
    correlation: &mut Correlation,
    logsources: &[LogSource],
    state: &mut State,
) -> Result<(), Diagnostic> {
    state.vars.extend(pipeline.vars.iter().cloned());
    run_on_correlation(&pipeline.items, correlation, logsources, state)
}

fn run_on_correlation(
    items: &[ProcessingItem],
    correlation: &mut Correlation,
    logsources: &[LogSource],
    state: &mut State,
) -> Result<(), Diagnostic> {
    for step in items {
        let subject = Subject::Correlation(&correlation.metadata, logsources);
        if !step.rule.open(|test| test.holds(&subject, state)) {
            continue;
        }
        let span = correlation.metadata.span;
        match &step.transformation {
            Transformation::RuleFailure(message) => {
                return Err(Diagnostic::error("pipeline-failure", span, message.clone())
                    .with_help("change the correlation, or the pipeline's item that refuses it"));
            }
            Transformation::SetState(key, value) => set(&mut state.values, key, value.clone()),
            Transformation::SetCustomAttribute(key, value) => {
                set(&mut correlation.metadata.custom, key, value.clone());
            }
            Transformation::Nest(items) => {
                run_on_correlation(items, correlation, logsources, state)?;
            }
            transformation if is_field_mapping(transformation) => {
                let mut one = |field: &mut String| match map_field(step, Some(field), state) {
                    None => Ok(()),
                    Some(mut mapped) => match (mapped.pop(), mapped.is_empty()) {
                        (Some(only), true) => {
                            *field = only;
                            Ok(())
                        }
                        _ => {
                            let message = format!(
                                "`{field}` of a correlation is not mapped to exactly one field"
                            );
                            Err(Diagnostic::error("pipeline-too-many", span, message)
                                .with_help("map it to one field, or use `aliases`"))
                        }
                    },
                };
                let aliases: Vec<String> =
                    correlation.aliases.iter().map(|(alias, _)| alias.clone()).collect();
                for field in &mut correlation.group_by {
                    if !aliases.contains(field) {
                        one(field)?;
                    }
                }
                for field in correlation.aliases.iter_mut().flat_map(|(_, pairs)| pairs) {
                    one(&mut field.1)?;
                }
                for field in &mut correlation.fields {
                    one(field)?;
                }
            }
            _ => {}
        }
        state.applied.extend(step.id.clone());
    }
    Ok(())
}
