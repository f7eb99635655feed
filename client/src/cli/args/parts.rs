//! What can be typed about parts of a release: files, chunks and tensors, and their proofs.

use std::path::PathBuf;
use std::str::FromStr;

use candor_core::weights::FilePath;
use clap::Args;

/// `candor prove-file`.
#[derive(Debug, Args)]
pub struct ProveFileArgs {
    /// A release in the log, or a bundle
    pub release: String,
    /// The paths of the files, in the release
    #[arg(required = true)]
    pub paths: Vec<FilePath>,
    /// Write the proof to a new file instead of the terminal
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `candor prove-chunk`.
#[derive(Debug, Args)]
pub struct ProveChunkArgs {
    /// A release in the log, or a bundle
    pub release: String,
    /// The path of the file, in the release
    pub path: FilePath,
    /// The chunks that have these bytes
    #[arg(long, value_name = "FIRST-LAST", required_unless_present = "chunk")]
    pub bytes: Option<ByteRange>,
    /// The chunk of this index (may be repeated)
    #[arg(long, value_name = "N")]
    pub chunk: Vec<u64>,
    /// Write the proof to a new file instead of the terminal
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `candor verify-file`.
#[derive(Debug, Args)]
pub struct VerifyFileArgs {
    /// The folder with the release's files, or the file alone, whatever its name
    pub target: PathBuf,
    /// What `candor prove-file` wrote
    #[arg(long, value_name = "FILE")]
    pub proof: PathBuf,
}

/// `candor verify-chunk`.
#[derive(Debug, Args)]
pub struct VerifyChunkArgs {
    /// The file, what is there of it, the chunks alone, or the folder with the release's files
    pub target: PathBuf,
    /// What `candor prove-chunk` wrote
    #[arg(long, value_name = "FILE")]
    pub proof: PathBuf,
    /// Where in the release's file the first byte of this one belongs
    #[arg(long, value_name = "OFFSET")]
    pub at: Option<u64>,
}

/// `candor prove-tensor`.
#[derive(Debug, Args)]
pub struct ProveTensorArgs {
    /// A release in the log, or a bundle
    pub release: String,
    /// The names of the tensors
    #[arg(required = true)]
    pub names: Vec<String>,
    /// Write the proof to a new file instead of the terminal
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `candor verify-tensor`.
#[derive(Debug, Args)]
pub struct VerifyTensorArgs {
    /// The folder with the release's files
    pub folder: PathBuf,
    /// What `candor prove-tensor` wrote
    #[arg(long, value_name = "FILE")]
    pub proof: PathBuf,
}

/// Bytes of a file, as HTTP writes them: from the first to the last, or to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte, counted from 0.
    pub first: u64,
    /// The last one; `None` for the file's.
    pub last: Option<u64>,
}

impl FromStr for ByteRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write FIRST-LAST, as 8388608-16777215, or FIRST- for all from there on";
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| text.parse().ok()).flatten().ok_or(FORM)
        };
        let (first, last) = text.split_once('-').ok_or(FORM)?;
        let range = Self {
            first: number(first)?,
            last: (!last.is_empty()).then(|| number(last)).transpose()?,
        };
        if range.last.is_some_and(|last| last < range.first) {
            return Err("the last byte comes before the first");
        }
        Ok(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_bytes_is_written_as_in_http() {
        let range = |first, last| Ok(ByteRange { first, last });
        assert_eq!("0-8388607".parse(), range(0, Some(8_388_607)));
        assert_eq!("5-5".parse(), range(5, Some(5)));
        assert_eq!("5-".parse(), range(5, None));
        for text in [
            "",
            "-",
            "-5",
            "5",
            "6-5",
            "+1-2",
            "1-+2",
            "1 - 2",
            "0x1-2",
            "1-2-3",
            "18446744073709551616-",
        ] {
            assert!(text.parse::<ByteRange>().is_err(), "{text:?}");
        }
    }
}
