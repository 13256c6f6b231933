//! The events behind hits, kept until alerts show them.

use crate::temporary;
use sigmund_engine::correlation::{EventRef, Sighting};
use sigmund_engine::{Event, Route};
use sigmund_stream::evidence::{self, Evidence};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use tempfile::SpooledTempFile;

/// So much is kept in memory; the rest goes to a temporary file.
const IN_MEMORY: usize = 32 << 20;

/// What temporary files are for.
const PURPOSE: &str = "keeping the events behind correlations";

/// The events behind hits, in input order.
#[derive(Debug)]
pub(crate) struct Spool {
    file: SpooledTempFile,
    /// Not written yet.
    buffer: Vec<u8>,
    /// Bytes in the file.
    written: u64,
    paths: Vec<Arc<str>>,
    routes: Vec<Arc<Route>>,
}

/// An event that was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) path: Arc<str>,
    pub(crate) record: u64,
    pub(crate) raw: Vec<u8>,
    pub(crate) route: Arc<Route>,
    fields: Option<Vec<u8>>,
}

impl Kept {
    /// The whole event.
    pub(crate) fn event(&self) -> Event {
        evidence::event(&self.raw, self.fields.as_deref(), &self.route)
    }
}

impl Spool {
    pub(crate) fn new() -> Self {
        Self {
            file: SpooledTempFile::new(IN_MEMORY),
            buffer: Vec::new(),
            written: 0,
            paths: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// Keeps an event, and gives its hit its place among all: later events have larger ones. `base` is the number of records before
    /// the part of the input that it is in.
    pub(crate) fn keep(&mut self, evidence: Evidence, base: u64) -> io::Result<Sighting> {
        let Evidence { mut sighting, path, route, raw, fields } = evidence;
        let number = base + sighting.event.record;
        let at = self.written + self.buffer.len() as u64;
        sighting.event = EventRef { record: at, ..sighting.event };
        let path = place(&mut self.paths, path, |known, path| known == path);
        let route = place(&mut self.routes, route, Arc::ptr_eq);
        for value in [number, path, route, raw.len() as u64] {
            self.buffer.extend_from_slice(&value.to_le_bytes());
        }
        let length = fields.as_ref().map_or(u64::MAX, |fields| fields.len() as u64);
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer.extend_from_slice(&raw);
        self.buffer.extend_from_slice(fields.as_deref().unwrap_or_default().as_bytes());
        if self.buffer.len() >= 256 << 10 {
            self.flush()?;
        }
        Ok(sighting)
    }

    fn flush(&mut self) -> io::Result<()> {
        let write = |file: &mut SpooledTempFile, bytes: &[u8]| {
            file.seek(SeekFrom::End(0))?;
            file.write_all(bytes)
        };
        write(&mut self.file, &self.buffer).map_err(failed)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The event at a place.
    pub(crate) fn get(&mut self, at: u64) -> io::Result<Kept> {
        self.flush()?;
        self.file.seek(SeekFrom::Start(at)).map_err(failed)?;
        let mut head = [[0; 8]; 5];
        for part in &mut head {
            self.file.read_exact(part).map_err(failed)?;
        }
        let [record, path, route, raw, fields] = head.map(u64::from_le_bytes);
        let mut read_text = |length: u64| -> io::Result<Vec<u8>> {
            let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
            self.file.read_exact(&mut text).map_err(failed)?;
            Ok(text)
        };
        let raw = read_text(raw)?;
        let fields = if fields == u64::MAX { None } else { Some(read_text(fields)?) };
        let path = Arc::clone(&self.paths[path as usize]);
        let route = Arc::clone(&self.routes[route as usize]);
        Ok(Kept { path, record, raw, route, fields })
    }
}

/// The index of a value, which is usually the one of the last call.
fn place<T>(known: &mut Vec<T>, value: T, same: fn(&T, &T) -> bool) -> u64 {
    let found = known.iter().rposition(|one| same(one, &value));
    found.unwrap_or_else(|| {
        known.push(value);
        known.len() - 1
    }) as u64
}

fn failed(error: io::Error) -> io::Error {
    temporary::failed(PURPOSE, &error)
}
