//! What one group knows, as bytes: the value of its entry in a changelog.
//!
//! Nothing in there depends on how a set numbers its correlations and fields: fields have their names, and rules are the
//! places in the correlation's list. What can be computed again from hits is not written.

use super::condition::Decided;
use super::encoding::{Broken, Reader, Writer};
use super::groups::Group;
use super::number::{Fixed, Wide};
use super::rule::Node;
use super::texts::Texts;
use super::window::{
    Aggregate, Chain, Contributions, Entry, Hits, Numbers, Over, SHOWN, Sequences, Window,
};
use ahash::AHashMap;
use std::sync::Arc;

/// More hits than that were never counted.
const MOST: u64 = 1 << 60;

const FOREIGN: Broken = "it does not fit the correlation";

/// Writes a group. `fields` are the names of fields.
pub(crate) fn write(node: &Node, group: &Group, fields: &[Box<str>], out: &mut Writer) {
    write_known(node, group, fields, out);
    window(&group.window, out);
}

/// Writes what is known of a group beside its window.
pub(crate) fn write_known(node: &Node, group: &Group, fields: &[Box<str>], out: &mut Writer) {
    let rare = group.rare();
    let mut flags = 0;
    for (bit, there) in [
        group.active,
        rare.opened.is_some(),
        rare.alerted.is_some(),
        rare.anchor.0 != i64::MIN,
        !rare.fields.is_empty(),
    ]
    .into_iter()
    .enumerate()
    {
        flags |= u8::from(there) << bit;
    }
    out.0.push(flags);
    out.entry(group.last);
    if node.decided == Decided::AtClose {
        out.signed(group.due);
    }
    rare.opened.into_iter().chain(rare.alerted).for_each(|time| out.signed(time));
    if rare.anchor.0 != i64::MIN {
        out.signed(rare.anchor.0);
        out.number(u64::from(rare.anchor.1));
    }
    if !rare.fields.is_empty() {
        let mut named: Vec<(&str, &str)> = rare
            .fields
            .iter()
            .filter_map(|(field, text)| Some((&**fields.get(*field as usize)?, &**text)))
            .collect();
        named.sort_unstable();
        out.number(named.len() as u64);
        for (name, text) in named {
            out.bytes(name.as_bytes());
            out.bytes(text.as_bytes());
        }
    }
}

fn window(window: &Window, out: &mut Writer) {
    match &window.hits {
        Hits::All(all) => out.entries(all.iter()),
        Hits::Some(some) => {
            out.number(some.total);
            out.entries(some.oldest.iter().copied());
            out.entries(some.newest.iter().copied());
        }
    }
    let slides = matches!(window.hits, Hits::All(_));
    match &window.aggregate {
        Aggregate::Count => {}
        Aggregate::Distinct(texts) if slides => {
            // The first time with the text itself.
            let mut numbers: AHashMap<u32, u64> = AHashMap::new();
            for (value, text) in texts.iter() {
                let next = numbers.len() as u64;
                let number = *numbers.entry(value).or_insert(next);
                out.number(number);
                if number == next {
                    out.bytes(text);
                }
            }
        }
        Aggregate::Distinct(texts) => {
            let sorted = texts.sorted();
            out.number(sorted.len() as u64);
            sorted.into_iter().for_each(|text| out.bytes(text));
        }
        Aggregate::Numbers(numbers) if slides => {
            numbers.values.iter().for_each(|number| out.signed_wide(number.units()));
        }
        Aggregate::Numbers(numbers) => match &numbers.over {
            Over::Sum(sum, count) => {
                out.0.extend_from_slice(&sum.to_bytes());
                out.number(*count);
            }
            Over::Ordered(statistics) => {
                let counts = statistics.counts();
                out.number(counts.len() as u64);
                for (number, count) in counts {
                    out.signed_wide(number.units());
                    out.number(count);
                }
            }
            Over::Extremes(values) => {
                out.number(values.len() as u64);
                for (number, count) in values {
                    out.signed_wide(number.units());
                    out.number(*count);
                }
            }
        },
        Aggregate::Last(last) => last.iter().for_each(|entry| maybe(*entry, out)),
        Aggregate::Sequences(sequences) => {
            sequences.last.iter().for_each(|entry| maybe(*entry, out));
            for chain in sequences.ways.iter().flatten() {
                let hits = chain.as_ref().map_or(&[][..], |chain| &chain.hits);
                out.entries(hits.iter().copied());
            }
        }
    }
}

fn maybe(entry: Option<Entry>, out: &mut Writer) {
    out.0.push(u8::from(entry.is_some()));
    entry.into_iter().for_each(|entry| out.entry(entry));
}

/// Reads a group. `numbers` are those of fields; fields that are not there are left out.
pub(crate) fn read(
    node: &Node,
    key: &[u8],
    numbers: &AHashMap<&str, u32>,
    input: &mut Reader<'_>,
) -> Result<Group, Broken> {
    let mut group = read_known(node, key, numbers, input)?;
    read_window(&mut group.window, input)?;
    Ok(group)
}

