//! Texts, of detections for example, in order of time, in bounded memory: so many are sorted at once, sorted runs go to temporary files, and the
//! runs are merged when all detections are there. What has the same time stays in input order; what has none comes last.

use crate::temporary;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};

/// So many bytes of detections are in memory.
const HELD: usize = 32 << 20;

/// So many runs of a size become one, so that few files are open at once.
const MERGED: usize = 16;

/// What a detection takes besides its text.
const OVERHEAD: usize = size_of::<Timed>();

/// When a detection's event happened, and its text.
type Timed = (i64, Box<[u8]>);

/// Gets texts in order.
pub(crate) type Each<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// See the module.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// What temporary files are for.
    purpose: &'static str,
    limit: usize,
    /// In input order, later than all runs.
    held: Vec<Timed>,
    held_bytes: usize,
    /// In input order; a run is never of a higher rank than one before it.
    runs: Vec<Run>,
}

/// Detections in order of time: `time length text`, numbers as 8 bytes.
#[derive(Debug)]
struct Run {
    file: File,
    /// How often it was merged.
    rank: u32,
}

impl Timeline {
    /// `purpose` is what temporary files are for, if there is no room for them.
    pub(crate) fn new(purpose: &'static str) -> Self {
        Self::with_limit(purpose, HELD)
    }

    fn with_limit(purpose: &'static str, limit: usize) -> Self {
        Self { purpose, limit, held: Vec::new(), held_bytes: 0, runs: Vec::new() }
    }

    /// Takes the next detection in input order.
    pub(crate) fn push(&mut self, time: Option<i64>, text: &[u8]) -> io::Result<()> {
        self.held.push((time.unwrap_or(i64::MAX), text.into()));
        self.held_bytes += text.len() + OVERHEAD;
        if self.held_bytes > self.limit { self.spill() } else { Ok(()) }
    }

    /// Gives all detections in order of time.
    pub(crate) fn finish(mut self, each: &mut Each<'_>) -> io::Result<()> {
        if !self.runs.is_empty() && !self.held.is_empty() {
            self.spill()?;
        }
        self.held.sort_by_key(|(time, _)| *time);
        for (_, text) in &self.held {
            each(text)?;
        }
        let mut text = Vec::new();
        let failed = |error| temporary::failed(self.purpose, &error);
        merge(self.purpose, &mut self.runs, &mut |_, length, reader| {
            text.clear();
            reader.take(length).read_to_end(&mut text).map_err(failed)?;
            each(&text)
        })
    }

    /// Writes what is in memory to a run.
    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_by_key(|(time, _)| *time);
        let purpose = self.purpose;
        let failed = |error| temporary::failed(purpose, &error);
        let file = written(purpose, &mut |out| {
            for (time, text) in &self.held {
                head(*time, text.len() as u64, out).map_err(failed)?;
                out.write_all(text).map_err(failed)?;
            }
            Ok(())
        })?;
        self.held.clear();
        self.held_bytes = 0;
        self.runs.push(Run { file, rank: 0 });
        loop {
            let rank = self.runs.last().map_or(0, |run| run.rank);
            let same = self.runs.iter().rev().take_while(|run| run.rank == rank).count();
            if same < MERGED {
                return Ok(());
            }
            let mut runs = self.runs.split_off(self.runs.len() - same);
            let file = written(purpose, &mut |out| {
                merge(purpose, &mut runs, &mut |time, length, reader| {
                    head(time, length, out).map_err(failed)?;
                    io::copy(&mut reader.take(length), out).map(|_| ()).map_err(failed)
                })
            })?;
            self.runs.push(Run { file, rank: rank + 1 });
        }
    }
}

fn head(time: i64, length: u64, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&time.to_le_bytes())?;
    out.write_all(&length.to_le_bytes())
}

