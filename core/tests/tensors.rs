//! The tensors of a release: the list of them, its root over what they are, and proofs of some of them.

mod common;

use candor_core::Sha256;
use candor_core::merkle::{Hash, LeafHash};
use candor_core::weights::{
    Manifest, Place, TENSOR_LIST_BYTES_MAX, Tensor, TensorList, TensorListError, TensorsProof,
};
use common::files::{file, manifest, path};

fn tensor(name: &str, data: &[u8]) -> Tensor {
    Tensor {
        bytes: data.len() as u64,
        dtype: "U8".to_owned(),
        name: name.to_owned(),
        sha256: Sha256::of(data),
        shape: vec![data.len() as u64],
    }
}

fn place(at: &str, offset: u64) -> Place {
    Place {
        path: path(at),
        offset,
    }
}

/// Two files of ten bytes.
fn files() -> Manifest {
    manifest(vec![file("a", &[0; 10]), file("b", &[0; 10])])
}

fn list() -> TensorList {
    let found = [
        (tensor("w", b"123"), place("b", 7)),
        (tensor("v", b"1"), place("a", 0)),
        (tensor("w", b"123"), place("a", 1)),
        (tensor("w", b"124"), place("a", 4)),
        (tensor("w", b"123"), place("a", 1)),
        (tensor("", b""), place("a", 10)),
    ];
    TensorList::new(found, &files()).expect("a list")
}

