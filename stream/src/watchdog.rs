//! Ends the process when a call hangs.
//!
//! Some calls of the Kafka library have hung past their own timeouts. A process that hangs holds its partitions; one that ends gives them
//! back, and its transaction is taken back by the brokers.

use crate::kafka::Troubles;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Watched {
    call: Option<(String, Instant)>,
}

/// Watches the calls of one thread.
#[derive(Debug)]
pub struct Watchdog {
    watched: Arc<Mutex<Watched>>,
    over: Arc<AtomicBool>,
    limit: Duration,
}

/// A call is being watched until this is dropped.
#[derive(Debug)]
pub struct Guard<'a>(&'a Watchdog);

impl Watchdog {
    /// Starts watching: a call may take this long, not counting the time in which no broker answers.
    #[must_use]
    pub fn start(limit: Duration, troubles: Troubles) -> Self {
        let watched = Arc::new(Mutex::new(Watched { call: None }));
        let over = Arc::new(AtomicBool::new(false));
        let (of_thread, is_over) = (Arc::clone(&watched), Arc::clone(&over));
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(200));
                let is_away = troubles.hinder(None);
                let mut watched = of_thread.lock().unwrap_or_else(PoisonError::into_inner);
                let Some((what, deadline)) = &mut watched.call else { continue };
                let now = Instant::now();
                if is_away && !troubles.is_stopped() {
                    *deadline = (*deadline).max(now + limit);
                } else if now > *deadline {
                    end(what, is_away);
                }
            }
        });
        Self { watched, over, limit }
    }

    /// Watches a call.
    #[must_use]
    pub fn guard(&self, what: &str) -> Guard<'_> {
        self.guard_for(what, self.limit)
    }

    /// Watches a call that may take longer, or less long.
    #[must_use]
    pub fn guard_for(&self, what: &str, limit: Duration) -> Guard<'_> {
        self.set(Some((what.to_owned(), Instant::now() + limit)));
        Guard(self)
    }

    fn set(&self, call: Option<(String, Instant)>) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).call = call;
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn end(what: &str, is_away: bool) -> ! {
    if is_away {
        // Asked to stop: as it would be if the library gave up in time.
        tracing::warn!(
            "what was begun is not committed: no broker answers; nothing is lost: the next process does it again"
        );
        crate::log::flush();
        signal_hook::low_level::exit(0);
    }
    tracing::error!(
        "`{what}` hangs; the process ends, and what it was about is done again by the next one"
    );
    crate::log::flush();
    // A thread that hangs cannot be ended in any other way, nor can libraries be asked to clean up.
    signal_hook::low_level::exit(2)
}
