//! What is refused, and with which words.

use super::*;

fn refusal(file: &[u8]) -> String {
    read(&file).expect_err("it is refused").to_string()
}

/// Checks that each of these files is refused with these words.
fn check<const N: usize>(files: [(Vec<u8>, &str); N]) {
    for (file, words) in files {
        let said = refusal(&file);
        assert!(said.contains(words), "{words:?}: {said}");
    }
}

#[test]
fn what_is_no_message_is_refused_with_the_place() {
    let good = one(&tensor("w", &[2], FLOAT, &raw(8)));
    assert!(read(&good.as_slice()).is_ok());
    // The innermost graph is in 100 messages.
    let deep = |graph: Vec<u8>| {
        let within = |graph: Vec<u8>, _| {
            let body = attribute("body", &bytes(6, graph));
            bytes(1, node("y", &[body]))
        };
        model(&(1..34).fold(graph, within))
    };
    assert!(read(&deep(vec![]).as_slice()).is_ok());
    let cut = good.len() - 1;
    check([
        (vec![], "it has no graph"),
        (int(1, 10), "it has no graph"),
        (
            good[..cut].to_vec(),
            "at byte 23: field 8 of the model would end at byte 27, and the model does at byte 26",
        ),
        (
            vec![0x3a, 0x80],
            "at byte 1: a number would end behind byte 2, where the model does",
        ),
        (
            [vec![0x3a], vec![0xff; 9], vec![2]].concat(),
            "at byte 1: a number has more than 64 bits",
        ),
        (
            [vec![0x3a], vec![0xff; 10], vec![0]].concat(),
            "at byte 1: a number has more than 64 bits",
        ),
        (
            [vec![0x3a], vec![0xff; 9], vec![1]].concat(),
            "would end at byte 18446744073709551615",
        ),
        (
            vec![0x3b],
            "at byte 0: field 7 of the model is of the wire type 3",
        ),
        (vec![0x3e], "of the wire type 6"),
        (
            vec![0x02, 0x00],
            "at byte 0: field 0 of the model is not known",
        ),
        (
            [good.clone(), bytes(99, "")].concat(),
            "at byte 27: field 99 of the model is not known",
        ),
        (model(&bytes(3, "")), "field 3 of a graph is not known"),
        (
            [good.clone(), good.clone()].concat(),
            "at byte 27: field 1 of the model stands twice",
        ),
        (
            [good.clone(), bytes(7, "")].concat(),
            "field 7 of the model stands twice",
        ),
        (
            int(7, 1),
            "at byte 0: field 7 of the model can't be written as Varint",
        ),
        (
            model(&int(5, 1)),
            "field 5 of a graph can't be written as Varint",
        ),
        // A tensor that ends behind its graph, though not behind the file.
        (
            [
                model(&[tag(5, 2), varint(9)].concat()),
                bytes(2, "123456789"),
            ]
            .concat(),
            "at byte 4: field 5 of a graph would end at byte 15, and a graph does at byte 6",
        ),
        (deep(bytes(1, "")), "is in more than 100 messages"),
    ]);
}

/// A model with a tensor "w".
fn w(dims: &[u64], dtype: u64, rest: &[u8]) -> Vec<u8> {
    one(&tensor("w", dims, dtype, rest))
}

/// A model with a tensor "w" that has two elements.
fn two(dtype: u64, rest: &[u8]) -> Vec<u8> {
    w(&[2], dtype, rest)
}

