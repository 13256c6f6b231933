//! Comma-separated values (RFC 4180) with a header. Cells that a spreadsheet would take for a formula begin with `'`.

use sigmund_stream::encode::{Buffer, Hit, json, level_name, rfc3339};
use sigmund_stream::words::visible;

pub(crate) const HEADER: &[u8] =
    b"time,level,rule_id,rule_title,tags,path,record,product,category,service,matched,id,event,extracted\n";

pub(crate) fn row(hit: &Hit<'_>, out: &mut Buffer) {
    let metadata = hit.rule().metadata();
    let source = hit.log_source();
    let bytes = out.bytes();
    cell(&hit.time().map(rfc3339).unwrap_or_default(), bytes);
    bytes.push(b',');
    cell(metadata.level.map_or("", level_name), bytes);
    bytes.push(b',');
    cell(hit.rule().id(), bytes);
    bytes.push(b',');
    cell(&metadata.title, bytes);
    bytes.push(b',');
    cell(&metadata.tags.join(" "), bytes);
    bytes.push(b',');
    cell(hit.path(), bytes);
    bytes.push(b',');
    if hit.has_event() {
        out.number(hit.record());
    }
    let bytes = out.bytes();
    for part in [
        source.and_then(|source| source.product.as_deref()),
        source.and_then(|source| source.category.as_deref()),
        source.and_then(|source| source.service.as_deref()),
    ] {
        bytes.push(b',');
        cell(part.unwrap_or(""), bytes);
    }
    bytes.push(b',');
    let mut matched = String::new();
    for (field, value) in hit.matched_texts() {
        if !matched.is_empty() {
            matched.push_str("; ");
        }
        if let Some(field) = field {
            matched.push_str(field);
            matched.push('=');
        }
        matched.push_str(&value);
    }
    cell(&matched, bytes);
    bytes.push(b',');
    cell(&hit.id().to_string(), bytes);
    bytes.push(b',');
    let mut event = Vec::new();
    json::record(hit.event().raw(), &mut event);
    if event.first() == Some(&b'"') {
        cell(&String::from_utf8_lossy(hit.event().raw()), bytes);
    } else {
        cell(&String::from_utf8_lossy(&event), bytes);
    }
    bytes.push(b',');
    let extracted = hit.extracted().into_iter().map(|(name, value)| format!("{name}={value}"));
    cell(&extracted.collect::<Vec<_>>().join("; "), bytes);
    bytes.push(b'\n');
}

/// One cell. A CSV file is looked at in terminals too, so control characters are escaped.
pub(crate) fn cell(text: &str, out: &mut Vec<u8>) {
    let text = visible(text, true);
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !text.contains(['"', ',', '\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted() {
        for (text, expected) in [
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("a\"b\nc", "\"a\"\"b\nc\""),
            ("=HYPERLINK()", "\"'=HYPERLINK()\""),
            ("", ""),
            ("a\u{1b}[31m", "a\\u{1b}[31m"),
        ] {
            let mut out = Vec::new();
            cell(text, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
