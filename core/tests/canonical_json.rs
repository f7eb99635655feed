//! RFC 8785: one spelling for each JSON value, the spelling that everybody else gives it too.
//!
//! The documents and the numbers under `vectors/` are other people's; each file says whose. Beyond them,
//! `serde_json_canonicalizer` is asked about values that nobody has thought of.

use candor_core::record::{JsonError, parse_strict, to_canonical_json};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Documents {
    source: String,
    commit: String,
    licence: String,
    #[serde(rename = "changes")]
    _changes: String,
    cases: Vec<Document>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    input: String,
    output: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    appendix: Appendix,
    sequence: Sequence,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Appendix {
    #[serde(rename = "source")]
    _source: String,
    numbers: Vec<(String, String)>,
    not_numbers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    source: String,
    commit: String,
    licence: String,
    #[serde(rename = "changes")]
    _changes: String,
    lines: usize,
    sha256: String,
    first: Vec<String>,
}

fn documents() -> Documents {
    serde_json::from_str(include_str!("vectors/rfc8785-documents.json"))
        .expect("the vectors are JSON of this form")
}

fn numbers() -> Numbers {
    serde_json::from_str(include_str!("vectors/rfc8785-numbers.json"))
        .expect("the vectors are JSON of this form")
}

fn canonical(value: &Value) -> String {
    String::from_utf8(to_canonical_json(value)).expect("canonical JSON is UTF-8")
}

fn double(hex: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(hex, 16).expect("the vectors hold hexadecimal numbers"))
}

#[test]
fn the_published_documents_become_the_published_bytes() {
    let documents = documents();
    assert!(
        [documents.source, documents.commit, documents.licence]
            .iter()
            .all(|fact| !fact.is_empty()),
        "vectors name where they come from"
    );
    assert_eq!(documents.cases.len(), 6);
    for Document {
        name,
        input,
        output,
    } in documents.cases
    {
        let value: Value = serde_json::from_str(&input).expect(&name);
        assert_eq!(canonical(&value), output, "{name}");
        let again: Value = serde_json::from_str(&output).expect(&name);
        assert_eq!(canonical(&again), output, "{name}, once more");
    }
}

/// Strict reading refuses more than the RFC does: a number with more digits than a double has.
#[test]
fn the_published_documents_are_strict_json_but_for_one_number() {
    for Document { name, input, .. } in documents().cases {
        match parse_strict(input.as_bytes()) {
            Ok(_) => assert_ne!(name, "values"),
            Err(error) => {
                assert_eq!(name, "values");
                assert_eq!(
                    error.to_string(),
                    "the number 333333333.33333329 at line 2 column 15 would not survive: as a double it reads \
                     333333333.3333333; write it as a string, or with fewer digits"
                );
            }
        }
    }
}

#[test]
fn numbers_are_written_as_the_appendix_of_the_rfc_has_them() {
    let appendix = numbers().appendix;
    assert_eq!(appendix.numbers.len() + appendix.not_numbers.len(), 26);
    for (hex, text) in appendix.numbers {
        assert_eq!(canonical(&json!(double(&hex))), text, "{hex}");
    }
    for hex in appendix.not_numbers {
        assert!(
            serde_json::Number::from_f64(double(&hex)).is_none(),
            "{hex} is no number of JSON, so that no value can hold it"
        );
    }
}

/// The sequence: the doubles in `first`, then 2,000 from the smallest normal one on, then the finite ones
/// among those that the SHA-256 of 32 zero bytes, the SHA-256 of that, and so on hold, little-endian.
#[test]
fn a_hundred_thousand_numbers_have_the_published_checksum() {
    let sequence = numbers().sequence;
    assert!(
        [sequence.source, sequence.commit, sequence.licence]
            .iter()
            .all(|fact| !fact.is_empty()),
        "vectors name where they come from"
    );
    let first = sequence.first.iter().map(|hex| double(hex).to_bits());
    let serial = (0..2_000).map(|n| 0x0010_0000_0000_0000 + n);
    let chain = std::iter::successors(Some(Sha256::digest([0; 32])), |block| {
        Some(Sha256::digest(block))
    });
    let random = chain
        .flat_map(|block| {
            let (eights, rest) = block.as_chunks::<8>();
            assert!(rest.is_empty());
            eights.to_vec()
        })
        .map(u64::from_le_bytes)
        .filter(|bits| {
            let number = f64::from_bits(*bits);
            number.is_finite() && number != 0.0
        });
    let mut all = Sha256::new();
    for bits in first.chain(serial).chain(random).take(sequence.lines) {
        let text = canonical(&json!(f64::from_bits(bits)));
        all.update(format!("{bits:x},{text}\n"));
    }
    assert_eq!(hex::encode(all.finalize()), sequence.sha256);
}

