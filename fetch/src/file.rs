//! One file, from as many mirrors as it takes.
//!
//! ```text
//! at          bytes that are there: checked, hashed and written
//! buffer      the piece behind them, as far as it has come
//!
//!        ask ──► answer ──► buffer ──► is it right? ──► write, hash, at += 8 MiB ──► … ──► digest of all ──► name
//!         ▲                                │
//!         └──── the next mirror ◄──────────┘ no, or broken off, or stalled
//! ```
//!
//! Always: with something to check a piece by (its leaf hash, or the digest of a file of one piece), nothing is written that
//! was not checked. Without, a mirror is blamed only for bytes that are all its own: where a file that several had a part in
//! is wrong, it is fetched again from one at a time. It ends: each mirror has a number of tries, and gets them back only for a
//! mebibyte further on in the file than anybody was.

use std::fs::File;
use std::io::{self, Read as _};
use std::mem;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::answer::{Answer, Ask};
use crate::digest::Hasher;
use crate::partial::Partial;
use crate::plan::Job;
use crate::run::Shared;
use crate::{Fault, FetchError, FileOutcome, How, MirrorFault};

/// How many bytes are taken from a connection at once.
const STEP_BYTES: usize = 128 * 1024;

/// How many bytes of a file show that a mirror is worth more tries.
const GOOD_BYTES: u64 = 1 << 20;

/// The longest wait before a mirror is tried again, if it asks for none.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How often a waiting thread looks whether it is still needed.
const LOOK: Duration = Duration::from_millis(50);

/// Fetches a file that is not there yet, and checks one that is. `None` if it was given up on the way.
///
/// `buffer` is kept for the next file: it grows to the largest piece and no further.
pub(crate) fn fetch_file(
    shared: &Shared<'_>,
    job: &Job,
    buffer: &mut Vec<u8>,
) -> Result<Option<FileOutcome>, FetchError> {
    let outcome = |how, received| FileOutcome {
        path: job.path.clone(),
        size: job.size,
        how,
        received,
    };
    if let Some(size) = shared.folder.size_of(&job.path)? {
        match check_existing(shared, job, size, buffer)? {
            Existing::Right => return Ok(Some(outcome(How::AlreadyThere, 0))),
            Existing::GivenUp => return Ok(None),
            Existing::Other(_) if shared.options.replace => {}
            Existing::Other(difference) => {
                return Err(FetchError::Differs {
                    file: job.path.clone(),
                    difference,
                });
            }
        }
    }
    let mut fetching = Fetching::begin(shared, job, buffer)?;
    let from = fetching.at;
    match fetching.run() {
        Ok(true) => {}
        result => {
            if fetching.at == 0 && !shared.is_given_up() {
                // Nothing that a later run could go on from.
                fetching.partial.remove();
            }
            return result.map(|_| None);
        }
    }
    let how = match from {
        0 => How::Fetched,
        _ if fetching.was_begun_anew => How::Fetched,
        from => How::Resumed { from },
    };
    let received = fetching.received;
    fetching.partial.finish(shared.options.replace)?;
    Ok(Some(outcome(how, received)))
}

/// What a file is that was there.
enum Existing {
    Right,
    /// Why it is another one.
    Other(String),
    GivenUp,
}

/// Compares a file that has its final name with the release's.
fn check_existing(
    shared: &Shared<'_>,
    job: &Job,
    size: u64,
    buffer: &mut Vec<u8>,
) -> Result<Existing, FetchError> {
    if size != job.size {
        return Ok(Existing::Other(format!(
            "it has {size} bytes, and the release's {}",
            job.size
        )));
    }
    let mut file: File = shared.folder.open_file(&job.path)?;
    let mut counted = Counted::new(shared);
    let mut hasher = job.expected.hasher();
    buffer.resize(STEP_BYTES, 0);
    let mut at = 0;
    loop {
        if shared.is_given_up() {
            return Ok(Existing::GivenUp);
        }
        match file.read(buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                at += read as u64;
                counted.set(at.min(job.size));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(FetchError::Disk {
                    file: job.path.clone(),
                    doing: "reading",
                    at,
                    error,
                });
            }
        }
    }
    match job.expected.check(hasher) {
        Ok(()) => Ok(Existing::Right),
        Err(found) => {
            counted.set(0);
            let (algorithm, expected) = (job.expected.algorithm, &job.expected.digest);
            Ok(Existing::Other(format!(
                "its {algorithm} is {found}, and the release's {expected}"
            )))
        }
    }
}

