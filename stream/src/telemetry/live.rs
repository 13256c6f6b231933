//! Detections for those who watch. Whoever is too slow loses some, and is told how many; nobody is waited for.

use futures_core::Stream;
use sigmund_sigma::rule::Level;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// A detection as `docs/detection.schema.json` says, on one line.
#[derive(Clone, Debug)]
pub struct Shown {
    /// How bad it is.
    pub level: Option<Level>,
    /// The JSON.
    pub text: Arc<str>,
}

#[derive(Debug)]
struct Reader {
    sender: Sender<Arc<str>>,
    least: Option<Level>,
    lost: Arc<AtomicU64>,
}

/// All who watch.
#[derive(Debug, Default)]
pub(super) struct Live {
    readers: Mutex<Vec<Reader>>,
    watched: AtomicBool,
}

/// So many detections wait for a reader.
const QUEUE: usize = 1024;
/// So many may watch.
const READERS: usize = 16;

impl Live {
    /// Whether anybody watches: detections are written for them only then.
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Watches from now on; `None` if too many do.
    pub(super) fn watch(&self, least: Option<Level>) -> Option<Watcher> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|reader| !reader.sender.is_closed());
        if readers.len() >= READERS {
            return None;
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        readers.push(Reader { sender, least, lost: Arc::clone(&lost) });
        self.watched.store(true, Ordering::Relaxed);
        Some(Watcher { receiver, lost })
    }

    /// Shows detections; gives how many were lost.
    pub(super) fn show(&self, detections: impl Iterator<Item = Shown>) -> u64 {
        let mut lost = 0;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        for Shown { level, text } in detections {
            for reader in readers.iter() {
                if reader.least.is_some_and(|least| level.is_none_or(|level| level < least)) {
                    continue;
                }
                if let Err(mpsc::error::TrySendError::Full(_)) =
                    reader.sender.try_send(Arc::clone(&text))
                {
                    reader.lost.fetch_add(1, Ordering::Relaxed);
                    lost += 1;
                }
            }
        }
        readers.retain(|reader| !reader.sender.is_closed());
        self.watched.store(!readers.is_empty(), Ordering::Relaxed);
        lost
    }

    /// How many watch.
    pub(super) fn readers(&self) -> usize {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.iter().filter(|reader| !reader.sender.is_closed()).count()
    }

    /// Nobody watches any more: their streams end after what was shown.
    pub(super) fn close(&self) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.watched.store(false, Ordering::Relaxed);
    }
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Detection(Arc<str>),
    /// So many were lost since the last item.
    Lost(u64),
}

/// Somebody who watches.
#[derive(Debug)]
pub(super) struct Watcher {
    receiver: Receiver<Arc<str>>,
    lost: Arc<AtomicU64>,
}

impl Stream for Watcher {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        match self.lost.swap(0, Ordering::Relaxed) {
            0 => self.receiver.poll_recv(context).map(|text| text.map(Item::Detection)),
            lost => Poll::Ready(Some(Item::Lost(lost))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(level: Option<Level>, text: &str) -> Shown {
        Shown { level, text: text.into() }
    }

    fn next(watcher: &mut Watcher) -> Option<Item> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match Pin::new(watcher).poll_next(&mut context) {
            Poll::Ready(item) => item,
            Poll::Pending => None,
        }
    }

    #[test]
    fn readers_get_what_they_asked_for() {
        let live = Live::default();
        assert!(!live.is_watched());
        let mut all = live.watch(None).expect("room");
        let mut high = live.watch(Some(Level::High)).expect("room");
        assert!(live.is_watched());
        let detections = [shown(Some(Level::Low), "a"), shown(Some(Level::Critical), "b")];
        assert_eq!(live.show(detections.into_iter()), 0);
        live.show([shown(None, "c")].into_iter());
        for text in ["a", "b", "c"] {
            assert_eq!(next(&mut all), Some(Item::Detection(text.into())));
        }
        assert_eq!(next(&mut high), Some(Item::Detection("b".into())));
        assert_eq!(next(&mut high), None);
        drop((all, high));
        live.show(std::iter::empty());
        assert!(!live.is_watched());
    }

    #[test]
    fn slow_readers_lose_and_are_told() {
        let live = Live::default();
        let mut slow = live.watch(None).expect("room");
        let many = (0..QUEUE + 3).map(|_| shown(None, "x"));
        assert_eq!(live.show(many), 3);
        assert_eq!(next(&mut slow), Some(Item::Lost(3)));
        assert_eq!(next(&mut slow), Some(Item::Detection("x".into())));
    }

    #[test]
    fn not_everybody_may_watch() {
        let live = Live::default();
        let watchers: Vec<_> = std::iter::from_fn(|| live.watch(None)).collect();
        assert_eq!((watchers.len(), live.readers()), (READERS, READERS));
        drop(watchers);
        assert!(live.watch(None).is_some());
    }
}
