// SPDX-License-Identifier: Apache-2.0

//! Determines which accounts used their tokens, from the audit log of the API server.
//!
//! ```text
//! Source (files, gzip) --split--> Block --workers: event::read--> Counter --merge--> Usage
//! ```
//!
//! Several threads read the log once, in blocks; the memory does not grow with the log.

mod event;
mod source;
mod split;
mod usage;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

pub use event::{Format, Scope};
pub use source::Source;
pub use usage::{Count, Detail, HOUR, MAX_KEYS, Seen, Usage, Use};

use event::Record;
use split::{Block, MAX_RECORD_BYTES};
use usage::{Counter, OpenRequests};

/// More workers would have to wait for the files to be read.
const MAX_WORKERS: usize = 4;

/// The number of files that are read and decompressed concurrently.
const MAX_READERS: usize = 2;

/// The number of blocks that may wait for a worker.
const WAITING_BLOCKS: usize = 4;

/// Each worker parses this many of the first records that cannot be about an account, to find the time that the log covers.
const SAMPLED_AT_FIRST: u64 = 20_000;

/// After that, it parses one in this many.
const SAMPLED_AFTERWARDS: u64 = 32;

/// The result of reading a log.
#[derive(Debug, Default)]
pub struct Log {
    /// The calls that it contains.
    pub usage: Usage,
    /// Its files, in order.
    pub files: Vec<FileReport>,
}

/// The result of reading a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// Whether the user named the file, rather than a folder that contains it.
    pub is_named: bool,
    /// Whether it contains an event of any client.
    pub has_events: bool,
    /// Why it could not be read completely.
    pub error: Option<String>,
    /// Whether it is compressed and incomplete, like a file that is still being written.
    pub is_cut_off: bool,
}

/// Reads a log. `known` are the accounts of the cluster as `namespace:name`; all of them are counted separately. Several
/// threads call `progress` with the number of bytes that were read, and the total.
///
/// # Errors
/// The path that does not exist or cannot be listed. An error within a file is in its report.
pub fn read<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    known: &BTreeSet<String>,
    progress: Arc<dyn Fn(u64, u64) + Send + Sync>,
) -> Result<Log, (PathBuf, io::Error)> {
    let sources = Source::list(paths)?;
    let total: u64 = sources.iter().map(|source| source.bytes).sum();
    let done = Arc::new(AtomicU64::new(0));
    let advance = move |bytes: u64| progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, total);

    let open = OpenRequests::default();
    let reports: Vec<Mutex<FileReport>> = sources.iter().map(|source| Mutex::new(FileReport::of(source))).collect();
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(MAX_WORKERS);
    let (sender, receiver) = sync_channel::<(usize, Block)>(WAITING_BLOCKS);
    let receiver = Mutex::new(receiver);

    let mut usage = Usage::default();
    std::thread::scope(|scope| {
        for _ in 0..sources.len().min(MAX_READERS) {
            let (sender, sources, reports, next, advance) =
                (sender.clone(), &sources, &reports, &next, advance.clone());
            scope.spawn(move || {
                while let Some((index, source)) = take(sources, next) {
                    let content = source.open(advance.clone());
                    let result =
                        content.and_then(|it| split::split(it, &mut |block| sender.send((index, block)).is_ok()));
                    if let (Err(error), Some(report)) = (result, reports.get(index)) {
                        lock(report).failed(&error);
                    }
                }
            });
        }
        drop(sender);
        let counters: Vec<_> =
            (0..workers).map(|_| scope.spawn(|| work(&receiver, Counter::new(known, &open), &reports))).collect();
        for counter in counters.into_iter().filter_map(|counter| counter.join().ok()) {
            usage.merge(counter);
        }
    });
    let files: Vec<_> =
        reports.into_iter().map(|report| report.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
    usage.seen.cut_off += files.iter().filter(|file| file.is_cut_off).count() as u64;
    Ok(Log { usage, files })
}

/// The next file that no thread has read yet.
fn take<'s>(sources: &'s [Source], next: &AtomicUsize) -> Option<(usize, &'s Source)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    sources.get(index).map(|source| (index, source))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the records of blocks until there are no more blocks.
fn work<'k>(
    receiver: &Mutex<Receiver<(usize, Block)>>,
    mut counter: Counter<'k>,
    reports: &[Mutex<FileReport>],
) -> Counter<'k> {
    let mut skipped = 0_u64;
    loop {
        let received = lock(receiver).recv();
        let Ok((file, block)) = received else { return counter };
        let mut has_events = false;
        counter.seen.oversized += block.oversized;
        let mut records = block.records().peekable();
        let mut is_first = true;
        while let Some(record) = records.next() {
            counter.seen.records += 1;
            let is_last = records.peek().is_none();
            if record.len() > MAX_RECORD_BYTES {
                counter.seen.oversized += 1;
                continue;
            }
            if !event::may_matter(record) {
                skipped += 1;
                let is_sample = skipped <= SAMPLED_AT_FIRST || skipped.is_multiple_of(SAMPLED_AFTERWARDS);
                if !is_first && !is_last && !is_sample {
                    counter.seen.other_events += 1;
                    continue;
                }
            }
            is_first = false;
            event::read(record, &mut |found| {
                has_events |= found.format.is_some();
                if is_last && block.is_last && found.record == Record::Broken {
                    // The end of a file that is still being written, or that was rotated by size.
                    counter.seen.cut_off += 1;
                } else {
                    counter.add(found);
                }
            });
        }
        if has_events && let Some(report) = reports.get(file) {
            lock(report).has_events = true;
        }
    }
}

impl FileReport {
    fn of(source: &Source) -> Self {
        Self { name: source.name(), is_named: source.is_named, ..Self::default() }
    }

    fn failed(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.is_cut_off = true;
        } else {
            self.error = Some(error.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
