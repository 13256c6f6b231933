//! Tests on one text that compiled predicates make rarely: networks, numbers, dates, other fields.

use crate::value::{Decimal, date_part as part_of};
use ipnet::IpNet;
use sigmund_sigma::value::{Anchor, Comparison, DatePart};
use std::cmp::Ordering;
use std::net::IpAddr;

/// Whether the text is an address in the network (choice C22: families are distinct).
pub(crate) fn in_network(text: &[u8], network: &IpNet) -> bool {
    // The longest textual address has 45 bytes; most other texts are refused by their length.
    text.len() <= 45
        && std::str::from_utf8(text).is_ok_and(|text| {
            text.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))
        })
}

/// Whether a number in text compares so with a canonical number (choice C23).
pub(crate) fn compares(text: &[u8], comparison: Comparison, number: &str) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    match (Decimal::parse(text), Decimal::parse(number)) {
        (Some(have), Some(threshold)) => ordered(have.cmp(&threshold), comparison),
        _ => false,
    }
}

/// Whether a part of a date text equals, or compares with, a number (choice C20).
pub(crate) fn date_part(
    text: &[u8],
    part: DatePart,
    comparison: Option<Comparison>,
    number: i64,
) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    part_of(text, part).is_some_and(|have| match comparison {
        None => have == number,
        Some(comparison) => ordered(have.cmp(&number), comparison),
    })
}

/// Whether one folded text carries another at the anchor (choice C18).
pub(crate) fn anchored(text: &[u8], other: &[u8], anchor: Anchor) -> bool {
    match anchor {
        Anchor::Whole => text == other,
        Anchor::Start => text.starts_with(other),
        Anchor::End => text.ends_with(other),
        Anchor::Anywhere => memchr::memmem::find(text, other).is_some(),
    }
}

fn ordered(order: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Lt => order.is_lt(),
        Comparison::Lte => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Gte => order.is_ge(),
    }
}
