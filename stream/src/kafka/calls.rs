//! Calls that may hang, on a thread of their own.
//!
//! Some calls of the Kafka library have hung past their own timeouts (librdkafka issues 5456 and 5511). Whoever waits for one here can give it up: the
//! thread stays with the call, and what the call uses lives as long as that.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// While a call is waited for it is asked so often whether it is to be given up.
const LOOK: Duration = Duration::from_millis(100);

/// A thread that makes calls, one after the other.
#[derive(Debug)]
pub(super) struct Calls(Sender<Job>);

impl Calls {
    /// Starts the thread. It ends when this is dropped, or with the call that it is at.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub(super) fn start() -> io::Result<Self> {
        let (sender, jobs) = channel::<Job>();
        let thread = std::thread::Builder::new().name("calls".to_owned());
        thread.spawn(move || jobs.into_iter().for_each(|job| job()))?;
        Ok(Self(sender))
    }

    /// Makes a call and waits for its answer. `None` if it was given up, as is every call after that, or if it panicked.
    pub(super) fn make<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
        gives_up: &mut dyn FnMut() -> bool,
    ) -> Option<T> {
        let (answer, answers) = sync_channel(1);
        let job = move || {
            // Nobody waits any more if it was given up.
            let _ = answer.send(call());
        };
        self.0.send(Box::new(job)).ok()?;
        loop {
            match answers.recv_timeout(LOOK) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout) if !gives_up() => {}
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn what_hangs_is_given_up() {
        let calls = Calls::start().unwrap();
        assert_eq!(calls.make(|| 7, &mut || true), Some(7));
        let mut asked = 0;
        let slow = || std::thread::sleep(LOOK * 3);
        let waits = &mut || {
            asked += 1;
            false
        };
        assert_eq!(calls.make(slow, waits), Some(()));
        assert!(asked > 0);
        // What the call uses lives on, and is let go when it ends after all.
        let (release, hangs) = channel::<()>();
        let used = Arc::new(AtomicBool::new(false));
        let of_call = Arc::clone(&used);
        let call = move || {
            let _ = hangs.recv();
            of_call.store(true, Ordering::Relaxed);
        };
        let mut looks = 0;
        let gives_up = &mut || {
            looks += 1;
            looks > 2
        };
        assert_eq!(calls.make(call, gives_up), None);
        assert_eq!((Arc::strong_count(&used), calls.make(|| 7, &mut || true)), (2, None));
        drop(calls);
        release.send(()).unwrap();
        while Arc::strong_count(&used) > 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(used.load(Ordering::Relaxed));
    }

    #[test]
    fn a_call_that_panics_has_no_answer() {
        let calls = Calls::start().unwrap();
        assert_eq!(calls.make(|| -> i32 { panic!("as a test") }, &mut || false), None);
        assert_eq!(calls.make(|| 7, &mut || false), None);
    }
}