/// A temporary file with what `write` writes.
fn written(
    purpose: &str,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<File> {
    let mut out = BufWriter::with_capacity(64 << 10, temporary::file(purpose)?);
    write(&mut out)?;
    out.into_inner().map_err(|error| temporary::failed(purpose, &error.into_error()))
}

/// Gets a detection's time, the length of its text, and where to read it.
type EachHead<'a> = dyn FnMut(i64, u64, &mut dyn Read) -> io::Result<()> + 'a;

/// Gives the detections of all runs in order of time, those of earlier runs first.
fn merge(purpose: &str, runs: &mut [Run], each: &mut EachHead<'_>) -> io::Result<()> {
    let failed = |error| temporary::failed(purpose, &error);
    let mut readers = Vec::new();
    let mut next = BinaryHeap::new();
    for (index, run) in runs.iter_mut().enumerate() {
        run.file.rewind().map_err(failed)?;
        let mut reader = BufReader::with_capacity(64 << 10, &mut run.file);
        if let Some((time, length)) = read_head(&mut reader).map_err(failed)? {
            next.push(Reverse((time, index, length)));
        }
        readers.push(reader);
    }
    while let Some(Reverse((time, index, length))) = next.pop() {
        each(time, length, &mut readers[index])?;
        if let Some((time, length)) = read_head(&mut readers[index]).map_err(failed)? {
            next.push(Reverse((time, index, length)));
        }
    }
    Ok(())
}

/// Time and length of the next text; `None` at the end.
fn read_head(reader: &mut BufReader<&mut File>) -> io::Result<Option<(i64, u64)>> {
    use std::io::BufRead as _;
    if reader.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let (mut time, mut length) = ([0; 8], [0; 8]);
    reader.read_exact(&mut time)?;
    reader.read_exact(&mut length)?;
    Ok(Some((i64::from_le_bytes(time), u64::from_le_bytes(length))))
}

#[cfg(test)]
mod tests {
    use super::Timeline;

    /// Some times, many of them equal, some unknown.
    fn detections(count: u64) -> Vec<(Option<i64>, String)> {
        let mut dice = 1_u64;
        (0..count)
            .map(|number| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number);
                let time = (dice >> 40) as i64 % 50 - 25;
                let text = format!("{number}:{}", "x".repeat((dice >> 50) as usize % 40));
                ((time != 7).then_some(time), text)
            })
            .collect()
    }

    fn sorted(limit: usize, detections: &[(Option<i64>, String)]) -> (Vec<String>, usize) {
        let mut timeline = Timeline::with_limit("testing", limit);
        let mut most = 0;
        for (time, text) in detections {
            timeline.push(*time, text.as_bytes()).expect("room for temporary files");
            most = most.max(timeline.held.len());
            assert!(timeline.held_bytes <= limit);
            assert!(timeline.runs.len() < 3 * 16, "{} files are open", timeline.runs.len());
        }
        let mut texts = Vec::new();
        let finished = timeline.finish(&mut |text| {
            texts.push(String::from_utf8_lossy(text).into_owned());
            Ok(())
        });
        finished.expect("the files can be read");
        (texts, most)
    }

    #[test]
    fn the_order_does_not_depend_on_the_memory() {
        let detections = detections(3_000);
        let mut expected = detections.clone();
        expected.sort_by_key(|(time, _)| time.unwrap_or(i64::MAX));
        let expected: Vec<String> = expected.into_iter().map(|(_, text)| text).collect();
        // All in memory; some; one at a time, so that merged runs are merged again.
        for (limit, most) in [(1 << 20, 3_000), (4_000, 200), (64, 2), (0, 0)] {
            let (texts, held) = sorted(limit, &detections);
            assert!(texts == expected, "in another order with {limit} bytes");
            assert!(held <= most, "{held} detections in memory with {limit} bytes");
        }
    }

    #[test]
    fn few_and_long_texts_are_kept_whole() {
        let long = "é".repeat(100_000);
        let detections =
            [(None, "last".into()), (Some(2), long.clone()), (Some(1), "first".into())];
        assert_eq!(sorted(10, &detections).0, ["first", &long, "last"]);
        assert!(sorted(10, &[]).0.is_empty());
    }

    #[test]
    fn an_error_of_the_output_is_passed_on() {
        let mut timeline = Timeline::with_limit("testing", 0);
        timeline.push(None, b"a").expect("room for temporary files");
        let result = timeline.finish(&mut |_| Err(std::io::ErrorKind::BrokenPipe.into()));
        assert_eq!(
            result.expect_err("the output is closed").kind(),
            std::io::ErrorKind::BrokenPipe
        );
    }
}
