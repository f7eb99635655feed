//! `NumPy`'s `.npz`: a zip archive of arrays.
//!
//! ```text
//! NAME.npy: header │ data ──► tensor NAME, where its data lies in the archive
//! ```
//!
//! What begins as an array is one, also without the ending: so `NumPy` has it.
//!
//! What is compressed has no bytes of its own in the file. Of that only as much is inflated as tells whether it is
//! Python's objects, whose pickle is then followed.

use std::collections::BTreeSet;

use crate::format::check_name;
use crate::numpy::{self, Elements};
use crate::pickle::Wanted;
use crate::pickled::Pickles;
use crate::source::{Source, read as read_bytes};
use crate::tensor::{Contents, Unlisted};
use crate::zip::{self, Entry};
use crate::{Format, FormatError};

/// How much of a compressed array is inflated, in which its header is: mostly, and always.
const HEAD_BYTES: [u64; 2] = [1 << 10, 65 << 10];

pub(crate) fn read(source: &dyn Source) -> Result<Contents, FormatError> {
    let magic = read_bytes(source, 0, source.bytes().min(4), "the first bytes")?;
    if magic != zip::ENTRY_MAGIC && magic != zip::END_MAGIC {
        return Err(FormatError::Magic(Format::Npz));
    }
    let (mut tensors, mut unlisted) = (Vec::new(), Vec::new());
    let (mut pickles, mut inflated) = (Pickles::default(), zip::Inflated::default());
    let mut names = BTreeSet::new();
    for entry in &zip::entries(source, zip::Names::Arrays)? {
        let stem = entry.name.strip_suffix(".npy");
        let name = stem.unwrap_or(&entry.name).to_owned();
        check_name(&name)?;
        // The one without the ending is found by the name, too; and, of `a.npy` and `a.npy.npy`, the first one.
        let longer = format!("{name}.npy");
        let is_other = |other: Option<&str>| other.is_some_and(|other| names.contains(other));
        if is_other(Some(&longer)) || is_other(name.strip_suffix(".npy")) {
            return Err(FormatError::Twice { name });
        }
        if !names.insert(name.clone()) {
            return Err(FormatError::Twice { name });
        }
        let magic = zip::head(source, entry, 6)?;
        let is_unseen = magic.len() < 6 && entry.bytes >= 6;
        let is_array = stem.is_some() || magic == numpy::MAGIC || is_unseen;
        let why = if is_array {
            let head = head(source, entry)?;
            match &head.elements {
                Elements::Objects if inflated.has_room_for(entry) => {
                    zip::within(source, entry, |source| {
                        pickles.walk_to_end(source, head.data, Wanted::Imports)
                    })?;
                    numpy::OBJECTS.to_owned()
                }
                Elements::Objects => {
                    pickles.not_followed(format!(
                        "the array {name:?} is of Python objects, and compressed, with those before it to more than is \
                         inflated here"
                    ));
                    numpy::OBJECTS.to_owned()
                }
                _ if entry.is_deflated => "it is compressed".to_owned(),
                Elements::Other(descr, _) => {
                    format!("its elements are of the unknown type {descr}")
                }
                Elements::Known(..) => {
                    tensors.push(numpy::tensor(head, name, entry.range.clone())?);
                    continue;
                }
            }
        } else {
            "it is no array".to_owned()
        };
        unlisted.push(Unlisted { name, why });
    }
    let mut contents = Contents::new(Format::Npz, tensors)?;
    contents.unlisted = unlisted;
    pickles.put_into(&mut contents);
    Ok(contents)
}