/// Reads what is known of a group beside its window.
pub(crate) fn read_known(
    node: &Node,
    key: &[u8],
    numbers: &AHashMap<&str, u32>,
    input: &mut Reader<'_>,
) -> Result<Group, Broken> {
    check_key(node, key)?;
    let flags = input.byte()?;
    let has = |bit: u32| flags & (1 << bit) != 0;
    if flags >> 5 != 0 {
        return Err("it has unknown parts");
    }
    let last = input.entry()?;
    let mut group = Group::new(key.into(), Window::new(node), last);
    group.active = has(0);
    if node.decided == Decided::AtClose {
        group.due = input.signed()?;
    }
    if has(1) {
        if node.decided != Decided::AtClose {
            return Err(FOREIGN);
        }
        group.rare_mut().opened = Some(input.signed()?);
    }
    if has(2) {
        group.rare_mut().alerted = Some(input.signed()?);
    }
    if has(3) {
        group.rare_mut().anchor = (input.signed()?, input.small()?);
    }
    if has(4) {
        let mut fields = Vec::new();
        for _ in 0..input.length(2)? {
            let (name, text) = (input.text()?, input.text()?);
            fields.extend(numbers.get(name).map(|field| (*field, Box::from(text))));
        }
        fields.sort_unstable();
        fields.dedup_by_key(|(field, _)| *field);
        group.rare_mut().fields = fields;
    }
    Ok(group)
}

fn read_window(window: &mut Window, input: &mut Reader<'_>) -> Result<(), Broken> {
    let Window { hits, aggregate } = window;
    match hits {
        Hits::All(all) => input.entries()?.into_iter().for_each(|entry| all.push(entry)),
        Hits::Some(some) => **some = contributions(input)?,
    }
    let slides = match hits {
        Hits::All(all) => Some(all.len()),
        Hits::Some(_) => None,
    };
    match aggregate {
        Aggregate::Count => {}
        Aggregate::Distinct(texts) => read_texts(texts, slides, input)?,
        Aggregate::Numbers(numbers) => read_numbers(numbers, slides, input)?,
        Aggregate::Last(last) => {
            for place in last {
                *place = read_maybe(input)?;
            }
        }
        Aggregate::Sequences(sequences) => read_sequences(sequences, input)?,
    }
    Ok(())
}

fn check_key(node: &Node, key: &[u8]) -> Result<(), Broken> {
    let mut rest = Reader(key);
    for _ in &node.group {
        let length = u32::from_le_bytes(rest.array()?) as usize;
        let (text, after) = rest.0.split_at_checked(length).ok_or(FOREIGN)?;
        std::str::from_utf8(text).map_err(|_| "a value of the group is not UTF-8")?;
        rest = Reader(after);
    }
    rest.end()
}

fn count(input: &mut Reader<'_>) -> Result<u64, Broken> {
    let count = input.number()?;
    if (1..MOST).contains(&count) { Ok(count) } else { Err("a count cannot be") }
}

fn fixed(input: &mut Reader<'_>) -> Result<Fixed, Broken> {
    Fixed::in_range(input.signed_wide()?).ok_or("a value is out of range")
}

fn contributions(input: &mut Reader<'_>) -> Result<Contributions, Broken> {
    let total = input.number()?;
    let (oldest, newest) = (input.entries()?, input.entries()?);
    let kept = oldest.len() + newest.len();
    let wrong = oldest.len() > SHOWN
        || newest.len() > SHOWN
        || !newest.is_empty() && oldest.len() < SHOWN
        || total >= MOST
        || (kept as u64) > total;
    if wrong {
        Err("the number of its hits cannot be")
    } else {
        Ok(Contributions { oldest, newest, total })
    }
}

fn read_texts(
    texts: &mut Texts,
    hits: Option<usize>,
    input: &mut Reader<'_>,
) -> Result<(), Broken> {
    let Some(hits) = hits else {
        for _ in 0..input.length(1)? {
            texts.keep(input.bytes()?);
        }
        return Ok(());
    };
    let mut known: Vec<&[u8]> = Vec::new();
    for _ in 0..hits {
        let number = usize::try_from(input.number()?).map_err(|_| FOREIGN)?;
        if number == known.len() {
            known.push(input.bytes()?);
        }
        let text = known.get(number).ok_or("a value is not there")?;
        texts.push(text);
    }
    Ok(())
}

fn read_numbers(
    numbers: &mut Numbers,
    hits: Option<usize>,
    input: &mut Reader<'_>,
) -> Result<(), Broken> {
    let Numbers { over, values } = numbers;
    if let Some(hits) = hits {
        for _ in 0..hits {
            let number = fixed(input)?;
            over.add(number);
            values.push(number);
        }
        return Ok(());
    }
    match over {
        Over::Sum(sum, counted) => {
            *sum = Wide::from_bytes(&input.array()?);
            *counted = input.number()?;
            if *counted >= MOST || !sum.is_sum_of(*counted) {
                return Err("a sum cannot be");
            }
        }
        Over::Ordered(statistics) => {
            for _ in 0..input.length(2)? {
                let (number, times) = (fixed(input)?, count(input)?);
                if statistics.len() + times >= MOST {
                    return Err("a count cannot be");
                }
                statistics.insert_times(number, times);
            }
        }
        Over::Extremes(values) => {
            for _ in 0..input.length(2)? {
                values.insert(fixed(input)?, count(input)?);
            }
        }
    }
    Ok(())
}

fn read_maybe(input: &mut Reader<'_>) -> Result<Option<Entry>, Broken> {
    match input.byte()? {
        0 => Ok(None),
        1 => input.entry().map(Some),
        _ => Err(FOREIGN),
    }
}

fn read_sequences(sequences: &mut Sequences, input: &mut Reader<'_>) -> Result<(), Broken> {
    for place in &mut sequences.last {
        *place = read_maybe(input)?;
    }
    for way in &mut sequences.ways {
        for (step, place) in way.iter_mut().enumerate() {
            let hits = input.entries()?;
            *place = match hits.first() {
                None => None,
                Some(first) if hits.len() == step + 1 => {
                    Some(Arc::new(Chain { first: first.time, hits }))
                }
                Some(_) => return Err("a sequence has another length"),
            };
        }
    }
    Ok(())
}
