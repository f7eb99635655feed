//! Files as `torch.save` writes them, and those that are refused.

use super::*;
use crate::pickle::tests::{call, dict, int, text, tuple, whole};
use crate::zip::tests::{archive, deflated, item, torch_archive};

fn storage(class: &str, key: &str, length: i64) -> Vec<u8> {
    let class = format!("ctorch\n{class}\n").into_bytes();
    let id = tuple(&[text("storage"), class, text(key), text("cpu"), int(length)]);
    [id, b"Q".to_vec()].concat()
}

fn ints(numbers: &[i64]) -> Vec<u8> {
    tuple(&numbers.iter().map(|it| int(*it)).collect::<Vec<_>>())
}

/// The arguments that all versions of the function for it begin with.
fn parts(storage: Vec<u8>, offset: i64, shape: &[i64], steps: &[i64]) -> Vec<Vec<u8>> {
    let hooks = call("collections", "OrderedDict", &[]);
    vec![
        storage,
        int(offset),
        ints(shape),
        ints(steps),
        b"\x89".to_vec(),
        hooks,
    ]
}

fn rebuilt(parts: &[Vec<u8>]) -> Vec<u8> {
    call("torch._utils", "_rebuild_tensor_v2", parts)
}

/// A tensor in storage 0, of 6 F32.
fn tensor(offset: i64, shape: &[i64], steps: &[i64]) -> Vec<u8> {
    rebuilt(&parts(
        storage("FloatStorage", "0", 6),
        offset,
        shape,
        steps,
    ))
}

/// A file of a pickle and a storage of 24 bytes.
fn file(pickle: &[u8]) -> Vec<u8> {
    torch_archive(&[
        ("m/data.pkl", pickle),
        ("m/byteorder", b"little"),
        ("m/data/0", &[7; 24]),
        ("m/version", b"3\n"),
    ])
}

fn contents(pickle: &[u8]) -> Contents {
    read(&file(&whole(pickle)).as_slice()).expect("read")
}

/// Names, types and shapes of the tensors, and names and reasons of the others.
fn listed(contents: &Contents) -> (Vec<String>, Vec<String>) {
    let tensor = |it: &Tensor| format!("{} {} {:?}", it.name, it.dtype, it.shape);
    let unlisted = |it: &Unlisted| format!("{}: {}", it.name, it.why);
    (
        contents.tensors.iter().map(tensor).collect(),
        contents.unlisted.iter().map(unlisted).collect(),
    )
}

