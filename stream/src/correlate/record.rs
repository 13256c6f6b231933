//! What crosses the topic of sightings: hits with what alerts show of their events, and how far event time has come.
//!
//! A value begins with its version and its kind. Numbers are little-endian in groups of seven bits (LEB128), texts and bytes have their length
//! before them. The value of a sighting, as the engine writes it, knows rules by what they mean, so that it can be read with other rules.

use sigmund_sigma::LogSource;
use std::fmt;

const VERSION: u8 = 2;
const SIGHTING: u8 = 1;
const PROGRESS: u8 = 2;

/// Where an event came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// The event of a hit, as alerts show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// As it came.
    pub raw: Vec<u8>,
    /// Its fields as JSON, if the record is no JSON object itself.
    pub fields: Option<Vec<u8>>,
    /// Its log sources.
    pub log_sources: Vec<LogSource>,
}

/// A hit on its way to windows.
#[derive(Clone, Debug, PartialEq)]
pub struct SightingRecord {
    /// The raw partition of the event.
    pub origin: Origin,
    /// Its offset there.
    pub offset: u64,
    /// The number of the event within its record. Hits of a raw partition come in the order of offset and number.
    pub event: u32,
    /// What the correlations mean that the hit is for, shortened: readers whose rules are older or newer do not know all of them.
    pub correlations: Vec<u64>,
    /// The hit, as [`Correlations::write_sighting`](sigmund_engine::correlation::Correlations) writes it.
    pub sighting: Vec<u8>,
    /// The event.
    pub body: Body,
}

/// How far event time has come in a raw partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The raw partition.
    pub origin: Origin,
    /// The largest credible event time, in nanoseconds since 1970. `None` if there was none yet: the partition exists.
    pub time: Option<i64>,
    /// All that is to be read of it was read.
    pub ended: bool,
    /// Its offsets begin anew: what comes now was never sent before, whatever its offset.
    pub anew: bool,
}

/// A record of the topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Crossing {
    /// A hit.
    Sighting(SightingRecord),
    /// Event time goes on.
    Progress(Vec<Progress>),
}

/// Why a record is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A version that this program does not know.
    Version(u8),
    /// It is not what was written.
    Damaged,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(
                f,
                "it has version {version}, and only version {VERSION} is understood; use the program that wrote it"
            ),
            Self::Damaged => f.write_str("it is damaged, or something else wrote it"),
        }
    }
}

impl std::error::Error for Unreadable {}

impl SightingRecord {
    /// As bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let length = self.body.raw.len() + self.sighting.len();
        let mut out =
            Vec::with_capacity(length + self.body.fields.as_ref().map_or(0, Vec::len) + 64);
        out.extend_from_slice(&[VERSION, SIGHTING]);
        write_origin(&self.origin, &mut out);
        number(self.offset, &mut out);
        number(u64::from(self.event), &mut out);
        number(self.correlations.len() as u64, &mut out);
        for correlation in &self.correlations {
            out.extend_from_slice(&correlation.to_le_bytes());
        }
        bytes(&self.sighting, &mut out);
        self.body.write(&mut out);
        out
    }
}

impl Body {
    fn write(&self, out: &mut Vec<u8>) {
        number(self.log_sources.len() as u64, out);
        for source in &self.log_sources {
            for part in [&source.product, &source.category, &source.service] {
                match part {
                    Some(part) => {
                        number(part.len() as u64 + 1, out);
                        out.extend_from_slice(part.as_bytes());
                    }
                    None => out.push(0),
                }
            }
        }
        bytes(&self.raw, out);
        out.push(u8::from(self.fields.is_some()));
        self.fields.iter().for_each(|fields| bytes(fields, out));
    }

    fn read(input: &mut &[u8]) -> Option<Self> {
        let count = read_number(input)?;
        let mut log_sources = Vec::new();
        for _ in 0..count {
            let mut part = || {
                let length = read_number(input)?;
                let Some(length) = length.checked_sub(1) else { return Some(None) };
                let text = take(input, length)?;
                Some(Some(std::str::from_utf8(text).ok()?))
            };
            let (product, category, service) = (part()?, part()?, part()?);
            log_sources.push(LogSource::new(product, category, service));
        }
        let raw = read_bytes(input)?.to_vec();
        let fields = match take(input, 1)? {
            [0] => None,
            _ => Some(read_bytes(input)?.to_vec()),
        };
        Some(Self { raw, fields, log_sources })
    }
}

