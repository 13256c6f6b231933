//! Detections that are larger than records of Kafka may be: what is left of them.

use sigmund_engine::Object;

/// How much of a detection is shown that would be too large in whole. What tells it from others is small and stays, in every format.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Bytes of each event behind an alert.
    pub(super) events: usize,
    /// Bytes of the event, and of its fields together.
    pub(super) event: usize,
    /// Bytes of a value: of what matched, of a group, of a field.
    pub(super) value: usize,
    /// So many parts of what matched, and so many patterns of each.
    pub(super) parts: usize,
    /// What the detection says of it.
    pub(super) why: String,
}

/// From little to much that is left out: events behind alerts first, then the event, then values.
const STEPS: [[usize; 4]; 5] = [
    [16 << 10, usize::MAX, usize::MAX, usize::MAX],
    [4 << 10, 512 << 10, 64 << 10, usize::MAX],
    [1 << 10, 128 << 10, 16 << 10, 1_000],
    [0, 16 << 10, 4 << 10, 100],
    [0, 0, 256, 20],
];

impl Cut {
    /// What to try in turn with a detection of so many bytes, if records have so many at most.
    pub fn steps(length: usize, limit: usize) -> impl Iterator<Item = Self> {
        STEPS.into_iter().map(move |[events, event, value, parts]| {
            let why = format!(
                "the detection has {length} bytes, and records have at most {limit}: long events and values are shortened"
            );
            Self { events, event, value, parts, why }
        })
    }
}

/// The beginning of a text, of so many bytes at most.
pub(super) fn beginning(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// The fields of an event that are small, as a JSON object: as many as there is room for.
pub(super) fn small_fields(fields: &Object, cut: &Cut) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (name, value) in &fields.0 {
        let before = out.len();
        super::json::name(name, &mut out);
        super::json::value(value, &mut out);
        if out.len() - before > cut.value || out.len() > cut.event {
            out.truncate(before);
        }
    }
    out.push(b'}');
    out
}