fn head(source: &dyn Source, entry: &Entry) -> Result<numpy::Head, FormatError> {
    if !entry.is_deflated {
        return zip::within(source, entry, numpy::head);
    }
    let read = |bytes| -> Result<_, FormatError> {
        let head = zip::head(source, entry, bytes)?;
        numpy::head(&head.as_slice()).map_err(|error| zip::in_entry(entry, error))
    };
    let [mostly, always] = HEAD_BYTES;
    read(mostly).or_else(|_| read(always))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zip::tests::{archive, deflated, item, patched};

    /// An array of these elements, with a header as long as that of `NumPy`.
    fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:117}\n");
        [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_are_listed_where_they_lie_in_the_archive() {
        let a = npy("'<i2'", "(2,)", &[1, 0, 2, 0]);
        let objects = npy("'|O'", "(1,)", b"cos\nsystem\n)R.");
        let file = archive(&[
            item("a.npy", &a),
            item("d/b.npy", &npy("'<f8'", "()", &[7; 8])),
            deflated("c.npy", &npy("'<f4'", "(100000,)", &vec![0; 400_000])),
            item("s.npy", &npy("'<U1'", "(1,)", &[65, 0, 0, 0])),
            item("readme", b"text"),
            item("o.npy", &objects),
            deflated("p.npy", &npy("'|O'", "(1,)", b"cbuiltins\neval\n.")),
        ]);
        let contents = read(&file.as_slice()).expect("read");
        let [a, b] = &contents.tensors[..] else {
            panic!("two tensors: {contents:?}");
        };
        assert_eq!((a.name.as_str(), a.dtype.as_str()), ("a", "I16"));
        assert_eq!((&a.shape, a.range.clone()), (&vec![2], 163..167));
        assert_eq!((b.name.as_str(), b.dtype.as_str()), ("d/b", "F64"));
        let range = 167 + 37 + 128..167 + 37 + 136;
        assert_eq!(b.range, range);
        assert_eq!(file[332..340], [7; 8]);
        let unlisted: Vec<_> = contents
            .unlisted
            .iter()
            .map(|it| (it.name.as_str(), it.why.as_str()))
            .collect();
        assert_eq!(
            unlisted,
            [
                ("c", "it is compressed"),
                ("s", "its elements are of the unknown type <U1"),
                ("readme", "it is no array"),
                ("o", numpy::OBJECTS),
                ("p", numpy::OBJECTS),
            ]
        );
        let imports: Vec<_> = contents.imports.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(imports, ["builtins.eval", "os.system"]);
        assert_eq!(contents.not_followed, None);
        let none = read(&archive(&[]).as_slice()).expect("read");
        assert_eq!((none.tensors, none.unlisted), (vec![], vec![]));
    }

    #[test]
    fn what_begins_as_an_array_is_one_also_without_the_ending() {
        let file = archive(&[
            item("a.npy", &npy("'<i2'", "(2,)", &[0; 4])),
            item("b", &npy("'<f4'", "(1,)", &[0; 4])),
            item("c", &npy("'|O'", "(1,)", b"cos\nsystem\n)R.")),
            deflated("d", &npy("'|O'", "(1,)", b"cnt\nsystem\n)R.")),
            item("e", b"\x93NUM"),
        ]);
        let contents = read(&file.as_slice()).expect("read");
        let names: Vec<_> = contents.tensors.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let imports: Vec<_> = contents.imports.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(imports, ["nt.system", "os.system"]);
        assert_eq!(contents.unlisted[2].why, "it is no array");
    }

    #[test]
    fn arrays_may_have_any_name_that_numpy_writes() {
        let a = npy("'<i2'", "(2,)", &[0; 4]);
        let names = ["W:0", "/a", "x//y", "a\\b", ""];
        let items = names.map(|name| item(&format!("{name}.npy"), &a));
        let contents = read(&archive(&items).as_slice()).expect("read");
        let found: Vec<_> = contents.tensors.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(found, names);
        let outside = archive(&[item("../a.npy", &a)]);
        let said = read(&outside.as_slice()).expect_err("refused").to_string();
        assert!(said.contains("leads out of the folder"), "{said}");
    }

    #[test]
    fn objects_whose_pickles_are_not_followed_are_said() {
        for (file, words, imports) in [
            (
                archive(&[item("a.npy", &npy("'|O'", "()", b"N.N"))]),
                "byte 130 of its pickle: it ends here",
                0,
            ),
            (
                archive(&[
                    deflated("a.npy", &npy("'|O'", "()", b"cos\nsystem\n)")),
                    item("b.npy", &npy("'|O'", "()", b"cnt\nsystem\n.")),
                ]),
                "would end at byte 141, and the file has 140",
                2,
            ),
            // A bomb, of some 70 kB.
            (
                archive(&[
                    item("b.npy", &npy("'|O'", "()", b"cnt\nsystem\n.")),
                    deflated("a.npy", &npy("'|O'", "()", &vec![b'N'; (64 << 20) + 1])),
                ]),
                "the array \"a\" is of Python objects, and compressed",
                1,
            ),
        ] {
            let contents = read(&file.as_slice()).expect("read");
            let said = contents.not_followed.expect("it is not followed");
            assert!(said.contains(words), "{words:?}: {said}");
            assert_eq!(contents.imports.len(), imports, "{words}");
            assert_eq!(contents.unlisted[0].why, numpy::OBJECTS);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_place() {
        let a = || npy("'<i2'", "(2,)", &[0; 4]);
        for (file, words) in [
            (Vec::new(), "does not begin as a NumPy archive file"),
            (a(), "does not begin as a NumPy archive file"),
            (
                archive(&[item("a.npy", &a()), item("a", b"")]),
                "two tensors \"a\"",
            ),
            (
                archive(&[item("a.npy", &a()), item("a.npy.npy", &a())]),
                "two tensors \"a.npy\"",
            ),
            (
                archive(&[item("a.npy.npy", &a()), item("a.npy", &a())]),
                "two tensors \"a\"",
            ),
            (
                archive(&[item("a.npy", b"no array")]),
                "in its entry \"a.npy\": it does not begin as a NumPy file",
            ),
            (
                archive(&[deflated("a.npy", b"no array")]),
                "in its entry \"a.npy\": it does not begin as a NumPy file",
            ),
            (
                archive(&[item("a.npy", &a()[..100])]),
                "in its entry \"a.npy\": the header would end at byte 128, and the file has 100",
            ),
            (
                archive(&[item("a.npy", &a()[..131])]),
                "tensor \"a\": 3 bytes are not what [2] elements",
            ),
            (
                archive(&[deflated("a.npy", &vec![0; 1 << 20])]),
                "in its entry \"a.npy\": it does not begin as a NumPy file",
            ),
            (
                patched(archive(&[item("a.npy", &a())]), 6, &[1]),
                "its zip archive: the entry \"a.npy\" at byte 0",
            ),
        ] {
            let said = read(&file.as_slice()).expect_err("refused").to_string();
            assert!(said.contains(words), "{words:?}: {said}");
        }
    }
}