impl Crossing {
    /// Progress as bytes.
    #[must_use]
    pub fn write_progress(all: &[Progress]) -> Vec<u8> {
        let mut out = vec![VERSION, PROGRESS];
        number(all.len() as u64, &mut out);
        for progress in all {
            write_origin(&progress.origin, &mut out);
            out.push(
                u8::from(progress.time.is_some())
                    | u8::from(progress.ended) << 1
                    | u8::from(progress.anew) << 2,
            );
            progress.time.iter().for_each(|time| out.extend_from_slice(&time.to_le_bytes()));
        }
        out
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn read(value: &[u8]) -> Result<Self, Unreadable> {
        let (&[version, kind], mut rest) =
            value.split_first_chunk::<2>().ok_or(Unreadable::Damaged)?;
        if version != VERSION {
            return Err(Unreadable::Version(version));
        }
        let input = &mut rest;
        let read = match kind {
            SIGHTING => read_sighting(input).map(Self::Sighting),
            PROGRESS => read_progress(input).map(Self::Progress),
            _ => None,
        };
        read.filter(|_| rest.is_empty()).ok_or(Unreadable::Damaged)
    }
}

fn read_sighting(input: &mut &[u8]) -> Option<SightingRecord> {
    let origin = read_origin(input)?;
    let offset = read_number(input)?;
    let event = u32::try_from(read_number(input)?).ok()?;
    let mut correlations = Vec::new();
    for _ in 0..read_number(input)? {
        let (hash, rest) = input.split_first_chunk::<8>()?;
        *input = rest;
        correlations.push(u64::from_le_bytes(*hash));
    }
    let sighting = read_bytes(input)?.to_vec();
    let body = Body::read(input)?;
    Some(SightingRecord { origin, offset, event, correlations, sighting, body })
}

fn read_progress(input: &mut &[u8]) -> Option<Vec<Progress>> {
    let count = read_number(input)?;
    let mut all = Vec::new();
    for _ in 0..count {
        let origin = read_origin(input)?;
        let &[flags @ 0..8] = take(input, 1)? else { return None };
        let time = match flags & 1 {
            0 => None,
            _ => {
                let (time, rest) = input.split_first_chunk::<8>()?;
                *input = rest;
                Some(i64::from_le_bytes(*time))
            }
        };
        all.push(Progress { origin, time, ended: flags & 2 != 0, anew: flags & 4 != 0 });
    }
    Some(all)
}

fn write_origin(origin: &Origin, out: &mut Vec<u8>) {
    bytes(origin.topic.as_bytes(), out);
    number(u64::from(origin.partition), out);
}

fn read_origin(input: &mut &[u8]) -> Option<Origin> {
    let topic = std::str::from_utf8(read_bytes(input)?).ok()?.to_owned();
    Some(Origin { topic, partition: u32::try_from(read_number(input)?).ok()? })
}

/// Appends a number.
pub(super) fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a number.
pub(super) fn read_number(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    number(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn read_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = read_number(input)?;
    take(input, length)
}

fn take<'a>(input: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (part, rest) = input.split_at_checked(usize::try_from(length).ok()?)?;
    *input = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sighting() -> SightingRecord {
        SightingRecord {
            origin: Origin { topic: "raw".to_owned(), partition: 300 },
            offset: u64::MAX,
            event: 7,
            correlations: vec![1, u64::MAX],
            sighting: vec![1, 2, 3],
            body: Body {
                raw: b"{\"a\":1}".to_vec(),
                fields: Some(b"{}".to_vec()),
                log_sources: vec![LogSource::new(Some("zeek"), None, Some("conn"))],
            },
        }
    }

    #[test]
    fn is_read_as_written() {
        let written = sighting().write();
        assert_eq!(Crossing::read(&written), Ok(Crossing::Sighting(sighting())));
        let origin = Origin { topic: "logs.dns".to_owned(), partition: 0 };
        let all = vec![
            Progress { origin: origin.clone(), time: Some(-1), ended: false, anew: true },
            Progress { origin: origin.clone(), time: None, ended: true, anew: false },
            Progress { origin, time: Some(1), ended: true, anew: false },
        ];
        assert_eq!(Crossing::read(&Crossing::write_progress(&all)), Ok(Crossing::Progress(all)));
    }

    #[test]
    fn what_is_cut_or_longer_is_refused() {
        let written = sighting().write();
        for end in 0..written.len() {
            assert!(Crossing::read(&written[..end]).is_err(), "{end}");
        }
        assert!(Crossing::read(&[&written[..], b"x"].concat()).is_err());
        assert_eq!(Crossing::read(&[9, 1, 0]), Err(Unreadable::Version(9)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, kind in 0_u8..4) {
            let _ = Crossing::read(&bytes);
            let _ = Crossing::read(&[&[VERSION, kind], &bytes[..]].concat());
        }
    }
}