#[test]
fn keys_are_sorted_by_utf_16_and_not_by_utf_8() {
    // U+1F602 begins with the unit D83D, which sorts below U+FB33. In UTF-8 it is the other way round.
    let value = json!({ "\u{fb33}": 1, "\u{1f602}": 2, "z": 3, "": 4 });
    assert_eq!(
        canonical(&value),
        "{\"\":4,\"z\":3,\"\u{1f602}\":2,\"\u{fb33}\":1}"
    );
    let mut by_utf_8: Vec<_> = value.as_object().expect("an object").keys().collect();
    by_utf_8.sort();
    assert_eq!(by_utf_8.last().map(|key| key.as_str()), Some("\u{1f602}"));
}

#[test]
fn only_what_must_be_escaped_is() {
    let text: String = (0..0x80_u8).map(char::from).collect();
    let expected = "\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\
                    \\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\
                    \\u001d\\u001e\\u001f !\\\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]^_`\
                    abcdefghijklmnopqrstuvwxyz{|}~\u{7f}";
    assert_eq!(canonical(&json!(text)), format!("\"{expected}\""));
    assert_eq!(
        canonical(&json!("\u{e9}\u{2028}\u{1f600}")),
        "\"\u{e9}\u{2028}\u{1f600}\""
    );
}

#[test]
fn two_spellings_of_a_value_have_one_canonical_form() {
    let spellings = [
        r#"{"b":[1,2.5,-0],"a":"\u00e9/"}"#,
        "{ \"a\" : \"\u{e9}\\/\",\n  \"b\" : [ 1.0 , 25e-1 , 0 ] }",
        r#"{"a":"\u00E9\u002f","b":[10E-1,2.50,0.0]}"#,
    ];
    for spelling in spellings {
        let value = parse_strict(spelling.as_bytes()).expect(spelling);
        assert_eq!(canonical(&value), "{\"a\":\"\u{e9}/\",\"b\":[1,2.5,0]}");
    }
}

/// Text whose order differs between UTF-8 and UTF-16, and text that needs escapes, more often than chance.
fn any_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>(),
        proptest::char::range('\u{0}', '\u{7f}'),
        proptest::char::range('\u{d700}', '\u{d7ff}'),
        proptest::char::range('\u{e000}', '\u{ffff}'),
        proptest::char::range('\u{10000}', '\u{10ffff}'),
    ];
    proptest::collection::vec(character, 0..6).prop_map(String::from_iter)
}

fn any_number() -> impl Strategy<Value = Value> {
    const WHOLE_MAX: i64 = 1 << 53;
    prop_oneof![
        (-WHOLE_MAX..=WHOLE_MAX).prop_map(|n| json!(n)),
        (0..=WHOLE_MAX.unsigned_abs()).prop_map(|n| json!(n)),
        proptest::num::f64::NORMAL.prop_map(|n| json!(n)),
        proptest::num::f64::SUBNORMAL.prop_map(|n| json!(n)),
        (-1e25..1e25).prop_map(|n: f64| json!(n)),
        (-1e3..1e3).prop_map(|n: f64| json!(n)),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_number(),
        any_text().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            proptest::collection::vec((any_text(), inner), 0..8)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn another_implementation_writes_the_same_bytes(value in any_json()) {
        let oracle = serde_json_canonicalizer::to_vec(&value).expect("the oracle writes any value");
        prop_assert_eq!(canonical(&value).into_bytes(), oracle);
    }

    /// Whatever strict reading lets in has one form, and reading that form changes nothing.
    #[test]
    fn what_is_canonical_stays_as_it_is(value in any_json()) {
        let once = canonical(&value);
        match parse_strict(once.as_bytes()) {
            Ok(again) => prop_assert_eq!(canonical(&again), once),
            // Past 2^53 the RFC writes digits that the double does not hold.
            Err(error) => prop_assert!(matches!(error, JsonError::Number { .. }), "{}", error),
        }
    }

    #[test]
    fn numbers_that_doubles_hold_pass_strict_reading(value in any_number()) {
        let number = value.as_f64().expect("a number");
        let written_in_full = number.abs() < 1e21;
        let refused = written_in_full && number.abs() > 9_007_199_254_740_992.0;
        prop_assert_eq!(parse_strict(canonical(&value).as_bytes()).is_err(), refused);
    }

    #[test]
    fn white_space_changes_nothing(value in any_json()) {
        let pretty = serde_json::to_string_pretty(&value).expect("a value is JSON");
        if let Ok(read) = parse_strict(pretty.as_bytes()) {
            prop_assert_eq!(canonical(&read), canonical(&value));
        }
    }
}
