//! The lists of MD5 digests that were published of OPT: `shard,md5sum`, and a line for each file.

use std::path::Path;

use candor_core::record::{Algorithm, DigestSet};
use candor_core::weights::{FilePath, Manifest, ManifestFile};

use super::{DemoDataError, form};

/// The first line of such a list.
const HEADER: &str = "shard,md5sum";

/// Reads a list. `path` is where it is, for messages.
pub(super) fn read(path: &Path, text: &str) -> Result<Manifest, DemoDataError> {
    let mut lines = (1..).zip(text.lines());
    let header = lines.next().map_or("", |(_, line)| line.trim_end());
    if header != HEADER {
        let found: String = header.chars().take(80).collect();
        let rule = format!(
            "a list of MD5 digests begins with the line {HEADER:?}, and not with {found:?}"
        );
        return Err(form(path, rule));
    }
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let files = lines
        .map(|(number, line)| {
            listed(line.trim_end()).map_err(|rule| form(path, format!("line {number}: {rule}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Manifest::new(files).map_err(|error| DemoDataError::Manifest {
        path: path.to_owned(),
        error,
    })
}

fn listed(line: &str) -> Result<ManifestFile, String> {
    let fields: Vec<&str> = line.split(',').collect();
    let [file, digest] = fields[..] else {
        return Err(format!("it has {} columns, and the header 2", fields.len()));
    };
    let file: FilePath = file.parse().map_err(|error| format!("{error}"))?;
    let digest = DigestSet::new([(Algorithm::Md5, digest.to_ascii_lowercase())])
        .map_err(|error| error.to_string())?;
    Ok(ManifestFile {
        path: file,
        size: None,
        digest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn listed(text: &str) -> Result<Manifest, String> {
        read(Path::new("sums.csv"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_becomes_a_weak_manifest() {
        let manifest = listed(&format!("shard,md5sum\nb.pt,{MD5}\r\na.pt,{MD5}\n")).expect("good");
        let paths: Vec<_> = manifest.files().iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, ["a.pt", "b.pt"]);
        assert_eq!(manifest.algorithms(), [Algorithm::Md5]);
        assert_eq!(manifest.total_bytes(), None);
    }

    #[test]
    fn what_is_no_such_list_is_refused_and_its_line_named() {
        for (text, rule) in [
            (String::new(), "begins with the line"),
            (
                format!("shard,sha1\na.pt,{MD5}\n"),
                "not with \"shard,sha1\"",
            ),
            (
                format!("shard,md5sum\na.pt,{MD5},1\n"),
                "line 2: it has 3 columns",
            ),
            (
                "shard,md5sum\n\na.pt\n".to_owned(),
                "line 3: it has 1 columns",
            ),
            (format!("shard,md5sum\na.pt,{}\n", &MD5[1..]), "line 2: "),
            (format!("shard,md5sum\n../a.pt,{MD5}\n"), "line 2: "),
            (
                format!("shard,md5sum\na.pt,{MD5}\na.pt,{MD5}\n"),
                "a.pt is listed twice",
            ),
            ("shard,md5sum\n".to_owned(), "lists 0"),
        ] {
            let error = listed(&text).expect_err(rule);
            assert!(
                error.contains(rule) && error.contains("sums.csv"),
                "{error}"
            );
        }
    }
}
