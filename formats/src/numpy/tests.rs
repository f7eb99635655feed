//! Headers as `NumPy` writes them, and those that are refused.

use super::*;

fn file(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut file = [MAGIC.as_slice(), &[1, 0]].concat();
    file.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    file.extend(header.as_bytes());
    file.resize(file.len() + data_bytes, 0);
    file
}

#[test]
fn an_array_is_read_in_each_version() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }      \n";
    let version1 = file(header, 24);
    let mut version3 = [MAGIC.as_slice(), &[3, 0]].concat();
    version3.extend(u32::try_from(header.len()).expect("short").to_le_bytes());
    version3.extend(&version1[10..]);
    for file in [version1, version3] {
        let [tensor] = &read(&file.as_slice()).expect("read").tensors[..] else {
            panic!("one array");
        };
        assert_eq!(
            (tensor.dtype.as_str(), tensor.shape.as_slice()),
            ("F32", [2, 3].as_slice())
        );
        let end = file.len() as u64;
        assert_eq!(tensor.range, end - 24..end);
    }
}

#[test]
fn shapes_and_orders_are_understood_as_python_writes_them() {
    for (descr, order, shape, bytes, dtype, found) in [
        ("|b1", "False", "()", 1, "BOOL", vec![]),
        ("<f8", "True", "(5,)", 40, "F64", vec![5]),
        ("<f2", "True", "(2, 2)", 8, "F16 by columns", vec![2, 2]),
        ("<i8", "False", "(3L, 0L)", 0, "I64", vec![3, 0]),
    ] {
        let header =
            format!("{{\"descr\": '{descr}', 'shape': {shape}, 'fortran_order': {order}}}");
        let tensor = read(&file(&header, bytes).as_slice())
            .expect("read")
            .tensors
            .remove(0);
        assert_eq!((tensor.dtype.as_str(), tensor.shape), (dtype, found));
    }
}

#[test]
fn of_an_array_of_objects_only_the_imports_are_said() {
    let header = "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (1,)}";
    let mut file = file(header, 0);
    file.extend(b"cos\nsystem\n)R.");
    let contents = read(&file.as_slice()).expect("read");
    assert_eq!(contents.imports[0].name, "os.system");
    assert_eq!(contents.unlisted[0].why, OBJECTS);
    assert!(contents.tensors.is_empty());
}

#[test]
fn objects_are_told_from_numbers_however_they_are_written() {
    for descr in ["'|O'", "'object'", "[('a', [('b', '|O', 2)])]"] {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,)}}");
        let contents = read(&file(&header, 8).as_slice()).expect("read");
        assert_eq!(contents.unlisted[0].why, OBJECTS);
        let said = contents.not_followed.expect("that is no pickle");
        assert!(said.contains("of its pickle: 0x00 is"), "{said}");
    }
}

#[test]
fn several_arrays_in_one_file_are_all_read() {
    let array = |descr: &str, bytes| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,)}}");
        file(&header, bytes)
    };
    let objects = [array("|O", 0), b"cos\nsystem\n.".to_vec()].concat();
    let two = [array("<f4", 8), array("<i2", 4)].concat();
    let contents = read(&two.as_slice()).expect("read");
    let found: Vec<_> = contents
        .tensors
        .iter()
        .map(|it| (it.name.as_str(), it.dtype.as_str()))
        .collect();
    assert_eq!(found, [("0", "F32"), ("1", "I16")]);
    assert_eq!(contents.tensors[1].range.end, two.len() as u64);
    let contents = read(&[objects, array("<f4", 8)].concat().as_slice()).expect("read");
    assert_eq!(
        (
            contents.unlisted[0].name.as_str(),
            contents.tensors[0].name.as_str()
        ),
        ("0", "1")
    );
    assert_eq!(contents.imports[0].name, "os.system");
    // Whatever else is behind an array is said, and not taken for one.
    let contents = read(&array("<f4", 11).as_slice()).expect("read");
    assert_eq!(contents.tensors[0].name, "0");
    assert!(
        contents.unlisted[0]
            .why
            .contains("is no array: the 3 bytes"),
        "{:?}",
        contents.unlisted
    );
    let said = read(&[array("<f4", 8), array("<f4", 7)].concat().as_slice()).expect_err("refused");
    assert!(
        said.to_string()
            .contains("tensor \"1\": 7 bytes are not what"),
        "{said}"
    );
}

