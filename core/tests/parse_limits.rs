//! What strangers send is read only as far as anything right could go.

use candor_core::bundle::{Bundle, BundleError};
use candor_core::weights::{Manifest, ManifestError};

/// JSON with `values` objects of one number each, which take a hundred times their text in memory.
fn many_values(head: &str, list: &str, values: usize) -> String {
    let objects = vec![r#"{"":0}"#; values].join(",");
    format!("{{{head},\"{list}\":[{objects}]}}")
}

#[test]
fn a_bundle_of_more_values_than_any_has_is_refused_before_it_takes_memory() {
    let head = r#""bundle":"urn:candor:bundle:v1""#;
    let error =
        Bundle::parse(many_values(head, "records", 300_000).as_bytes()).expect_err("too many");
    assert!(matches!(error, BundleError::Json(_)), "{error}");
    assert!(error.to_string().contains("too many values"), "{error}");
    // With few, it is what they are that is wrong.
    let error = Bundle::parse(many_values(head, "records", 3).as_bytes()).expect_err("no records");
    assert!(matches!(error, BundleError::Form(_)), "{error}");
}

#[test]
fn a_manifest_is_read_no_further_than_its_first_wrong_file() {
    let head = r#""manifest":"urn:candor:manifest:v1""#;
    let text = many_values(head, "files", 1_000);
    let error = Manifest::parse(text.as_bytes()).expect_err("no files");
    assert!(matches!(error, ManifestError::Form(_)), "{error}");
    // What is behind it is not even looked at, so it can't take memory.
    let cut = &text.as_bytes()[..text.len() / 2];
    let same = Manifest::parse(cut).expect_err("no files");
    assert_eq!(same.to_string(), error.to_string());
}

#[test]
fn a_bundle_is_told_from_other_json_by_its_name() {
    assert!(Bundle::looks_like_one(br#"{"release":[{}],"bundle":"x"}"#));
    for other in [
        &b"{}"[..],
        br#"{"payload":"bundle"}"#,
        b"[]",
        br#"["urn:candor:bundle:v1"]"#,
        b"bundle",
        b"{\"bundle\":",
    ] {
        assert!(!Bundle::looks_like_one(other), "{other:?}");
    }
}
