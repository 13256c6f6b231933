//! Objects that are no records themselves but carry them: wrappers (`Records`, `value`, `hits.hits[]`, …) and search hits.

use super::read::is_blank;
use super::scan::{Member, Members, Next, Scan, scan};
use std::ops::Range;

/// What the first key of an object tells about framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    No,
    /// It may be a wrapper around records.
    Wrapper,
    /// A search hit: the record is its `_source`.
    Hit,
    /// The first key is not there yet.
    Unknown,
}

/// Keys of lists of records.
fn is_list(name: &[u8]) -> bool {
    matches!(
        name,
        b"Records"
            | b"records"
            | b"value"
            | b"events"
            | b"logEvents"
            | b"result"
            | b"results"
            | b"data"
    )
}

/// Whether a member stands beside such a list and is no part of a record. An error that says something is one.
pub(crate) fn is_beside(name: &[u8], value: &[u8]) -> bool {
    is_about_answer(name) && !(matches!(name, b"error" | b"errors") && says_something(value))
}

/// Whether a value that begins so is a text, list or object with something in it.
fn says_something(value: &[u8]) -> bool {
    match value {
        [b'"', rest @ ..] => rest.first() != Some(&b'"'),
        [b'{' | b'[', rest @ ..] => {
            !matches!(rest.iter().find(|byte| !is_blank(**byte)), Some(b'}' | b']'))
        }
        _ => false,
    }
}

/// What Elasticsearch, CloudWatch, Splunk, Graph and paging services in general say about their answer.
#[rustfmt::skip]
fn is_about_answer(name: &[u8]) -> bool {
    matches!(
        name,
        b"took" | b"timed_out" | b"_shards" | b"_scroll_id" | b"terminated_early" | b"num_reduce_phases"
            | b"_clusters" | b"total" | b"max_score" | b"aggregations" | b"suggest" | b"profile" | b"pit_id"
            | b"messageType" | b"owner" | b"logGroup" | b"logStream" | b"subscriptionFilters"
            | b"preview" | b"init_offset" | b"messages" | b"fields" | b"highlighted" | b"post_process_count"
            | b"nextForwardToken" | b"nextBackwardToken" | b"nextToken" | b"NextToken" | b"nextLink"
            | b"nextPageToken" | b"next" | b"previous" | b"count" | b"limit" | b"offset" | b"cursor" | b"page"
            | b"pages" | b"per_page" | b"pagination" | b"paging" | b"links" | b"has_more" | b"hasMore"
            | b"status" | b"success" | b"error" | b"errors" | b"meta" | b"metadata" | b"requestId"
            | b"ResponseMetadata" | b"version"
    ) || name.starts_with(b"@odata.")
        || name.starts_with(b"odata.")
}

/// Whether an object is nothing but a record, by its first key.
pub(crate) fn is_ordinary(object: &[u8]) -> bool {
    special_key(object).0 == Special::No
}

/// What the first key tells, and how much of the object was looked at for it if it was an ordinary one.
pub(crate) fn special_key(window: &[u8]) -> (Special, usize) {
    let mut members = Members::new(window, 0);
    let special = match members.next() {
        Next::Incomplete => Special::Unknown,
        Next::Member(member) => match member.name {
            b"_index" | b"_source" | b"_id" => Special::Hit,
            b"hits" => Special::Wrapper,
            name if is_list(name) || is_about_answer(name) => Special::Wrapper,
            _ => return (Special::No, member.value),
        },
        Next::End(_) | Next::Broken => Special::No,
    };
    (special, usize::MAX)
}

/// What an object that may be a wrapper carries.
#[derive(Clone, Copy)]
pub(crate) enum Wrapped {
    /// The first byte within the list, and the number of objects around it.
    List {
        start: usize,
        objects: usize,
    },
    No,
    /// More of it is needed to tell.
    Incomplete,
}