#[test]
fn types_and_shapes_have_to_fit_the_data() {
    check([
        (
            two(FLOAT, &raw(7)),
            "tensor \"w\": 7 bytes are not what [2] elements of type F32 take",
        ),
        (two(FLOAT, &raw(9)), "9 bytes are not what [2] elements"),
        (
            w(&[3], 22, &raw(1)),
            "1 bytes are not what [3] elements of type INT4",
        ),
        (
            w(&[1, 3], 27, &raw(2)),
            "2 bytes are not what [1, 3] elements of type F6_E2M3",
        ),
        (two(FLOAT, &[]), "tensor \"w\": it has no data"),
        (two(FLOAT, &raw(0)), "it has no data"),
        (
            w(&[0], FLOAT, &raw(4)),
            "it has no elements, and data in raw_data",
        ),
        (
            w(&[0], INT64, &bytes(7, [1])),
            "it has no elements, and data in int64_data",
        ),
        (
            two(0, &raw(8)),
            "tensor \"w\" has elements of the unknown type 0",
        ),
        (two(29, &raw(8)), "unknown type 29"),
        (two((1 << 32) + 1, &raw(8)), "unknown type 4294967297"),
        (two(u64::MAX, &raw(8)), "unknown type 18446744073709551615"),
        (one(&[bytes(8, "w"), raw(4)].concat()), "unknown type 0"),
        (
            w(&[u64::MAX], FLOAT, &raw(8)),
            "field 1 of a tensor is a negative dimension",
        ),
        (
            w(&[1 << 62, 4], FLOAT, &raw(8)),
            "[4611686018427387904, 4] are more elements than any file has",
        ),
        (
            w(&[1 << 62], FLOAT, &raw(8)),
            "[4611686018427387904] are more elements",
        ),
        (w(&[1; 65], FLOAT, &raw(4)), "65 dimensions"),
        (
            one(&[bytes(1, [1; 65]), int(2, 1), bytes(8, "w"), raw(4)].concat()),
            "65 dimensions",
        ),
        (
            one(&[bytes(1, [1, 0x81]), int(2, 1)].concat()),
            "a number would end behind byte",
        ),
        (
            two(FLOAT, &[raw(8), bytes(4, [0; 8])].concat()),
            "field 4 of a tensor is data, and there is some in field 9",
        ),
        (
            two(FLOAT, &bytes(4, [0; 12])),
            "12 bytes are not what [2] elements",
        ),
        (
            two(FLOAT, &bytes(10, [0; 8])),
            "elements of type F32 can't be in double_data",
        ),
        (
            two(INT64, &bytes(5, [1, 2])),
            "elements of type I64 can't be in int32_data",
        ),
        (
            two(STRING, &raw(8)),
            "elements of type STRING can't be in raw_data",
        ),
    ]);
}

#[test]
fn names_have_to_tell_tensors_apart() {
    let both = |first: &[u8], second: &[u8]| model(&[bytes(5, first), bytes(5, second)].concat());
    let good = tensor("w", &[2], FLOAT, &raw(8));
    let texts = tensor("w", &[1], STRING, &bytes(6, "a"));
    check([
        (
            one(&tensor("", &[2], FLOAT, &raw(8))),
            "field 5 of a graph has no name",
        ),
        (
            one(&tensor(&"n".repeat(1025), &[2], FLOAT, &raw(8))),
            "1025 bytes in a tensor's name",
        ),
        (
            one(&[bytes(8, [0xe9]), int(2, 1)].concat()),
            "field 8 of a tensor is no text",
        ),
        (both(&good, &good), "two tensors \"w\""),
        (both(&good, &texts), "two tensors \"w\""),
        (both(&texts, &texts), "two tensors \"w\""),
        (
            model(&bytes(1, node("y", &[bytes(5, &good)]))),
            "an attribute has no name",
        ),
        (
            model(&bytes(
                1,
                node(&"y".repeat(1024), &[attribute("value", &bytes(5, &good))]),
            )),
            "1032 bytes in a tensor's name",
        ),
    ]);
}

#[test]
fn fields_of_a_tensor_stand_once_and_are_known() {
    check([
        (
            two(FLOAT, &[raw(8), raw(8)].concat()),
            "field 9 of a tensor stands twice",
        ),
        (
            two(FLOAT, &bytes(8, "v")),
            "field 8 of a tensor stands twice",
        ),
        (
            two(FLOAT, &bytes(3, "")),
            "field 3 of a tensor is a segment",
        ),
        (
            two(FLOAT, &bytes(17, "")),
            "field 17 of a tensor is not known",
        ),
        (
            two(FLOAT, &int(4, 1)),
            "field 4 of a tensor can't be written as Varint",
        ),
    ]);
}

#[test]
fn the_parts_of_a_sparse_tensor_have_to_fit_each_other() {
    let values = |dims: &[u64]| bytes(1, tensor("w", dims, FLOAT, &raw(8)));
    let sparse = |dims: &[u64], indices: &[u64], dtype: u64| {
        let indices = bytes(2, tensor("", indices, dtype, &raw(16)));
        model(&bytes(15, [values(dims), indices, int(3, 9)].concat()))
    };
    assert!(read(&sparse(&[2], &[2], INT64).as_slice()).is_ok());
    check([
        (
            sparse(&[2], &[2], FLOAT),
            "has indices of type 1 and shape [2] for values of shape [2] in 1 dimensions",
        ),
        (
            sparse(&[2], &[1, 2], INT64),
            "has indices of type 7 and shape [1, 2]",
        ),
        (sparse(&[2, 1], &[2], INT64), "for values of shape [2, 1]"),
        (
            model(&bytes(15, values(&[2]))),
            "has not both values and indices",
        ),
    ]);
}

