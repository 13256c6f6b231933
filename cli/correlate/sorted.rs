//! Windows over all hits in order of time, the groups divided among threads. The alerts and their order are the same on any number of them.

use super::Options;
use crate::timeline::Timeline;
use sigmund_engine::correlation::{Alert, Correlations, Sighting, Windows};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The groups are divided into so many parts on any number of threads, and the limits with them: what is given up at a limit must not
/// depend on the threads.
const SHARES: u32 = 4;

/// So many hits are handed on at once.
const BATCH: usize = 4096;

/// So many batches may wait for a thread, and so many answers for the others.
const WAITING: usize = 4;

/// Alerts, each with the number of the hit in its batch that they go out with.
type Answer = Vec<(usize, Alert)>;

/// Gets alerts in order.
type EachAlerts<'a> = dyn FnMut(&mut Vec<Alert>) -> io::Result<()> + 'a;

/// Runs the windows over hits as [`Sighting::write`] wrote them, in an input that went on until `end`.
pub(super) fn run(
    set: &Arc<Correlations>,
    options: &Options,
    order: Timeline,
    end: i64,
    each: &mut EachAlerts<'_>,
) -> io::Result<()> {
    let Options { policy, limits, threads, .. } = *options;
    let shares = if options.is_divided { SHARES } else { 1 };
    let threads = threads.clamp(1, shares as usize);
    // Round about, so that each thread has some.
    let mut parts: Vec<Vec<Windows>> = (0..threads).map(|_| Vec::new()).collect();
    for index in 0..shares {
        let windows = Windows::sharing(Arc::clone(set), policy, limits, (index, shares));
        parts[index as usize % threads].push(windows);
    }
    if threads == 1 {
        return alone(parts.remove(0), order, end, each);
    }
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for windows in parts {
            let (batches, batches_of_worker) = sync_channel(WAITING);
            let (answers_of_worker, answers) = sync_channel(2 * WAITING);
            scope.spawn(move || work(windows, &batches_of_worker, &answers_of_worker, end));
            workers.push((batches, answers));
        }
        let mut sent = 0_usize;
        let mut asked = 0_usize;
        let mut batch = Vec::with_capacity(BATCH);
        let mut ask = |batch: &mut Vec<Sighting>, workers: &[Worker]| {
            let full = Arc::new(std::mem::replace(batch, Vec::with_capacity(BATCH)));
            for (batches, _) in workers {
                // Whoever does not listen any more has no answer either, which is noticed below.
                let _ = batches.send(Arc::clone(&full));
            }
            sent += 1;
            // Answers are taken while others are worked on.
            if sent > asked + WAITING {
                asked += 1;
                return answered(workers, each);
            }
            Ok(())
        };
        order.finish(&mut |mut bytes| {
            batch.push(read(&mut bytes)?);
            if batch.len() == BATCH { ask(&mut batch, &workers) } else { Ok(()) }
        })?;
        ask(&mut batch, &workers)?;
        let (senders, answers): (Vec<_>, Vec<_>) = workers.into_iter().unzip();
        drop(senders);
        // What is open, and what the end of the input decides.
        for _ in asked..=sent {
            merged(answers.iter(), each)?;
        }
        Ok(())
    })
}

/// Where batches go and answers come from.
type Worker = (SyncSender<Arc<Vec<Sighting>>>, Receiver<Answer>);

fn answered(workers: &[Worker], each: &mut EachAlerts<'_>) -> io::Result<()> {
    merged(workers.iter().map(|(_, answers)| answers), each)
}

/// Takes an answer of each thread and hands on the alerts.
fn merged<'a>(
    answers: impl Iterator<Item = &'a Receiver<Answer>>,
    each: &mut EachAlerts<'_>,
) -> io::Result<()> {
    let mut all = Vec::new();
    for answers in answers {
        let ended = |_| io::Error::other("a thread of the correlations ended without a result");
        all.extend(answers.recv().map_err(ended)?);
    }
    all.sort_by(|(at, one), (other_at, other)| (at, one.order()).cmp(&(other_at, other.order())));
    let mut alerts: Vec<Alert> = all.into_iter().map(|(_, alert)| alert).collect();
    if alerts.is_empty() { Ok(()) } else { each(&mut alerts) }
}

/// Answers each batch, and the end of all.
fn work(
    mut windows: Vec<Windows>,
    batches: &Receiver<Arc<Vec<Sighting>>>,
    answers: &SyncSender<Answer>,
    end: i64,
) {
    let mut alerts = Vec::new();
    while let Ok(batch) = batches.recv() {
        let mut answer = Answer::new();
        for (at, sighting) in batch.iter().enumerate() {
            windows.iter_mut().for_each(|windows| windows.process(sighting, &mut alerts));
            answer.extend(alerts.drain(..).map(|alert| (at, alert)));
        }
        // Nobody listens: the output is closed.
        if answers.send(answer).is_err() {
            return;
        }
    }
    windows.iter_mut().for_each(|windows| windows.finish(end, &mut alerts));
    let _ = answers.send(alerts.into_iter().map(|alert| (0, alert)).collect());
}

fn alone(
    mut windows: Vec<Windows>,
    order: Timeline,
    end: i64,
    each: &mut EachAlerts<'_>,
) -> io::Result<()> {
    let mut alerts = Vec::new();
    let hand_on = |alerts: &mut Vec<Alert>, each: &mut EachAlerts<'_>| {
        alerts.sort_by(|one, other| one.order().cmp(&other.order()));
        if alerts.is_empty() { Ok(()) } else { each(alerts) }
    };
    order.finish(&mut |mut bytes| {
        let sighting = read(&mut bytes)?;
        windows.iter_mut().for_each(|windows| windows.process(&sighting, &mut alerts));
        hand_on(&mut alerts, each)
    })?;
    windows.iter_mut().for_each(|windows| windows.finish(end, &mut alerts));
    hand_on(&mut alerts, each)
}

fn read(bytes: &mut &[u8]) -> io::Result<Sighting> {
    // It is read as it was written, or the file is broken.
    Sighting::read(bytes)
        .ok_or_else(|| io::Error::other("the sorted hits of correlations are damaged"))
}