/// The list of an object that does nothing but carry a list of objects: beside the list it has only members that are known to describe
/// the answer of a service. With `whole` no more bytes will come: a list that does not end is taken for what it seems, and an
/// empty one for a member as any other.
pub(crate) fn list(window: &[u8], whole: bool) -> Wrapped {
    let mut members = Members::new(window, 0);
    let mut found = None;
    let mut is_empty = false;
    loop {
        match members.next() {
            Next::Incomplete => break,
            Next::Broken => return Wrapped::No,
            Next::End(_) => return found.unwrap_or(Wrapped::No),
            Next::Member(Member { name, value }) => {
                if is_list(name) && found.is_none() {
                    match list_of_objects(window, value) {
                        Listed::No => return Wrapped::No,
                        Listed::Unknown => return Wrapped::Incomplete,
                        listed => {
                            is_empty = listed == Listed::Nothing;
                            found = Some(Wrapped::List { start: value + 1, objects: 1 });
                        }
                    }
                } else if name == b"hits" && window[value] == b'{' && found.is_none() {
                    let mut inner = Members::new(window, value);
                    loop {
                        match inner.next() {
                            Next::Member(member) if member.name == b"hits" => {
                                let list = Wrapped::List { start: member.value + 1, objects: 2 };
                                match list_of_objects(window, member.value) {
                                    Listed::Objects => return list,
                                    Listed::Nothing => (found, is_empty) = (Some(list), true),
                                    Listed::No => return Wrapped::No,
                                    Listed::Unknown => return Wrapped::Incomplete,
                                }
                            }
                            Next::Member(Member { name, value })
                                if is_beside(name, &window[value..]) => {}
                            Next::End(_) if found.is_some() => break,
                            Next::Incomplete => return Wrapped::Incomplete,
                            _ => return Wrapped::No,
                        }
                        if inner.skip() == Scan::Incomplete {
                            return Wrapped::Incomplete;
                        }
                    }
                } else if !is_beside(name, &window[value..]) {
                    return Wrapped::No;
                }
                // `Records` is a wrapper's name only, unless nothing is in it; the others are also names of ordinary
                // fields, and what follows decides.
                if let (b"Records" | b"logEvents", Some(found), false) = (name, found, is_empty) {
                    return found;
                }
            }
        }
        match members.skip() {
            Scan::Complete(_) => {}
            Scan::Incomplete => break,
            Scan::Broken(_) => return Wrapped::No,
        }
    }
    match found {
        Some(list) if whole && !is_empty => list,
        _ => Wrapped::Incomplete,
    }
}

/// An object with a list that goes on for so many bytes is a wrapper, whatever comes after.
pub(crate) const LONG_LIST: usize = 64 * 1024;

/// What a value that may be a list of objects is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    /// A list whose first element is an object.
    Objects,
    /// An empty list.
    Nothing,
    No,
    /// The bytes do not reach.
    Unknown,
}

fn list_of_objects(window: &[u8], at: usize) -> Listed {
    if window[at] != b'[' {
        return Listed::No;
    }
    match window[at + 1..].iter().find(|byte| !is_blank(**byte)) {
        Some(b'{') => Listed::Objects,
        Some(b']') => Listed::Nothing,
        Some(_) => Listed::No,
        None => Listed::Unknown,
    }
}

/// The record in a search hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) range: Range<usize>,
    /// Nothing but what describes the hit stands beside it.
    pub(crate) is_all: bool,
}

/// Where the `_source` of a search hit stands.
pub(crate) fn source(hit: &[u8]) -> Option<Source> {
    let mut members = Members::new(hit, 0);
    let (mut range, mut is_all) = (None, true);
    while let Next::Member(Member { name, value }) = members.next() {
        let Scan::Complete(length) = members.skip() else { return None };
        match name {
            b"_source" if range.is_some() => {}
            b"_source" if hit[value] != b'{' => return None,
            b"_source" => range = Some(value..value + length),
            _ => is_all &= is_of_hit(name),
        }
    }
    range.map(|range| Source { range, is_all })
}

/// What Elasticsearch says of a hit.
fn is_of_hit(name: &[u8]) -> bool {
    name.starts_with(b"_")
        || matches!(
            name,
            b"sort"
                | b"fields"
                | b"highlight"
                | b"matched_queries"
                | b"inner_hits"
                | b"ignored_field_values"
                | b"found"
        )
}

/// Whether a line is one object and no wrapper; with `open`, whether it may be the beginning of one.
pub(crate) fn is_plain_object_line(line: &[u8], open: bool) -> bool {
    if !line.starts_with(b"{") || special_key(line).0 == Special::Wrapper {
        return false;
    }
    match scan(line) {
        Scan::Complete(end) => line[end..].iter().all(|byte| is_blank(*byte)),
        Scan::Incomplete => open,
        Scan::Broken(_) => false,
    }
}
