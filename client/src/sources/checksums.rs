//! Lists of checksums that others published: `MD5SUMS`, `SHA256SUMS`, CSV with a header.

use std::collections::BTreeMap;

use candor_core::record::kinds::{Source, Weights};
use candor_core::record::{Algorithm, DigestSet, ReleaseName};
use candor_core::weights::{FilePath, Manifest, ManifestFile};

use super::{Drafts, SourceError, text, weights};

/// Columns of a CSV that hold a path.
const PATH_COLUMNS: [&str; 6] = ["shard", "filename", "file_name", "path", "file", "name"];

/// Columns of a CSV that hold a digest whose algorithm its length tells.
const DIGEST_COLUMNS: [&str; 3] = ["checksum", "hash", "digest"];

/// Columns of a CSV that hold a size in bytes.
const SIZE_COLUMNS: [&str; 3] = ["size", "bytes", "size_bytes"];

/// Algorithms by the lengths of their digests in hexadecimal digits, as `md5sum` and its like write them.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Md5,
    Algorithm::Sha1,
    Algorithm::Sha224,
    Algorithm::Sha256,
    Algorithm::Sha384,
    Algorithm::Sha512,
];

/// One line of a list.
struct Line {
    number: usize,
    path: String,
    digest: String,
    algorithm: Option<Algorithm>,
    size: Option<u64>,
}

/// Whether a file is a list of checksums, by its first line.
pub(super) fn is_checksums(contents: &str) -> bool {
    let first = contents
        .trim_start_matches('\u{feff}')
        .lines()
        .find(|line| !is_remark(line));
    first.is_some_and(|line| {
        Columns::read(line).is_some() || sums_line(0, line).is_ok() || labelled(line).is_some()
    })
}

/// Reads a list into a manifest and a record about it. `file` is its name or path, for messages; `source` says
/// where the list was published.
///
/// Sizes are known only where a CSV has them. Whoever has the files makes a better manifest from them, with sizes and
/// chunks.
pub fn draft(
    file: &str,
    bytes: &[u8],
    release: &ReleaseName,
    source: Option<Source>,
) -> Result<Drafts, SourceError> {
    let manifest = manifest(file, bytes)?;
    let weights = Weights {
        format: weights::format(&manifest).map(str::to_owned),
        source,
        ..manifest.to_weights()
    };
    Ok(Drafts {
        warnings: warnings(file, &manifest),
        drafts: vec![weights::of_weights(&manifest, weights, release)],
    })
}

/// Reads a list into a manifest.
pub fn manifest(file: &str, bytes: &[u8]) -> Result<Manifest, SourceError> {
    let contents = text(file, bytes)?.trim_start_matches('\u{feff}');
    let lines = lines(file, contents)?;
    let files = lines
        .into_iter()
        .map(|line| listed(file, &line))
        .collect::<Result<Vec<_>, _>>()?;
    Manifest::new(files).map_err(|error| SourceError::Manifest {
        file: file.to_owned(),
        error,
    })
}

/// What the reader should know: how little weak digests say, and files with one digest.
fn warnings(file: &str, manifest: &Manifest) -> Vec<String> {
    let mut warnings = Vec::new();
    let algorithms = manifest.algorithms();
    if !algorithms.iter().copied().any(Algorithm::is_strong) {
        let names: Vec<_> = algorithms
            .iter()
            .map(|algorithm| algorithm.name())
            .collect();
        warnings.push(format!(
            "{file}: {} is weak: a file with the right digest may have been made to have it, and the record says so",
            names.join(" and ")
        ));
    }
    let mut by_digest: BTreeMap<Vec<(Algorithm, &str)>, Vec<&str>> = BTreeMap::new();
    for listed in manifest.files() {
        let same = by_digest.entry(listed.digest.iter().collect()).or_default();
        same.push(listed.path.as_str());
    }
    for same in by_digest.values().filter(|same| same.len() > 1) {
        let shown: Vec<_> = same.iter().take(4).copied().collect();
        warnings.push(format!(
            "{file}: {} files have the same digest: {}{}",
            same.len(),
            shown.join(", "),
            if shown.len() < same.len() {
                ", …"
            } else {
                ""
            }
        ));
    }
    warnings
}