/// `MTH(D[n])` of RFC 6962 section 2.1, over leaf hashes.
fn tree_hash(leaves: &[LeafHash]) -> Hash {
    if let [leaf] = leaves {
        return leaf.to_hash();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    Hash::of_children(&tree_hash(left), &tree_hash(right))
}

#[test]
fn a_list_has_each_tensor_once_with_its_places_in_one_order() {
    let list = list();
    let found: Vec<_> = list
        .tensors()
        .iter()
        .map(|listed| {
            let places: Vec<_> = listed
                .places
                .iter()
                .map(|place| (place.path.as_str(), place.offset))
                .collect();
            (listed.tensor.name.as_str(), listed.tensor.bytes, places)
        })
        .collect();
    // By canonical JSON: bytes, type, name, digest.
    let digests = [Sha256::of(b"123"), Sha256::of(b"124")].map(|digest| digest.to_string());
    let mut ws = [
        (&digests[0], ("w", 3, vec![("a", 1), ("b", 7)])),
        (&digests[1], ("w", 3, vec![("a", 4)])),
    ];
    ws.sort();
    let [first, second] = ws.map(|(_, w)| w);
    let expected = [
        ("", 0, vec![("a", 10)]),
        ("v", 1, vec![("a", 0)]),
        first,
        second,
    ];
    assert_eq!(found, expected);
    assert_eq!(TensorList::parse(&list.to_bytes(), &files()), Ok(list));
}

#[test]
fn the_root_is_that_of_rfc_6962_over_what_the_tensors_are() {
    let list = list();
    let mut leaves = [("", &b""[..]), ("v", b"1"), ("w", b"123"), ("w", b"124")].map(
        |(name, data)| {
            let (bytes, sha256) = (data.len(), Sha256::of(data));
            format!(
                r#"{{"bytes":{bytes},"dtype":"U8","name":"{name}","sha256":"{sha256}","shape":[{bytes}]}}"#
            )
        },
    );
    leaves.sort();
    let leaves = leaves.map(|json| LeafHash::of_bytes(json.as_bytes()));
    let expected = hex::encode(tree_hash(&leaves).as_bytes());
    assert_eq!(list.root().to_string(), expected);
    let stated = list.to_stated();
    assert_eq!((stated.count, stated.root), (4, list.root()));
    let bytes = list.to_bytes();
    assert_eq!(
        TensorList::parse_stated(&bytes, &stated, &files()),
        Ok(list)
    );
}

#[test]
fn a_record_that_says_something_else_is_refused() {
    let (list, mut stated) = (list(), list().to_stated());
    stated.count = 5;
    let error = list.check_stated(&stated).expect_err("one too many");
    assert!(
        error.to_string().starts_with("/predicate/tensors/count: "),
        "{error}"
    );
    let other = TensorList::new([(tensor("v", b"1"), place("a", 0))], &files());
    stated.count = 4;
    stated.root = other.expect("a list").root();
    let error = list.check_stated(&stated).expect_err("another root");
    assert!(
        error.to_string().starts_with("/predicate/tensors/root: "),
        "{error}"
    );
}

#[test]
fn what_is_not_in_the_one_form_is_refused() {
    let good = String::from_utf8(list().to_bytes()).expect("JSON");
    let digest = Sha256::of(b"1").to_string();
    let listed = |tensor: &str, places: &str| {
        format!(
            r#"{{"list":"urn:candor:tensors:v1","tensors":[{{"places":[{places}],"tensor":{tensor}}}]}}"#
        )
    };
    let v = |bytes: &str, dtype: &str, name: &str, shape: &str| {
        format!(
            r#"{{"bytes":{bytes},"dtype":"{dtype}","name":"{name}","sha256":"{digest}","shape":[{shape}]}}"#
        )
    };
    let at = |path: &str, offset: &str| format!(r#"{{"offset":{offset},"path":"{path}"}}"#);
    let plain = listed(&v("1", "U8", "v", "1"), &at("a", "0"));
    TensorList::parse(plain.as_bytes(), &files()).expect("this one is right");
    for (text, words) in [
        (String::new(), "not strict JSON"),
        ("[]".to_owned(), "this is not a tensor list"),
        (good.replace("tensors:v1", "tensors:v2"), "its type is not"),
        (
            good.replace(r#""list""#, r#" "list""#),
            "not in canonical form",
        ),
        (format!("{good}\n"), "not in canonical form"),
        // Another order, of tensors and of places, and one of them twice.
        (swapped(&good), "not in canonical form"),
        (
            listed(
                &v("1", "U8", "v", "1"),
                &[at("b", "0"), at("a", "0")].join(","),
            ),
            "not in canonical form",
        ),
        (
            listed(
                &v("1", "U8", "v", "1"),
                &[at("a", "0"), at("a", "0")].join(","),
            ),
            "not in canonical form",
        ),
        (plain.replace(r#""v""#, r#""v","more":1"#), "unknown field"),
        (
            plain.replace("tensors\":[", "tensors\":[],\"x\":["),
            "unknown field",
        ),
        (
            r#"{"list":"urn:candor:tensors:v1","tensors":[]}"#.to_owned(),
            "this one has 0",
        ),
        (listed(&v("1", "U8", "v", "1"), ""), "it is in no file"),
        (
            listed(&v("1", "U8", "v", "1"), &at("c", "0")),
            "c is not a file",
        ),
        (
            listed(&v("1", "U8", "v", "1"), &at("a", "10")),
            "1 bytes from byte 10 on are not in a",
        ),
        (
            listed(&v("2", "U8", "v", "1"), &at("a", "18446744073709551615")),
            "are not in a",
        ),
        (
            listed(&v("-1", "U8", "v", "1"), &at("a", "0")),
            "invalid value",
        ),
        (
            listed(&v("1", "U8", "v", "1.0"), &at("a", "0")),
            "invalid type",
        ),
        (
            listed(&v("1", "U8", "v", "9007199254740993"), &at("a", "0")),
            "a dimension of 9007199254740993 is over 2^53",
        ),
        (
            listed(&v("1", "U8", "v", &["1"; 65].join(",")), &at("a", "0")),
            "it has 65 dimensions",
        ),
        (
            listed(&v("1", "U8", &"v".repeat(1_025), "1"), &at("a", "0")),
            "its name has 1025 bytes",
        ),
        (
            listed(&v("1", "U8", "v\\u0007", "1"), &at("a", "0")),
            "its name can't be shown",
        ),
        (
            listed(&v("1", &"U".repeat(65), "v", "1"), &at("a", "0")),
            "its type has 65 bytes",
        ),
    ] {
        let refused = TensorList::parse(text.as_bytes(), &files());
        let said = refused.expect_err(words).to_string();
        assert!(said.contains(words), "{words:?}: {said}");
        assert!(said.len() < 400, "{said}");
    }
    let long = vec![b' '; TENSOR_LIST_BYTES_MAX + 1];
    assert_eq!(
        TensorList::parse(&long, &files()),
        Err(TensorListError::TooLong(long.len()))
    );
}

#[test]
fn a_list_that_would_grow_in_memory_is_refused_before_it_does() {
    // One tensor whose name is a megabyte, at a hundred thousand places.
    let places = (0..100_000).map(|n| format!(r#"{{"offset":{n},"path":"a"}}"#));
    let places = places.collect::<Vec<_>>().join(",");
    let name = "v".repeat(1 << 20);
    let digest = Sha256::of(b"1");
    let list = format!(
        r#"{{"list":"urn:candor:tensors:v1","tensors":[{{"places":[{places}],"tensor":{{"bytes":0,"dtype":"U8","name":"{name}","sha256":"{digest}","shape":[0]}}}}]}}"#
    );
    let refused = TensorList::parse(list.as_bytes(), &files());
    let said = refused.expect_err("a long name").to_string();
    assert!(said.contains("its name has 1048576 bytes"), "{said}");
    let list = list.replace(&name, "v");
    let many = (100_000..500_000).map(|n| format!(r#",{{"offset":{n},"path":"a"}}"#));
    let many = list.replace(
        "],\"tensor\"",
        &format!("{}],\"tensor\"", many.collect::<String>()),
    );
    assert_eq!(
        TensorList::parse(many.as_bytes(), &files()),
        Err(TensorListError::Places(500_000))
    );
}

#[test]
fn elements_have_a_type() {
    let mut v = tensor("v", b"1");
    v.dtype = String::new();
    let refused = TensorList::new([(v, place("a", 0))], &files());
    let said = refused.expect_err("no type").to_string();
    assert_eq!(said, "tensor \"v\": its elements have no type");
}

/// The same list with its first two tensors in the other order.
fn swapped(list: &str) -> String {
    let mut json: serde_json::Value = serde_json::from_str(list).expect("JSON");
    json["tensors"].as_array_mut().expect("a list").swap(0, 1);
    json.to_string()
}

#[test]
fn some_tensors_are_proven_without_the_others() {
    let many: Vec<_> = (0..103_u32)
        .map(|n| {
            (
                tensor(&format!("layer.{n}"), &n.to_le_bytes()),
                place("a", 0),
            )
        })
        .collect();
    let list = TensorList::new(many, &files()).expect("a list");
    let stated = list.to_stated();
    let indices: Vec<usize> = (0..16).map(|n| (n * 37 + 5) % 103).collect();
    let proof = list.prove(&indices).expect("all of them are there");
    assert!(proof.verify(&stated));
    let json = serde_json::to_string(&proof).expect("JSON");
    assert!(json.len() < 8 << 10, "{} bytes", json.len());
    assert_eq!(
        serde_json::from_str::<TensorsProof>(&json).ok(),
        Some(proof.clone())
    );
    let proven = &proof.tensors[3];
    assert_eq!(proven.tensor, list.tensors()[indices[3]].tensor);

    let is_refused = |change: &dyn Fn(&mut TensorsProof)| {
        let mut altered = proof.clone();
        change(&mut altered);
        assert_ne!(altered, proof);
        !altered.verify(&stated)
    };
    assert!(is_refused(&|it| it.tensors[0].tensor.name.push('x')));
    assert!(is_refused(&|it| it.tensors[0].tensor.shape.push(1)));
    assert!(is_refused(
        &|it| it.tensors[0].tensor.sha256 = Sha256::of(b"other")
    ));
    assert!(is_refused(&|it| it.tensors[0].index += 1));
    assert!(is_refused(&|it| it.tensors[0].index = u64::MAX));
    assert!(is_refused(&|it| it.tensors.truncate(15)));
    assert!(is_refused(&|it| it.tensors.clear()));
    assert!(is_refused(&|it| {
        let first = it.tensors[0].clone();
        it.tensors.push(first);
    }));
    let mut smaller = stated.clone();
    smaller.count = 64;
    assert!(!proof.verify(&smaller));
    let mut another = stated;
    another.root = self::list().root();
    assert!(!proof.verify(&another));
    for indices in [&[][..], &[103], &[1, 1]] {
        assert_eq!(list.prove(indices), None, "{indices:?}");
    }
}