/// <https://github.com/huggingface/candle/blob/main/candle-core/tests/test.pt>: its pickle; the rest is as made here.
const CANDLE: &[u8] = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x04\x00\x00\x00testq\x02ctorch._utils\n\
    _rebuild_tensor_v2\nq\x03((X\x07\x00\x00\x00storageq\x04ctorch\nLongStorage\nq\x05X\x01\x00\x00\x000q\x06X\x03\x00\
    \x00\x00cpuq\x07K\x08tq\x08QK\x00K\x02K\x04\x86q\tK\x04K\x01\x86q\n\x89h\x00)Rq\x0btq\x0cRq\rs.";

#[test]
fn a_file_of_torch_is_read_as_it_stands() {
    let numbers: Vec<u8> = (1..=8_i64).flat_map(i64::to_le_bytes).collect();
    let file = torch_archive(&[
        ("test/data.pkl", CANDLE),
        ("test/byteorder", b"little"),
        ("test/data/0", &numbers),
        ("test/version", b"3\n"),
        ("test/.data/serialization_id", &[b'1'; 40]),
    ]);
    // The length and the place that they have in the original.
    assert_eq!((file.len(), CANDLE.len()), (1165, 171));
    let contents = read(&file.as_slice()).expect("read");
    assert_eq!(
        contents.tensors,
        [Tensor {
            name: "test".to_owned(),
            dtype: Dtype::new("I64"),
            shape: vec![2, 4],
            file: None,
            range: 448..512,
        }]
    );
    assert_eq!(file[448..512], numbers);
    assert_eq!((contents.unlisted, contents.imports), (vec![], vec![]));
}

#[test]
fn tensors_are_named_by_the_keys_to_them_and_may_share_their_data() {
    let whole_one = || tensor(0, &[2, 3], &[3, 1]);
    let rows = tensor(3, &[1, 3], &[99, 1]);
    let parameter = call(
        "torch._utils",
        "_rebuild_parameter",
        &[whole_one(), b"\x88".to_vec(), b"N".to_vec()],
    );
    let typed = call(
        "torch._tensor",
        "_rebuild_from_type_v2",
        &[
            b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(),
            b"ctorch.nn.parameter\nParameter\n".to_vec(),
            tuple(&parts(storage("FloatStorage", "0", 6), 5, &[], &[])),
            b"N".to_vec(),
        ],
    );
    let state = dict(&[
        ("a.w", whole_one()),
        ("b", parameter),
        ("t", typed),
        ("e", tensor(6, &[0, 9], &[9, 1])),
    ]);
    let mut pickle = dict(&[
        ("model", state),
        ("list", [b"](K\x05".to_vec(), rows, b"e".to_vec()].concat()),
    ]);
    // What is set last is what a key is, and numbers are keys, too.
    pickle.extend(
        [
            text("x"),
            tensor(0, &[6], &[1]),
            b"s".to_vec(),
            text("x"),
            b"Ns".to_vec(),
        ]
        .concat(),
    );
    pickle.extend([int(7), tensor(0, &[1], &[1]), b"s".to_vec()].concat());
    let contents = contents(&pickle);
    assert_eq!(
        listed(&contents).0,
        [
            "7 F32 [1]",
            "model.a.w F32 [2, 3]",
            "model.b F32 [2, 3]",
            "list.1 F32 [1, 3]",
            "model.t F32 []",
            "model.e F32 [0, 9]",
        ]
    );
    let start = contents.tensors[0].range.start;
    let ranges: Vec<_> = contents
        .tensors
        .iter()
        .map(|it| it.range.start - start..it.range.end - start)
        .collect();
    assert_eq!(ranges, [0..4, 0..24, 0..24, 12..24, 20..24, 24..24]);
    assert_eq!((contents.unlisted, contents.imports), (vec![], vec![]));
}

#[test]
fn types_are_those_of_the_storage_or_of_the_tensor() {
    let v3 = |dtype: &str, offset, shape: &[i64]| {
        let mut parts = parts(storage("UntypedStorage", "0", 24), offset, shape, &[1]);
        parts.push(format!("ctorch\n{dtype}\n").into_bytes());
        call("torch._utils", "_rebuild_tensor_v3", &parts)
    };
    let one =
        |class: &str, length| rebuilt(&parts(storage(class, "0", length), 0, &[length], &[1]));
    for (pickle, tensor) in [
        (one("BFloat16Storage", 12), " BF16 [12]"),
        (one("BoolStorage", 24), " BOOL [24]"),
        (one("ComplexFloatStorage", 3), " C64 [3]"),
        (v3("float8_e4m3fn", 0, &[24]), " F8_E4M3 [24]"),
        (v3("uint16", 2, &[10]), " U16 [10]"),
    ] {
        let (tensors, unlisted) = listed(&contents(&pickle));
        assert_eq!((tensors, unlisted), (vec![tensor.to_owned()], vec![]));
    }
    let outside = read(&file(&whole(&v3("uint16", 2, &[11]))).as_slice());
    assert!(
        outside
            .expect_err("refused")
            .to_string()
            .contains("behind the 24 bytes")
    );
}

#[test]
fn what_has_no_range_of_bytes_is_not_listed_and_said() {
    let bits = |bits: Vec<u8>| {
        let mut all = parts(storage("FloatStorage", "0", 6), 0, &[6], &[1]);
        all.push(bits);
        rebuilt(&all)
    };
    assert_eq!(listed(&contents(&bits(b"}".to_vec()))).0, [" F32 [6]"]);
    let good = || tensor(0, &[6], &[1]);
    let with_storage = |storage: Vec<u8>| rebuilt(&parts(storage, 0, &[6], &[1]));
    for (pickle, words) in [
        (
            tensor(0, &[3, 2], &[1, 3]),
            ": its elements are not one behind the other: shape [3, 2], steps [1, 3]",
        ),
        (tensor(0, &[3, 6], &[0, 1]), "not one behind the other"),
        (
            bits(dict(&[("conj", b"\x88".to_vec())])),
            ": its elements are to be conjugated or negated",
        ),
        (
            call(
                "torch._utils",
                "_rebuild_qtensor",
                &parts(storage("QInt8Storage", "0", 24), 0, &[1], &[1]),
            ),
            "quantized",
        ),
        (
            call("torch._utils", "_rebuild_sparse_tensor", &[good()]),
            ": it is sparse",
        ),
        (
            call("torch._utils", "_rebuild_new", &[good()]),
            ": it is made by _rebuild_new in a form that is not known",
        ),
        (
            call("torch._utils", "_rebuild_tensor_v2", &[good()]),
            "in a form that is not known",
        ),
        (
            with_storage(storage("NewStorage", "0", 6)),
            "unknown class \"torch.NewStorage\"",
        ),
        (
            with_storage(b"N".to_vec()),
            "not said in the form that is known",
        ),
        (
            with_storage([int(1), b"Q".to_vec()].concat()),
            "not said in the form that is known",
        ),
        (
            with_storage(b"Pabc\n".to_vec()),
            "not said in the form that is known",
        ),
        (
            storage("FloatStorage", "0", 6),
            ": it is a storage, and no tensor",
        ),
        (
            [good(), b"}b".to_vec()].concat(),
            ": its pickle changes it after it is made",
        ),
        (
            [good(), int(0), int(1), b"s".to_vec()].concat(),
            ": its pickle changes it after it is made",
        ),
        (
            [b"}N".to_vec(), good(), b"s".to_vec()].concat(),
            "?: a key on the way to it is neither",
        ),
        (
            dict(&[(&"k".repeat(1024), good())]),
            ": its name is too long",
        ),
        (
            [b"]".repeat(300), good(), b"a".repeat(300)].concat(),
            "in more than 256 other values",
        ),
        (
            b"N".to_vec(),
            "data/0: it is data of no tensor that was understood",
        ),
    ] {
        let (tensors, unlisted) = listed(&contents(&pickle));
        assert!(tensors.is_empty(), "{words}: {tensors:?}");
        assert!(unlisted[0].contains(words), "{words:?}: {unlisted:?}");
    }
    let both = dict(&[("a", dict(&[("b", good())])), ("a.b", good())]);
    let (tensors, unlisted) = listed(&contents(&both));
    assert_eq!(tensors, ["a.b F32 [6]"]);
    assert!(unlisted[0].contains("a.b: other keys"), "{unlisted:?}");
}

#[test]
fn the_order_of_bytes_and_compression_are_heeded() {
    let pickle = whole(&dict(&[("w", tensor(0, &[6], &[1]))]));
    let with = |order: &[u8], data| {
        archive(&[
            deflated("m/data.pkl", &pickle),
            item("m/byteorder", order),
            data,
            item("m/version", b"10\n"),
        ])
    };
    let data = || item("m/data/0", &[0; 24]);
    let (tensors, _) = listed(&read(&with(b"little", data()).as_slice()).expect("read"));
    assert_eq!(tensors, ["w F32 [6]"]);
    for (file, words) in [
        (
            with(b"big", data()),
            "w: its elements have the big end first",
        ),
        (
            with(b"little", deflated("m/data/0", &[0; 24])),
            "w: its data is compressed",
        ),
    ] {
        let (tensors, unlisted) = listed(&read(&file.as_slice()).expect("read"));
        assert_eq!((tensors, unlisted), (vec![], vec![words.to_owned()]));
    }
    let said = read(&with(b"middle", data()).as_slice())
        .expect_err("refused")
        .to_string();
    assert!(said.contains("byteorder says \"middle\""), "{said}");
}

#[test]
fn imports_are_said_of_all_pickles_whatever_else_they_hold() {
    let system = || call("posix", "system", &[text("true")]);
    let pickle = dict(&[
        ("w", tensor(0, &[6], &[1])),
        ("x", system()),
        ("y", system()),
    ]);
    let evil = contents(&pickle);
    assert_eq!(evil.imports, ["posix.system"]);
    assert_eq!(listed(&evil).0, ["w F32 [6]"]);

    let module = whole(b"c__torch__\nNet\n)\x81}b");
    let script = |name: &str| {
        let files = [
            ("m/data.pkl", module.as_slice()),
            (name, &whole(&system())),
            ("m/version", b"3"),
        ];
        read(&torch_archive(&files).as_slice()).expect("read")
    };
    for name in ["m/constants.pkl", "m/extra/x.PKL"] {
        assert_eq!(
            script(name).imports,
            ["__torch__.Net", "posix.system"],
            "{name}"
        );
    }
    assert!(
        script("m/constants.pkl").unlisted[0]
            .why
            .contains("TorchScript")
    );
    assert!(
        script("m/code/a.py").unlisted[0]
            .why
            .contains("TorchScript")
    );

    let plain = whole(&system());
    let legacy = [
        LEGACY_MAGIC.to_vec(),
        whole(&int(1001)),
        whole(b"}"),
        plain.clone(),
        whole(b"]"),
        plain.clone(),
        vec![0xff; 9],
    ];
    for (file, imports, words) in [
        (
            plain.clone(),
            vec!["posix.system"],
            "no archive but a pickle, whose tensors are not listed",
        ),
        (
            b"cos\nsystem\n(S'true'\ntR.".to_vec(),
            vec!["os.system"],
            "a pickle",
        ),
        (
            [whole(b"N"), plain.clone()].concat(),
            vec!["posix.system"],
            "2 pickles",
        ),
        (
            [whole(b"N"), b"cos\nsystem\n.".to_vec()].concat(),
            vec!["os.system"],
            "2 pickles",
        ),
        (
            [whole(b"N"), b"cos\nsystem\n".to_vec()].concat(),
            vec![],
            "unknown data from byte 4 on",
        ),
        (
            [whole(b"N"), b"\x80\x04cos\nsystem\n".to_vec()].concat(),
            vec!["os.system"],
            "from byte 4 on",
        ),
        (
            legacy.concat(),
            vec!["posix.system"],
            "the form from before PyTorch 1.6",
        ),
    ] {
        let contents = read(&file.as_slice()).expect("read");
        assert_eq!(contents.imports, imports, "{words}");
        assert!(
            contents.unlisted[0].why.contains(words),
            "{:?}",
            contents.unlisted
        );
    }
}

#[test]
fn values_in_rings_and_on_too_many_ways_come_to_an_end() {
    let ring = [
        b"}q\x00".to_vec(),
        text("self"),
        b"h\x00s".to_vec(),
        text("w"),
        tensor(0, &[6], &[1]),
        b"s".to_vec(),
    ];
    assert_eq!(listed(&contents(&ring.concat())).0, ["w F32 [6]"]);
    let tripled = |leaf: Vec<u8>| [leaf, b"q\x00h\x00h\x00\x87".repeat(40)].concat();
    let said = |pickle: &[u8]| {
        read(&file(&whole(pickle)).as_slice())
            .expect_err("refused")
            .to_string()
    };
    assert!(said(&tripled(b")".to_vec())).contains("ways to its values, and at most 4000000"));
    assert!(said(&tripled(tensor(0, &[6], &[1]))).contains("1000001 tensors"));
}

/// Each file is refused with these words.
fn check(refused: &[(Vec<u8>, &str)]) {
    for (file, words) in refused {
        let said = read(&file.as_slice()).expect_err("refused").to_string();
        assert!(said.contains(words), "{words:?}: {said}");
    }
}

#[test]
fn files_in_no_form_of_torch_are_refused() {
    let with = |files: &[(&str, &[u8])]| torch_archive(files);
    check(&[
        (Vec::new(), "does not begin as a PyTorch file"),
        (vec![0; 99], "does not begin as a PyTorch file"),
        (
            b"config = 1\nother = 2\n".to_vec(),
            "does not begin as a PyTorch file",
        ),
        (b"N.and more".to_vec(), "does not begin as a PyTorch file"),
        (b"\x80\x02N".to_vec(), "byte 3 of its pickle"),
        (
            b"cos\nsystem\nR".to_vec(),
            "byte 11 of its pickle: it needs 2 values where there are fewer; up to there it imports [\"os.system\"]",
        ),
        (
            LEGACY_MAGIC.to_vec(),
            "byte 15 of its pickle: an operation would end at byte 16",
        ),
        (
            [LEGACY_MAGIC.to_vec(), b"\xff".to_vec()].concat(),
            "byte 15 of its pickle: 0xff",
        ),
        (b"PK\x03\x04".to_vec(), "its zip archive: of the 22 bytes"),
        (
            file(b"\x80\x02N"),
            "in its entry \"m/data.pkl\": byte 3 of its pickle",
        ),
        (file(b"N.N."), "byte 2 of its pickle: it ends here"),
        (
            with(&[("data.pkl", b"N.")]),
            "its first file is in no folder",
        ),
        (
            with(&[("m/data.pkl", b"N."), ("n/version", b"3")]),
            "\"n/version\" is not in the folder \"m\"",
        ),
        (
            with(&[("m/data.pkl", b"N."), ("mm/version", b"3")]),
            "\"mm/version\" is not in the folder \"m\"",
        ),
        (with(&[("m/data.pkl", b"N.")]), "it has no file version"),
        (with(&[("m/version", b"3")]), "it has no file data.pkl"),
        (
            with(&[("m/data.pkl", b"N."), ("m/version", b"11\n")]),
            "of version \"11\\n\" of PyTorch",
        ),
        (
            with(&[("m/data.pkl", b"N."), ("m/.data/version", b"0")]),
            "of version \"0\" of PyTorch",
        ),
        (
            with(&[("m/data.pkl", b"N."), ("m/version", &[b'1'; 65])]),
            "at most 64 are read",
        ),
    ]);
}

#[test]
fn tensors_that_do_not_fit_their_data_are_refused() {
    let pickle = |value: &[u8]| {
        file(&whole(
            &[b"}".to_vec(), text("w"), value.to_vec(), b"s".to_vec()].concat(),
        ))
    };
    let good = || tensor(0, &[6], &[1]);
    assert!(read(&pickle(&good()).as_slice()).is_ok());
    let in_storage = |class: &str, key: &str, length| {
        pickle(&rebuilt(&parts(storage(class, key, length), 0, &[1], &[1])))
    };
    let two_types = tuple(&[
        good(),
        rebuilt(&parts(storage("IntStorage", "0", 6), 0, &[6], &[1])),
    ]);
    check(&[
        (
            in_storage("FloatStorage", "1", 6),
            "tensor \"w\": its data \"data/1\" is not in the archive",
        ),
        (
            in_storage("FloatStorage", "../version", 6),
            "\"data/../version\" is not in the archive",
        ),
        (
            in_storage("FloatStorage", "0", 7),
            "\"data/0\" has 24 bytes, and should be 7 elements of type float32",
        ),
        (
            in_storage("DoubleStorage", "0", 6),
            "should be 6 elements of type float64",
        ),
        (in_storage("FloatStorage", "0", -6), "should be -6 elements"),
        (
            in_storage("DoubleStorage", "0", i64::MAX),
            "should be 9223372036854775807 elements",
        ),
        (
            pickle(&two_types),
            "is said to be of type float32 and of type int32",
        ),
        (
            pickle(&tensor(0, &[7], &[1])),
            "behind the 24 bytes of its data \"data/0\"",
        ),
        (
            pickle(&tensor(1, &[6], &[1])),
            "from element 1 on would end behind",
        ),
        (
            pickle(&tensor(7, &[0], &[1])),
            "from element 7 on would end behind",
        ),
        (
            pickle(&tensor(-1, &[6], &[1])),
            "from element -1 on would end behind",
        ),
        (pickle(&tensor(i64::MAX, &[1], &[1])), "would end behind"),
        (
            pickle(&tensor(0, &[2], &[6])),
            "by steps of [6] from element 0 on would end behind",
        ),
        (pickle(&tensor(0, &[5], &[i64::MAX])), "would end behind"),
        (
            pickle(&tensor(0, &[1 << 62, 1 << 62], &[1 << 62, 1])),
            "would end behind",
        ),
        (
            pickle(&tensor(0, &[-1], &[1])),
            "a length or step of [-1] is negative",
        ),
        (
            pickle(&tensor(5, &[2], &[-1])),
            "a length or step of [-1] is negative",
        ),
        (
            pickle(&tensor(0, &[6], &[6, 1])),
            "shape [6] with steps [6, 1]",
        ),
        (pickle(&tensor(0, &[1; 65], &[1; 65])), "65 dimensions"),
    ]);
}