fn is_remark(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

fn line_error(file: &str, line: usize, rule: String) -> SourceError {
    SourceError::ChecksumLine {
        file: file.to_owned(),
        line,
        rule,
    }
}

fn lines(file: &str, contents: &str) -> Result<Vec<Line>, SourceError> {
    let mut numbered = (1..)
        .zip(contents.lines())
        .filter(|(_, line)| !is_remark(line))
        .peekable();
    let columns = numbered.peek().and_then(|(_, line)| Columns::read(line));
    if columns.is_some() {
        numbered.next();
    }
    numbered
        .map(|(number, line)| match &columns {
            Some(columns) => columns
                .line(number, line)
                .map_err(|rule| line_error(file, number, rule)),
            None => sums_line(number, line).map_err(|rule| line_error(file, number, rule)),
        })
        .collect()
}

/// A line as GNU's and BSD's tools write it: `DIGEST  PATH`, `DIGEST *PATH`, `SHA256 (PATH) = DIGEST`.
fn sums_line(number: usize, line: &str) -> Result<Line, String> {
    let line = line.trim_end();
    let no_line = || {
        let found: String = line.chars().take(100).collect();
        format!("{found:?} is not a digest, two spaces and a path")
    };
    let (algorithm, digest, path) = match line.split_once(' ') {
        Some((digest, path)) if is_hex(digest) => {
            let path = path.strip_prefix([' ', '*']).ok_or_else(no_line)?;
            let algorithm = algorithm_by_length(digest).ok_or_else(no_line)?;
            (algorithm, digest, path)
        }
        _ => {
            let (label, path, digest) = labelled(line).ok_or_else(no_line)?;
            // The label counts, not the length: RIPEMD-160's digests are as long as SHA-1's.
            let algorithm = algorithm_by_label(label).ok_or_else(|| {
                let label: String = label.chars().take(40).collect();
                format!("{label:?} is no digest algorithm that Candor knows")
            })?;
            (algorithm, digest, path)
        }
    };
    Ok(Line {
        number,
        path: path.to_owned(),
        digest: digest.to_owned(),
        algorithm: Some(algorithm),
        size: None,
    })
}

/// The parts of `SHA256 (PATH) = DIGEST`.
fn labelled(line: &str) -> Option<(&str, &str, &str)> {
    let (label, rest) = line.trim_end().split_once(" (")?;
    let (path, digest) = rest.rsplit_once(") = ")?;
    is_hex(digest).then_some((label, path, digest))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// An algorithm by what BSD's tools, OpenSSL and `b2sum --tag` call it.
fn algorithm_by_label(label: &str) -> Option<Algorithm> {
    let label: String = label.chars().filter(|c| *c != '-').collect();
    Some(match label.to_ascii_uppercase().as_str() {
        "MD5" => Algorithm::Md5,
        "SHA1" => Algorithm::Sha1,
        "SHA224" | "SHA2224" => Algorithm::Sha224,
        "SHA256" | "SHA2256" => Algorithm::Sha256,
        "SHA384" | "SHA2384" => Algorithm::Sha384,
        "SHA512" | "SHA2512" => Algorithm::Sha512,
        "BLAKE2B" | "BLAKE2B512" => Algorithm::Blake2b,
        "BLAKE3" => Algorithm::Blake3,
        _ => return None,
    })
}

fn algorithm_by_length(digest: &str) -> Option<Algorithm> {
    const LENGTHS: [usize; 6] = [32, 40, 56, 64, 96, 128];
    let at = LENGTHS.iter().position(|length| *length == digest.len())?;
    Some(ALGORITHMS[at])
}

/// Checks one line.
fn listed(file: &str, line: &Line) -> Result<ManifestFile, SourceError> {
    // `find -exec md5sum` writes `./a`; digits are hexadecimal in either case.
    let path = line.path.strip_prefix("./").unwrap_or(&line.path);
    let path: FilePath = path
        .parse()
        .map_err(|e| line_error(file, line.number, format!("{e}")))?;
    let Some(algorithm) = line.algorithm.or_else(|| algorithm_by_length(&line.digest)) else {
        let found: String = line.digest.chars().take(150).collect();
        let rule = format!("{found:?} has the length of no digest that is known");
        return Err(line_error(file, line.number, rule));
    };
    let digest = DigestSet::new([(algorithm, line.digest.to_ascii_lowercase())])
        .map_err(|e| line_error(file, line.number, e.to_string()))?;
    Ok(ManifestFile {
        path,
        size: line.size,
        digest,
    })
}

/// Where a CSV has what, by its header.
struct Columns {
    count: usize,
    path: usize,
    digest: usize,
    algorithm: Option<Algorithm>,
    size: Option<usize>,
}

impl Columns {
    fn read(header: &str) -> Option<Self> {
        let header: Vec<_> = csv_fields(header)?
            .iter()
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let column = |known: &[&str]| {
            header
                .iter()
                .position(|name| known.contains(&name.as_str()))
        };
        // The strongest digest that the list has.
        let named = ALGORITHMS.into_iter().rev().find_map(|algorithm| {
            let name = algorithm.name();
            let at = column(&[name, &format!("{name}sum"), &format!("{name}_sum")])?;
            Some((at, Some(algorithm)))
        });
        let (digest, algorithm) = named.or_else(|| Some((column(&DIGEST_COLUMNS)?, None)))?;
        Some(Self {
            count: header.len(),
            path: column(&PATH_COLUMNS)?,
            digest,
            algorithm,
            size: column(&SIZE_COLUMNS),
        })
    }

    fn line(&self, number: usize, line: &str) -> Result<Line, String> {
        let fields = csv_fields(line).ok_or("a quote is not closed")?;
        if fields.len() != self.count {
            return Err(format!(
                "it has {} columns, and the header {}",
                fields.len(),
                self.count
            ));
        }
        let field = |at: usize| fields[at].trim().to_owned();
        let size = self.size.map(&field).filter(|size| !size.is_empty());
        let size = size
            .map(|size| {
                size.parse()
                    .map_err(|_| format!("{size:?} is no size in bytes"))
            })
            .transpose()?;
        Ok(Line {
            number,
            path: field(self.path),
            digest: field(self.digest),
            algorithm: self.algorithm,
            size,
        })
    }
}

/// The fields of one CSV line (RFC 4180, without line breaks inside quotes). `None` if a quote stays open.
fn csv_fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut in_quotes = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if in_quotes && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if in_quotes || field.is_empty() => in_quotes = !in_quotes,
            ',' if !in_quotes => fields.push(String::new()),
            c => field.push(c),
        }
    }
    (!in_quotes).then_some(fields)
}
