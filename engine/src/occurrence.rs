//! An event as its readers ask for it: the whole, or the record that was matched, with the rest of it only on demand.

use crate::{Event, EventTime, Record, Route};
use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::sync::Arc;

/// What [`Lookup`](crate::oracle::Lookup) and encoders read.
pub trait Occurrence: fmt::Debug {
    /// The record as it came ([`Event::raw`]).
    fn raw(&self) -> &[u8];

    /// Log sources and aliases.
    fn route(&self) -> &Arc<Route>;

    /// When it happened.
    fn time(&self) -> Option<EventTime>;

    /// Every field of it.
    fn whole(&self) -> &Event;

    /// Gives `show` a record with every field of it, without making an event of them, and the bytes that it is of. Whether it did: where the fields
    /// have a structure of their own, and where the event is there anyway, [`whole`](Self::whole) has to be asked.
    fn fields(&self, show: &mut dyn FnMut(&[u8], &Record)) -> bool {
        let _ = show;
        false
    }

    /// The record with its wanted fields, if they were read: what they hold, [`whole`](Self::whole) need not be asked for.
    fn record(&self) -> Option<&Record> {
        None
    }
}

impl Occurrence for Event {
    fn raw(&self) -> &[u8] {
        &self.raw
    }

    fn route(&self) -> &Arc<Route> {
        &self.route
    }

    fn time(&self) -> Option<EventTime> {
        self.time
    }

    fn whole(&self) -> &Event {
        self
    }
}

/// Reads a record in full of which only the wanted fields were read.
pub trait Reread {
    /// The whole event.
    fn event(&mut self) -> Event;

    /// Gives `show` a record with every field and the bytes that it is of, or else the event: where the fields have a structure of their own.
    fn fields(&mut self, show: &mut dyn FnMut(&[u8], &Record)) -> Option<Event> {
        let _ = show;
        Some(self.event())
    }
}

impl<F: FnMut() -> Event> Reread for F {
    fn event(&mut self) -> Event {
        self()
    }
}

/// A record that is read in full when the first reader asks for more than its wanted fields.
pub struct Partial<'e> {
    raw: &'e [u8],
    record: &'e Record,
    route: &'e Arc<Route>,
    /// `None` if only the whole event tells.
    time: Option<Option<EventTime>>,
    whole: OnceCell<Event>,
    read: RefCell<&'e mut dyn Reread>,
}

impl<'e> Partial<'e> {
    /// A record and what reads it in full; `None` if it has no route. `time` is `None` if only the whole event tells.
    pub fn new(
        raw: &'e [u8],
        record: &'e Record,
        time: Option<Option<EventTime>>,
        read: &'e mut dyn Reread,
    ) -> Option<Self> {
        let route = record.route.as_ref()?;
        let (whole, read) = (OnceCell::new(), RefCell::new(read));
        Some(Self { raw, record, route, time, whole, read })
    }
}

impl fmt::Debug for Partial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partial").field("raw", &String::from_utf8_lossy(self.raw)).finish()
    }
}

impl Occurrence for Partial<'_> {
    fn raw(&self) -> &[u8] {
        self.raw
    }

    fn route(&self) -> &Arc<Route> {
        self.route
    }

    fn time(&self) -> Option<EventTime> {
        self.time.unwrap_or_else(|| self.whole().time)
    }

    fn whole(&self) -> &Event {
        self.whole.get_or_init(|| self.read.borrow_mut().event())
    }

    fn fields(&self, show: &mut dyn FnMut(&[u8], &Record)) -> bool {
        if self.whole.get().is_some() {
            return false;
        }
        let event = self.read.borrow_mut().fields(show);
        let is_shown = event.is_none();
        if let Some(event) = event {
            let _ = self.whole.set(event);
        }
        is_shown
    }

    fn record(&self) -> Option<&Record> {
        Some(self.record)
    }
}