/// A file on its way.
struct Fetching<'a> {
    shared: &'a Shared<'a>,
    job: &'a Job,
    partial: Partial<'a>,
    buffer: &'a mut Vec<u8>,
    /// Whom the bytes in `buffer` are from.
    buffer_from: Option<usize>,
    /// Bytes that are there: written, hashed, and checked if there is something to check them by.
    at: u64,
    /// Over the bytes that are there.
    hasher: Hasher,
    /// Whom the bytes that are there are from. Of no use where each piece is checked.
    origin: Origin,
    mirrors: Vec<Mirror>,
    /// Whom to ask next, as an index of `mirrors`.
    turn: usize,
    /// Whether no two mirrors may have a part in the file.
    is_from_one: bool,
    was_begun_anew: bool,
    /// How far the file had come when a mirror last got its tries back.
    best: u64,
    received: u64,
    counted: Counted<'a>,
}

/// A source, about one file.
struct Mirror {
    /// Which of the plan's sources.
    source: usize,
    /// Failures since it last sent something good.
    failures: u32,
    fault: Option<Fault>,
    is_out: bool,
}

/// Whom bytes are from.
#[derive(Debug)]
enum Origin {
    Nobody,
    /// One mirror, which gave them this strong `ETag`.
    One(usize, Option<String>),
    /// Several, or somebody in an earlier run.
    Several,
}

/// Why an answer was not read to its end.
enum Halt {
    /// The mirror's fault.
    Fault(Fault),
    /// Nothing that another mirror helps against.
    Error(FetchError),
    GivenUp,
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<FetchError> for Halt {
    fn from(error: FetchError) -> Self {
        Self::Error(error)
    }
}

impl<'a> Fetching<'a> {
    /// Takes up what an earlier run left, as far as it is right.
    fn begin(
        shared: &'a Shared<'a>,
        job: &'a Job,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Self, FetchError> {
        buffer.clear();
        let mirrors = shared.order().into_iter().map(|source| Mirror {
            source,
            failures: 0,
            fault: None,
            is_out: false,
        });
        let mut fetching = Self {
            shared,
            job,
            partial: Partial::open(shared.folder, job)?,
            buffer,
            buffer_from: None,
            at: 0,
            hasher: job.expected.hasher(),
            origin: Origin::Nobody,
            mirrors: mirrors.collect(),
            turn: 0,
            is_from_one: false,
            was_begun_anew: false,
            best: 0,
            received: 0,
            counted: Counted::new(shared),
        };
        fetching.take_up()?;
        Ok(fetching)
    }

    /// Reads and checks what is there, piece by piece, and drops the first wrong one and all behind it.
    fn take_up(&mut self) -> Result<(), FetchError> {
        let mut there = self.partial.bytes()?;
        if there > self.job.size {
            // Not what this program leaves.
            there = 0;
        }
        while self.at < there {
            if self.shared.is_given_up() {
                // What was not looked at is for the next time.
                self.buffer.clear();
                return Ok(());
            }
            let whole = self.job.piece_bytes(self.at);
            let left = usize::try_from(there - self.at).unwrap_or(usize::MAX);
            self.buffer.resize(whole.min(left), 0);
            self.partial.read(self.at, self.buffer)?;
            // The beginning of a piece is not right either, where pieces can be checked.
            if !self.job.may_be(self.at, self.buffer) {
                break;
            }
            self.hasher.update(self.buffer);
            self.at += self.buffer.len() as u64;
            self.counted.set(self.at);
        }
        self.buffer.clear();
        if self.at > 0 {
            self.origin = Origin::Several;
        }
        self.partial.cut(self.at)
    }

    /// Fetches until the file is whole and right; `false` if it was given up on the way.
    fn run(&mut self) -> Result<bool, FetchError> {
        loop {
            if self.shared.is_given_up() {
                return Ok(false);
            }
            if self.at == self.job.size {
                if self.is_right()? {
                    return Ok(true);
                }
                continue;
            }
            let Some(turn) = self.next_mirror() else {
                return Err(self.no_mirror());
            };
            self.turn = turn;
            self.wait(turn);
            match self.ask(turn) {
                Ok(()) => {}
                Err(Halt::Fault(fault)) => self.blame(turn, fault),
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::GivenUp) => return Ok(false),
            }
        }
    }