#[test]
fn other_files_are_in_the_folder() {
    let at = |location: &str| two(FLOAT, &external(&[("location", location)]));
    assert!(read(&at("a/b/w.bin").as_slice()).is_ok());
    for location in [
        "/w.bin",
        "..",
        "../w.bin",
        "a/../w.bin",
        "a/..",
        "..\\w.bin",
        "a\\w.bin",
        "C:/w.bin",
        "c:w.bin",
        "\\\\host\\w",
        "//host/w",
    ] {
        let said = refusal(&at(location));
        let words = format!(
            "tensor \"w\": its location {location:?} is an ONNX path that leaves the folder"
        );
        assert!(said.contains(&words), "{words:?}: {said}");
    }
    for location in ["", ".", "./", "a/", "a/.", "w\0.bin"] {
        let said = refusal(&at(location));
        let words = format!("tensor \"w\": its location {location:?} is no path of a file");
        assert!(said.contains(&words), "{words:?}: {said}");
    }
    for location in ["w.bin", "./w.bin", "././/w.bin"] {
        let file = at(location);
        let tensors = read(&file.as_slice()).expect("read").tensors;
        assert_eq!(tensors[0].file.as_deref(), Some("w.bin"), "{location}");
    }
    assert!(read(&at("a//./b/w.bin").as_slice()).is_ok());
}

#[test]
fn keys_of_other_programs_are_left_alone() {
    let pairs = [
        ("location", "w.bin"),
        ("prepacked_0", "MatMulNBits|4096|8"),
        ("prepacked_0", "again"),
        ("offset ", "1"),
    ];
    let file = two(FLOAT, &external(&pairs));
    assert_eq!(read(&file.as_slice()).expect("read").tensors[0].range, 0..8);
}

#[test]
fn what_is_said_of_another_file_has_to_fit() {
    let w = |dtype: u64, pairs: &[(&str, &str)]| two(dtype, &external(pairs));
    let with = |key: &str, value: &str| w(FLOAT, &[("location", "w.bin"), (key, value)]);
    let pair = |first: (&str, &str), second: (&str, &str)| {
        let tensor = |name: &str, (offset, file): (&str, &str)| {
            let pairs = external(&[("location", file), ("offset", offset)]);
            bytes(5, tensor(name, &[2], FLOAT, &pairs))
        };
        model(&[tensor("v", first), tensor("w", second)].concat())
    };
    assert!(read(&pair(("0", "a"), ("4", "b")).as_slice()).is_ok());
    check([
        (w(FLOAT, &[]), "it does not say which other file"),
        (
            w(FLOAT, &[("offset", "0")]),
            "it does not say which other file",
        ),
        (
            with("offset", "-1"),
            "tensor \"w\": its offset \"-1\" is no number",
        ),
        (with("offset", "+1"), "its offset \"+1\" is no number"),
        (with("offset", " 1"), "its offset \" 1\" is no number"),
        (with("offset", "0x1"), "its offset \"0x1\" is no number"),
        (with("offset", ""), "its offset \"\" is no number"),
        (with("offset", "18446744073709551616"), "is no number"),
        (
            with("offset", "18446744073709551615"),
            "8 bytes at the offset 18446744073709551615 would end behind any file",
        ),
        (
            with("length", "7"),
            "7 bytes are not what [2] elements of type F32 take",
        ),
        (with("length", "8 "), "its length \"8 \" is no number"),
        (
            with("location", "v.bin"),
            "has the key \"location\" of one before",
        ),
        (
            with("offset", &"0".repeat(4097)),
            "4097 bytes in a value about another file",
        ),
        (
            w(STRING, &[("location", "w.bin")]),
            "texts can't be in another file",
        ),
        (
            two(
                FLOAT,
                &[raw(8), external(&[("location", "w.bin")])].concat(),
            ),
            "both in this file and in another",
        ),
        (
            two(FLOAT, &[raw(8), bytes(13, bytes(1, "location"))].concat()),
            "does not say that its data is there",
        ),
        (
            two(FLOAT, &[raw(8), int(14, 2)].concat()),
            "its data is in the unknown place 2",
        ),
        (pair(("0", "a"), ("4", "a")), "\"v\" and \"w\" overlap"),
        (pair(("4", "a"), ("0", "a")), "\"w\" and \"v\" overlap"),
    ]);
}
