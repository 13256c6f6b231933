//! Where lines of the log go: to stderr, by a thread of its own, so that a disk that is full or a reader that sleeps holds up no lane.
//!
//! What cannot be written is counted, and said as soon as it can be.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// So many lines wait at most.
const WAITING: usize = 4096;

/// Who ends the process waits so long for lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    /// All before it is written.
    Mark(SyncSender<()>),
}

static QUEUE: OnceLock<SyncSender<Item>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

/// Starts writing to stderr. The second time it does nothing.
///
/// # Errors
///
/// There is no thread for it.
pub fn begin() -> io::Result<()> {
    let (sender, items) = sync_channel(WAITING);
    if QUEUE.set(sender).is_ok() {
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || write(&items, &mut io::stderr(), &say))?;
    }
    Ok(())
}

/// Lines that could not be written so far.
#[must_use]
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Waits, not long, until all lines are written: before the process ends.
pub fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let (done, written) = sync_channel(1);
    // A queue that is full is one that nobody writes.
    if queue.try_send(Item::Mark(done)).is_ok() {
        let _ = written.recv_timeout(PATIENCE);
    }
}

/// For one line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Some(queue) = QUEUE.get() else { return io::stderr().write(line) };
        if let Err(TrySendError::Full(_)) = queue.try_send(Item::Line(line.to_vec())) {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn say(lost: u64, why: &str) {
    tracing::warn!(
        "{lost} lines of the log were lost: {why}; make room where the log goes, or let somebody read it"
    );
}

/// Writes until the end. `say` tells of lines that were lost, after one that was not.
fn write(items: &Receiver<Item>, to: &mut dyn Write, say: &dyn Fn(u64, &str)) {
    let mut told = 0;
    let mut why = String::new();
    while let Ok(item) = items.recv() {
        match item {
            Item::Line(line) => match to.write_all(&line).and_then(|()| to.flush()) {
                Ok(()) => {
                    let lost = LOST.load(Ordering::Relaxed);
                    if lost > told {
                        let why = if why.is_empty() { "they were not read in time" } else { &why };
                        say(lost - told, why);
                        told = lost;
                    }
                    why.clear();
                }
                Err(error) => {
                    LOST.fetch_add(1, Ordering::Relaxed);
                    why = error.to_string();
                }
            },
            Item::Mark(done) => {
                // Who asked may have lost patience.
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A disk that is full for some lines.
    struct Disk(Vec<u8>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1 > 0 {
                self.1 -= 1;
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_are_lost_are_said_when_there_is_room_again() {
        let (sender, items) = sync_channel(10);
        for line in ["a\n", "b\n", "c\n"] {
            sender.send(Item::Line(line.into())).expect("room");
        }
        let (done, written) = sync_channel(1);
        sender.send(Item::Mark(done)).expect("room");
        drop(sender);
        let (mut disk, said) = (Disk(Vec::new(), 2), RefCell::new(Vec::new()));
        write(&items, &mut disk, &|lost, why| said.borrow_mut().push((lost, why.to_owned())));
        assert_eq!(disk.0, b"c\n");
        assert!(written.try_recv().is_ok());
        let said = said.into_inner();
        assert_eq!(said.len(), 1);
        assert!(said[0].0 >= 2 && said[0].1.contains("no storage space"), "{said:?}");
        assert!(lost() >= 2);
    }
}