    /// Whether the digest of all bytes is the right one. If not, all of them are dropped.
    fn is_right(&mut self) -> Result<bool, FetchError> {
        let hasher = mem::replace(&mut self.hasher, self.job.expected.hasher());
        let Err(found) = self.job.expected.check(hasher) else {
            return Ok(true);
        };
        if self.job.is_checked_by_piece() {
            self.begin_anew()?;
            return Err(FetchError::Contradiction {
                file: self.job.path.clone(),
                contradiction: if self.job.size == 0 {
                    "it has 0 bytes, and its digest is not that of 0 bytes"
                } else {
                    "those that have the leaf hashes of the chunk list have not the digest of the manifest"
                },
            });
        }
        match self.origin {
            Origin::One(turn, _) => {
                self.turn = turn;
                let fault = Fault::Digest {
                    algorithm: self.job.expected.algorithm.name(),
                    found,
                    expected: self.job.expected.digest.clone(),
                };
                self.blame(turn, fault);
            }
            // Nobody can tell whose bytes are wrong.
            Origin::Nobody | Origin::Several => self.is_from_one = true,
        }
        self.begin_anew()?;
        Ok(false)
    }

    /// Drops all bytes that are there.
    fn begin_anew(&mut self) -> Result<(), FetchError> {
        self.buffer.clear();
        self.at = 0;
        self.hasher = self.job.expected.hasher();
        self.origin = Origin::Nobody;
        self.was_begun_anew = true;
        self.counted.set(0);
        self.partial.cut(0)
    }

    /// The one whose turn it is, or the first behind it that was not given up.
    fn next_mirror(&self) -> Option<usize> {
        let count = self.mirrors.len();
        let from_turn = (0..count).map(|n| (self.turn + n) % count);
        from_turn
            .into_iter()
            .find(|index| !self.mirrors[*index].is_out)
    }

    /// Leaves a mirror alone for a while that has failed before.
    fn wait(&self, turn: usize) {
        let mirror = &self.mirrors[turn];
        let Some(doubled) = mirror.failures.checked_sub(1) else {
            return;
        };
        let pause = self.shared.options.patience.pause;
        let pause = pause.saturating_mul(1_u32.checked_shl(doubled).unwrap_or(u32::MAX));
        let asked = mirror.fault.as_ref().and_then(Fault::retry_after);
        let mut left = pause.min(PAUSE_MAX).max(asked.unwrap_or_default());
        while !left.is_zero() && !self.shared.is_given_up() {
            let step = left.min(LOOK);
            thread::sleep(step);
            left -= step;
        }
    }

    /// Notes what was wrong with a mirror, and whether it is asked again.
    fn blame(&mut self, turn: usize, fault: Fault) {
        let there = self.at + self.buffer.len() as u64;
        let mirror = &mut self.mirrors[turn];
        self.shared.strike(mirror.source, &fault);
        // Counted from the furthest point, and not by what was sent: a server that begins at the first byte each time, and
        // breaks off, would be asked for ever.
        if there >= self.best.saturating_add(GOOD_BYTES) {
            mirror.failures = 0;
            self.best = there;
        }
        mirror.failures += 1;
        mirror.fault = Some(fault.clone());
        mirror.is_out = !fault.may_pass() || mirror.failures > self.shared.options.patience.retries;
        if mirror.is_out {
            self.best = 0;
            let source = self.shared.plan.sources[mirror.source].clone();
            self.shared.report(MirrorFault {
                source,
                file: self.job.path.clone(),
                fault,
            });
        }
        // Another one may have no such trouble; but a file that must be from one is finished by that one.
        if mirror.is_out || !self.is_from_one {
            self.turn = (turn + 1) % self.mirrors.len();
        }
    }

    /// Asks a mirror for all that is missing, and takes what it sends.
    fn ask(&mut self, turn: usize) -> Result<(), Halt> {
        if self.buffer_from != Some(turn) {
            // Half a piece from one and half from another would be wrong by nobody's fault.
            self.buffer.clear();
            self.buffer_from = Some(turn);
        }
        let is_own = matches!(self.origin, Origin::One(origin, _) if origin == turn);
        if self.is_from_one && self.at > 0 && !is_own {
            self.begin_anew()?;
        }
        // Bytes that were checked are right whatever the mirror has now. Only others need to be of one version of its file.
        let version = match &self.origin {
            Origin::One(origin, etag) if *origin == turn && !self.job.is_checked_by_piece() => {
                etag.clone()
            }
            _ => None,
        };
        let from = self.at + self.buffer.len() as u64;
        let source = &self.shared.plan.sources[self.mirrors[turn].source];
        let ask = Ask {
            path: &self.job.path,
            size: self.job.size,
            from,
            if_range: version.as_deref(),
        };
        let patience = &self.shared.options.patience;
        let answer = source.ask(self.shared.agent, patience, ask)?;
        let mut pos = self.at;
        if answer.start != from {
            // All of it, where a part was asked for. Pieces that can be checked are, and those that are there are not written
            // again; without, a file that is all this mirror's own is worth more than a beginning.
            self.buffer.clear();
            pos = 0;
            if !self.job.is_checked_by_piece() {
                self.begin_anew()?;
            }
        } else if let (Some(before), Some(now)) = (&version, &answer.etag)
            && before != now
        {
            // RFC 9110 section 15.3.7.3: parts are put together only if they have the same strong validator.
            self.begin_anew()?;
            return Err(Fault::Changed.into());
        }
        self.origin = match (&self.origin, self.at) {
            (_, 0) => Origin::One(turn, answer.etag.clone()),
            (Origin::One(origin, etag), _) if *origin == turn => Origin::One(turn, etag.clone()),
            _ => Origin::Several,
        };
        self.take(answer, pos)
    }

