//! Where the bytes come from.

use std::io;
use std::ops::Range;

/// The bytes of a file, of which any can be asked for.
pub trait Source {
    /// How many there are.
    fn bytes(&self) -> u64;

    /// How many of them can be read, from the first one on: all, where it is not known that some can't.
    fn readable(&self) -> u64 {
        self.bytes()
    }

    /// Fills `buffer` with the bytes from `offset` on; asked only for such as are there.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl Source for &[u8] {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..));
        let found = from.and_then(|from| from.get(..buffer.len()));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A part of a file that a header speaks of and that is not there, or can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file is shorter.
    #[error("{what} would end at byte {end}, and the file has {bytes}")]
    End {
        /// What should be there.
        what: &'static str,
        /// Where it would end; at most 2^64 - 1.
        end: u64,
        /// How long the file is.
        bytes: u64,
    },
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A part of a file, as a file of its own.
pub(crate) struct Part<'a> {
    file: &'a dyn Source,
    range: Range<u64>,
}

impl<'a> Part<'a> {
    /// The part of a file that is there: who asks has checked that.
    pub(crate) fn new(file: &'a dyn Source, range: Range<u64>) -> Self {
        Self { file, range }
    }
}

impl Source for Part<'_> {
    fn bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn readable(&self) -> u64 {
        let end = self.file.readable().min(self.range.end);
        end.saturating_sub(self.range.start)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_at(self.range.start + offset, buffer)
    }
}

/// The first bytes of a longer file: those behind them can't be read.
pub(crate) struct Beginning<'a> {
    bytes: &'a [u8],
    all: u64,
}

impl<'a> Beginning<'a> {
    /// These bytes, of a file that has so many.
    pub(crate) fn new(bytes: &'a [u8], all: u64) -> Self {
        Self { bytes, all }
    }
}

impl Source for Beginning<'_> {
    fn bytes(&self) -> u64 {
        self.all
    }

    fn readable(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.bytes.read_at(offset, buffer)
    }
}

/// The `length` bytes from `at` on, which are `what`, and no more than these: for small pieces that lie far apart.
pub(crate) fn read(
    source: &dyn Source,
    at: u64,
    length: u64,
    what: &'static str,
) -> Result<Vec<u8>, SourceError> {
    let end = at.saturating_add(length);
    if end > source.bytes() {
        let bytes = source.bytes();
        return Err(SourceError::End { what, end, bytes });
    }
    let mut buffer = vec![0; to_usize(length)];
    source.read_at(at, &mut buffer)?;
    Ok(buffer)
}

/// How many bytes are read at once where a header is read from its beginning, without knowing its length.
const STEP_BYTES: u64 = 64 << 10;

/// A line, without its end.
pub(crate) struct Line {
    /// Its bytes, as many as are kept.
    pub(crate) bytes: Vec<u8>,
    /// If it has more than these.
    pub(crate) is_long: bool,
    /// If it ends before the file does.
    pub(crate) has_end: bool,
}

/// Reads a header from its beginning on, and knows where it is.
pub(crate) struct Reader<'a> {
    source: &'a dyn Source,
    /// What was read ahead, and where in the file that begins.
    buffer: Vec<u8>,
    buffer_at: u64,
    at: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            buffer_at: 0,
            at: 0,
        }
    }

    /// Where in the file it is, in bytes.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> u64 {
        self.source.bytes() - self.at
    }

    /// The next `bytes` bytes, which are `what`. They are in the file, so this takes no more memory than that.
    pub(crate) fn take(&mut self, bytes: u64, what: &'static str) -> Result<&[u8], SourceError> {
        let end = self.at.saturating_add(bytes);
        if end > self.source.bytes() {
            let bytes = self.source.bytes();
            return Err(SourceError::End { what, end, bytes });
        }
        if self.at < self.buffer_at || end > self.buffer_at + self.buffer.len() as u64 {
            let ahead = STEP_BYTES.min(self.source.readable().saturating_sub(self.at));
            self.buffer.resize(to_usize(bytes.max(ahead)), 0);
            self.source.read_at(self.at, &mut self.buffer)?;
            self.buffer_at = self.at;
        }
        let start = to_usize(self.at - self.buffer_at);
        self.at = end;
        Ok(&self.buffer[start..start + to_usize(bytes)])
    }

    /// The next bytes, as many as an array has.
    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], SourceError> {
        let bytes = self.take(N as u64, what)?;
        Ok(bytes.try_into().expect("as many as were asked for"))
    }

    /// The next 4 bytes as a number, little end first.
    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, SourceError> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// The next 8 bytes as a number, little end first.
    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, SourceError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// The bytes up to the end of the line, or of the file.
    pub(crate) fn line(&mut self, kept: usize, what: &'static str) -> Result<Line, SourceError> {
        let mut line = Line {
            bytes: Vec::new(),
            is_long: false,
            has_end: false,
        };
        while self.left() > 0 {
            let [byte] = self.array(what)?;
            if byte == b'\n' {
                line.has_end = true;
                break;
            }
            line.is_long |= line.bytes.len() >= kept;
            if !line.is_long {
                line.bytes.push(byte);
            }
        }
        Ok(line)
    }

    /// Goes on `bytes` bytes further.
    pub(crate) fn skip(&mut self, bytes: u64, what: &'static str) -> Result<(), SourceError> {
        let end = self.at.saturating_add(bytes);
        if end > self.source.bytes() {
            let bytes = self.source.bytes();
            return Err(SourceError::End { what, end, bytes });
        }
        self.at = end;
        Ok(())
    }

    /// Goes to a byte that was there when it was read over, or to the end of the file.
    pub(crate) fn go_to(&mut self, at: u64) {
        self.at = at.min(self.source.bytes());
    }
}

/// A length of what is in memory, or will be.
fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a header fits into the address space")
}