#[test]
fn headers_are_in_latin1_before_version_3() {
    let header = "{'descr': [('\u{e9}', '|O')], 'fortran_order': False, 'shape': (1,)}";
    let latin1: Vec<u8> = header
        .chars()
        .map(|c| u8::try_from(u32::from(c)).expect("Latin-1"))
        .collect();
    for (major, bytes) in [(1, &latin1[..]), (2, &latin1), (3, header.as_bytes())] {
        let length = u32::try_from(bytes.len()).expect("short").to_le_bytes();
        let length = if major == 1 { &length[..2] } else { &length };
        let file = [&MAGIC[..], &[major, 0], length, bytes, b"N."].concat();
        assert_eq!(
            read(&file.as_slice()).expect("read").unlisted[0].why,
            OBJECTS
        );
    }
    let length = u32::try_from(latin1.len()).expect("short").to_le_bytes();
    let file = [&MAGIC[..], &[3, 0], &length, &latin1, b"N."].concat();
    assert!(
        read(&file.as_slice())
            .expect_err("refused")
            .to_string()
            .contains("utf-8")
    );
}

#[test]
fn what_is_no_array_of_numbers_is_refused() {
    let with = |descr: &str, order: &str, shape: &str| {
        format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}")
    };
    for (header, words) in [
        (
            with("[('O', '<f4', (2,))]", "False", "(1,)"),
            "unknown type [('O', '<f4', (2,))]",
        ),
        (
            with("('<f4', (2,))", "False", "(1,)"),
            "unknown type ('<f4', (2,))",
        ),
        (with("[('a', ('b', '<f4'))]", "False", "(1,)"), "a length"),
        (
            with("[(('t', 'n'), '<f4')", "False", "(1,)"),
            "where ( should be",
        ),
        (with(&"[('a',".repeat(9), "False", "(1,)"), "less deep"),
        (with("'>f4'", "False", "(2,)"), "unknown type >f4"),
        (
            with("[('a', '<f4')]", "False", "(2,)"),
            "unknown type [('a', '<f4')]",
        ),
        (with("<f4", "False", "(2,)"), "a text in quotes"),
        (with("'<f4'", "0", "(2,)"), "where False should be"),
        (
            with("'<f4'", "False", "(3,)"),
            "8 bytes are not what [3] elements",
        ),
        (with("'<f4'", "False", "(-2,)"), "a length"),
        (
            with("'<f4'", "False", "(18446744073709551616,)"),
            "a length",
        ),
        (
            with("'<f4'", "False", "(4294967296, 4294967296)"),
            "8 bytes are not",
        ),
        (with("'<f4'", "False", "2"), "where ( should be"),
        (
            with("'<f4'", "False", "(2,)") + "; import os",
            "where the end should be",
        ),
        ("{'descr': '<f4'}".to_owned(), "has not all of"),
        ("{'descr': '<f4', 'descr': '<f4'}".to_owned(), "there twice"),
        ("{'x': '<f4'}".to_owned(), "\"x\" is unknown"),
        (String::new(), "where { should be"),
    ] {
        let said = read(&file(&header, 8).as_slice())
            .expect_err("refused")
            .to_string();
        assert!(said.contains(words), "{words:?}: {said}");
    }
    let said = |bytes: &[u8]| read(&bytes).expect_err("refused").to_string();
    assert!(said(b"PK\x03\x04 not").contains("does not begin as a NumPy file"));
    assert!(said(b"\x93NUMPY\x04\x00").contains("of version 4.0 of NumPy"));
    assert!(said(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").contains("says to have 4294967295 bytes"));
}
