//! Files as `torch.save` writes them, and those that are refused.

use super::*;
use crate::pickle::tests::{call, dict, int, text, tuple, whole};
use crate::pickled::MAGIC;
use crate::zip::tests::{archive, deflated, item, torch_archive};

mod refusals;

fn storage(class: &str, key: &str, length: i64) -> Vec<u8> {
    let class = format!("ctorch\n{class}\n").into_bytes();
    let id = tuple(&[text("storage"), class, text(key), text("cpu"), int(length)]);
    [id, b"Q".to_vec()].concat()
}

pub(crate) fn ints(numbers: &[i64]) -> Vec<u8> {
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
pub(crate) fn file(pickle: &[u8]) -> Vec<u8> {
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

/// The names of what it imports.
pub(crate) fn imports(contents: &Contents) -> Vec<&str> {
    contents.imports.iter().map(|it| it.name.as_str()).collect()
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
fn a_tensor_with_a_state_or_a_storage_that_is_changed_is_not_listed() {
    let good = || tensor(0, &[6], &[1]);
    let from_type = |state: Vec<u8>| {
        call(
            "torch._tensor",
            "_rebuild_from_type_v2",
            &[
                b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(),
                b"ctorch.nn.parameter\nParameter\n".to_vec(),
                tuple(&parts(storage("FloatStorage", "0", 6), 0, &[6], &[1])),
                state,
            ],
        )
    };
    let with_state = |state: Vec<u8>| {
        let hooks = call("collections", "OrderedDict", &[]);
        let arguments = [good(), b"\x89".to_vec(), hooks, state];
        call("torch._utils", "_rebuild_parameter_with_state", &arguments)
    };
    for empty in [b"}".to_vec(), b"N".to_vec()] {
        assert_eq!(listed(&contents(&from_type(empty.clone()))).0, [" F32 [6]"]);
        assert_eq!(listed(&contents(&with_state(empty))).0, [" F32 [6]"]);
    }
    let data = || dict(&[("data", good())]);
    let slots = || [b"N", &data()[..], b"\x86"].concat();
    for pickle in [from_type(data()), from_type(slots()), with_state(data())] {
        let (tensors, unlisted) = listed(&contents(&pickle));
        assert!(tensors.is_empty(), "{tensors:?}");
        assert!(
            unlisted[0].contains("it has a state, which may be other data"),
            "{unlisted:?}"
        );
    }
    let changed = [&storage("FloatStorage", "0", 6)[..], b"}b"].concat();
    let found = contents(&rebuilt(&parts(changed, 0, &[6], &[1])));
    assert!(found.tensors.is_empty() && found.not_followed.is_some());
}

#[test]
fn files_are_looked_for_as_torch_does_without_regard_to_case() {
    let pickle = whole(&dict(&[("w", tensor(0, &[6], &[1]))]));
    let with = |order: (&str, &[u8]), data: &[&str]| {
        let mut files = vec![
            ("m/data.pkl", pickle.as_slice()),
            order,
            ("m/version", b"3"),
        ];
        files.extend(data.iter().map(|name| (*name, [0; 24].as_slice())));
        read(&torch_archive(&files).as_slice())
    };
    let order: (&str, &[u8]) = ("m/byteorder", b"little");
    for name in ["m/data/0", "m/DATA/0"] {
        let found = with(order, &[name]).expect("read");
        assert_eq!(listed(&found), (vec!["w F32 [6]".to_owned()], vec![]));
    }
    let said = with(order, &["m/DATA/0", "m/data/0"]).expect_err("refused");
    let words = "its entries \"m/DATA/0\" and \"m/data/0\" differ only in capital letters";
    assert!(said.to_string().contains(words), "{said}");
    let big = with(("m/BYTEORDER", b"big"), &["m/data/0"]).expect("read");
    assert_eq!(listed(&big).1, ["w: its elements have the big end first"]);
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
    assert_eq!(imports(&evil), ["posix.system"]);
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
            imports(&script(name)),
            ["posix.system", "__torch__.Net"],
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
        MAGIC.to_vec(),
        whole(&int(1001)),
        whole(b"}"),
        plain.clone(),
        whole(b"]"),
        plain.clone(),
        vec![0xff; 9],
    ];
    for (file, expected, words) in [
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
            [
                whole(b"N"),
                b"cos\nsys tem\n".to_vec(),
                b"cx y\nz\n".to_vec(),
            ]
            .concat(),
            vec!["os.sys tem", "x y.z"],
            "unknown data from byte 4 on",
        ),
        (
            [whole(b"N"), b"cx y\nz\n".to_vec()].concat(),
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
        assert_eq!(imports(&contents), expected, "{words}");
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
    let why = |pickle: &[u8]| contents(pickle).unlisted[0].why.clone();
    assert!(why(&tripled(b")".to_vec())).contains("more ways to its values than 4000000"));
    assert!(why(&tripled(tensor(0, &[6], &[1]))).contains("not read further"));
    // Many times the same tensor with many dimensions.
    let shape = [1; 64];
    let many = [
        b"cos\nsystem\n0".to_vec(),
        tensor(0, &shape, &shape),
        b"q\x00](".to_vec(),
        b"h\x00".repeat(250_000),
        b"e".to_vec(),
    ];
    let found = contents(&many.concat());
    let why = &found.unlisted[0].why;
    assert!(
        why.contains("more bytes in names and shapes of tensors than 268435456"),
        "{why}"
    );
    // What it imports is said all the same.
    assert_eq!(imports(&found), ["os.system"]);
}

#[test]
fn archives_that_hold_no_weights_are_said_to() {
    let pickle = whole(b"cx.y\nz\n");
    for files in [
        // A package, and a program of the early days.
        vec![
            ("m/.data/extern_modules", b"torch\n".as_slice()),
            ("m/model/model.pkl", &pickle),
            ("m/model/net.py", b"import os"),
            ("m/.data/version", b"6\n"),
        ],
        vec![
            ("m/model.json", b"{}"),
            ("m/attributes.pkl", &pickle),
            ("m/tensors/0", b"1234"),
        ],
        // A pickle by another name, in no folder.
        vec![("weights", &pickle)],
    ] {
        let contents = read(&torch_archive(&files).as_slice()).expect("read");
        assert!(
            contents.unlisted[0]
                .why
                .contains("an archive without a data.pkl"),
            "{contents:?}"
        );
        assert_eq!(
            (imports(&contents), contents.not_followed.clone()),
            (vec!["x.y.z"], None)
        );
    }
}

#[test]
fn a_bomb_in_an_archive_is_not_inflated() {
    let bomb = vec![b'N'; (64 << 20) + 1];
    let file = archive(&[
        item("m/data.pkl", b"N."),
        item("m/version", b"3"),
        deflated("m/x.pkl", &bomb),
    ]);
    let contents = read(&file.as_slice()).expect("read");
    let said = contents.not_followed.expect("it is not followed");
    assert!(
        said.contains("compressed, with the others before it to more than is inflated here"),
        "{said}"
    );
}
