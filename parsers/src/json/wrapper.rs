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

/// Keys that stand beside such a list and are no part of a record: what Elasticsearch, CloudWatch, Splunk,
/// Graph and paging services in general say about their answer.
#[rustfmt::skip]
fn is_beside(name: &[u8]) -> bool {
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
            name if is_list(name) || is_beside(name) => Special::Wrapper,
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
/// the answer of a service. With `whole` no more bytes will come: a list that does not end is taken for what it seems.
pub(crate) fn list(window: &[u8], whole: bool) -> Wrapped {
    let mut members = Members::new(window, 0);
    let mut found = None;
    loop {
        match members.next() {
            Next::Incomplete => break,
            Next::Broken => return Wrapped::No,
            Next::End(_) => return found.unwrap_or(Wrapped::No),
            Next::Member(Member { name, value }) => {
                if is_list(name) && found.is_none() {
                    match list_of_objects(window, value) {
                        Some(true) => found = Some(Wrapped::List { start: value + 1, objects: 1 }),
                        Some(false) => return Wrapped::No,
                        None => return Wrapped::Incomplete,
                    }
                } else if name == b"hits" && window[value] == b'{' && found.is_none() {
                    let mut inner = Members::new(window, value);
                    loop {
                        match inner.next() {
                            Next::Member(member) if member.name == b"hits" => {
                                match list_of_objects(window, member.value) {
                                    Some(true) => {
                                        return Wrapped::List {
                                            start: member.value + 1,
                                            objects: 2,
                                        };
                                    }
                                    Some(false) => return Wrapped::No,
                                    None => return Wrapped::Incomplete,
                                }
                            }
                            Next::Member(member) if is_beside(member.name) => {}
                            Next::Incomplete => return Wrapped::Incomplete,
                            _ => return Wrapped::No,
                        }
                        if inner.skip() == Scan::Incomplete {
                            return Wrapped::Incomplete;
                        }
                    }
                } else if !is_beside(name) {
                    return Wrapped::No;
                }
                // `Records` is a wrapper's name only; the others are also names of ordinary fields, and what
                // follows decides.
                if let (b"Records" | b"logEvents", Some(found)) = (name, found) {
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
        Some(list) if whole => list,
        _ => Wrapped::Incomplete,
    }
}

/// An object with a list that goes on for so many bytes is a wrapper, whatever comes after.
pub(crate) const LONG_LIST: usize = 64 * 1024;

/// Whether a list whose first element is an object (or that is empty) begins at `at`; `None` if the bytes do not reach.
fn list_of_objects(window: &[u8], at: usize) -> Option<bool> {
    if window[at] != b'[' {
        return Some(false);
    }
    let first = window[at + 1..].iter().find(|byte| !is_blank(**byte))?;
    Some(matches!(first, b'{' | b']'))
}

/// Where the `_source` of a search hit stands.
pub(crate) fn source(hit: &[u8]) -> Option<Range<usize>> {
    let mut members = Members::new(hit, 0);
    while let Next::Member(member) = members.next() {
        let Scan::Complete(length) = scan(&hit[member.value..]) else { return None };
        if member.name == b"_source" {
            return (hit[member.value] == b'{').then_some(member.value..member.value + length);
        }
        members.skip();
    }
    None
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