    /// Takes an answer piece by piece; the first begins at `pos`, and what there is of it is in the buffer.
    fn take(&mut self, mut answer: Answer, mut pos: u64) -> Result<(), Halt> {
        while pos < self.job.size {
            let length = self.job.piece_bytes(pos);
            if let Err(halt) = self.fill(&mut answer, pos, length) {
                self.keep(pos)?;
                return Err(halt);
            }
            if !self.job.may_be(pos, self.buffer) {
                let fault = self.wrong(pos);
                self.buffer.clear();
                return Err(fault.into());
            }
            if pos >= self.at {
                self.add()?;
            }
            pos += length as u64;
            self.buffer.clear();
        }
        answer.finish();
        Ok(())
    }

    /// Reads until the buffer has `length` bytes.
    fn fill(&mut self, answer: &mut Answer, pos: u64, length: usize) -> Result<(), Halt> {
        while self.buffer.len() < length {
            if self.shared.is_given_up() {
                return Err(Halt::GivenUp);
            }
            let filled = self.buffer.len();
            self.buffer.resize(length.min(filled + STEP_BYTES), 0);
            let read = answer.read(&mut self.buffer[filled..]);
            self.buffer
                .truncate(filled + read.as_ref().copied().unwrap_or(0));
            let read = read?;
            if read == 0 {
                // A server may send less than it was asked for, and is asked again for the rest.
                return Err(Halt::Fault(Fault::Cut {
                    at: pos + filled as u64,
                    reason: "it sent a part of what it was asked for".to_owned(),
                }));
            }
            self.received += read as u64;
            if pos >= self.at {
                self.counted.set(pos + self.buffer.len() as u64);
            }
        }
        Ok(())
    }

    /// Keeps what there is of a piece when an answer broke off.
    fn keep(&mut self, pos: u64) -> Result<(), FetchError> {
        if !self.job.is_checked_by_piece() {
            self.add()?;
            self.buffer.clear();
        } else if pos < self.at {
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes the buffer behind what is there.
    fn add(&mut self) -> Result<(), FetchError> {
        self.partial.write(self.at, self.buffer)?;
        self.hasher.update(self.buffer);
        self.at += self.buffer.len() as u64;
        self.counted.set(self.at);
        Ok(())
    }

    /// What is wrong with the piece in the buffer.
    fn wrong(&self, pos: u64) -> Fault {
        let end = pos + self.buffer.len() as u64;
        if self.job.leaves.is_some() {
            return Fault::Chunk { range: pos..end };
        }
        let found = self.job.check_all(self.buffer).err();
        Fault::Digest {
            algorithm: self.job.expected.algorithm.name(),
            found: found.unwrap_or_default(),
            expected: self.job.expected.digest.clone(),
        }
    }

    fn no_mirror(&self) -> FetchError {
        let mirrors = self.mirrors.iter().filter_map(|mirror| {
            Some(MirrorFault {
                source: self.shared.plan.sources[mirror.source].clone(),
                file: self.job.path.clone(),
                fault: mirror.fault.clone()?,
            })
        });
        FetchError::NoMirror {
            file: self.job.path.clone(),
            kept: self.at,
            mirrors: mirrors.collect(),
        }
    }
}

/// One file's share in the bytes that are there.
struct Counted<'a> {
    shared: &'a Shared<'a>,
    bytes: u64,
}

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared<'a>) -> Self {
        Self { shared, bytes: 0 }
    }

    fn set(&mut self, bytes: u64) {
        let total = &self.shared.bytes;
        if bytes >= self.bytes {
            total.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            total.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}
