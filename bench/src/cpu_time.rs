//! The CPU time of a thread: what a stage costs whatever else the machine does.

use std::time::Duration;

/// CPU time of this thread so far, user and system.
#[cfg(unix)]
#[must_use]
pub fn of_this_thread() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Where the system tells no CPU time by this interface: the time that passed.
#[cfg(not(unix))]
#[must_use]
pub fn of_this_thread() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// The CPU time that something takes on this thread, and what it gives.
pub fn measured<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = of_this_thread();
    let result = work();
    (of_this_thread().saturating_sub(start), result)
}
