//! What is a policy, and what is none.

use super::*;
use crate::testing::log_key;

/// The example of the documentation.
fn example() -> &'static str {
    let page = include_str!("../../../../docs/policy.md");
    let (_, rest) = page.split_once("```toml\n").expect("an example");
    rest.split_once("```").expect("its end").0
}

#[test]
fn the_documentations_example_is_a_policy_with_all_rules() {
    let rules = policy(example()).rules();
    let all = [
        Rule::Publishers,
        Rule::Records,
        Rule::Pickle,
        Rule::Formats,
        Rule::License,
        Rule::Witnesses,
    ];
    assert_eq!(rules, all);
    for rule in all {
        let (section, key) = rule.name().split_once('.').expect("a section and a key");
        assert!(example().contains(&format!("[{section}]\n")), "{section}");
        assert!(example().contains(&format!("\n{key} = ")), "{key}");
    }
}

/// Each of these is refused with these words at the beginning.
#[track_caller]
fn expect_refusals(refusals: &[(&str, &str)]) {
    for (text, words) in refusals {
        let said = Policy::parse(text).expect_err(text).to_string();
        assert!(said.starts_with(words), "{text}: {said}");
        assert!(said.len() < 500, "{said}");
    }
}

#[test]
fn what_is_wrong_with_publishers_and_records_is_said_with_its_line() {
    expect_refusals(&[
        ("", "it asks nothing"),
        ("version = 1\n", "it asks nothing"),
        ("version = 2\n", "line 1: the version is not 1"),
        ("[publisher]\n", "line 1: unknown field `publisher`"),
        ("# a\n[publishers]\n", "line 2: missing field `accepted`"),
        (
            "[publishers]\naccept = []\n",
            "line 2: unknown field `accept`",
        ),
        ("[publishers]\naccepted = []\n", "line 2: the list is empty"),
        ("[publishers]\naccepted = [\n 1 ]\n", "line 3: invalid type"),
        (
            "[publishers]\naccepted = [\n\"a\",\n\"Meta AI\"]\n",
            "line 4: ",
        ),
        (
            "[publishers]\n\naccepted = [\"meta-ai\", \"meta-ai\"]\n",
            "line 3: meta-ai is accepted twice",
        ),
        (
            "[publishers]\naccepted = [{ name = \"meta-ai\", keys = [] }]\n",
            "line 2: the list of keys is empty",
        ),
        (
            "[publishers]\naccepted = [{ name = \"meta-ai\" }]\n",
            "line 2: missing field `keys`",
        ),
        (
            "[publishers]\naccepted = [{ name = \"meta-ai\", keys = [\"a0af\"] }]\n",
            "line 2: ",
        ),
        (
            "[publishers]\naccepted = [{ name = \"meta-ai\", keyids = [] }]\n",
            "line 2: unknown field `keyids`",
        ),
        (
            "[records]\nrequired = [\"card\"]\n",
            "line 2: \"card\" is no kind",
        ),
        (
            "[records]\nrequired = [\"withdrawal\"]\n",
            "line 2: a withdrawal record can't be asked",
        ),
        (
            "[records]\nrequired = [\"weights\"]\nevaluations_by = [\"eleutherai\"]\n",
            "line 3: whose evaluations count is said",
        ),
    ]);
}

#[test]
fn what_is_wrong_with_weights_licences_and_witnesses_is_said_with_its_line() {
    let witness = |more: &str| format!("\n[witnesses]\nkeys = [\n  {WITNESS:?},\n]\n{more}\n");
    expect_refusals(&[
        ("[weights]\n", "line 1: [weights] asks nothing"),
        ("[weights]\npickle = true\n", "line 2: "),
        (
            "[weights]\npickle = \"allow\"\n",
            "line 2: unknown variant `allow`",
        ),
        (
            "[weights]\nformats = [\"zip\"]\n",
            "line 2: unknown variant `zip`",
        ),
        ("[weights]\nformats = []\n", "line 2: the list is empty"),
        (
            "[licence]\naccepted = [\"mit\"]\n",
            "line 1: unknown field `licence`",
        ),
        (
            "[license]\naccepted = [\"mit\", \"\"]\n",
            "line 2: a licence is the identifier",
        ),
        (
            "[license]\naccepted = [\"other\"]\n",
            "line 2: \"other\" stands for any",
        ),
        (
            "[license]\naccepted = [\"Other:\"]\n",
            "line 2: \"other\" stands for any",
        ),
        (&witness("quorum = 0"), "line 6: a quorum of 0 asks nothing"),
        (
            &witness("quorum = 2"),
            "line 6: the quorum is 2, and there is 1 witness here",
        ),
        (&witness("quorum = -1"), "line 6: "),
        (&witness(""), "line 2: missing field `quorum`"),
        (
            &witness("quorum = 1\nmax_age = \"soon\""),
            "line 7: an age is a time",
        ),
        (
            &witness("quorum = 1\nmax_age = \"0s\""),
            "line 7: an age is a time",
        ),
        (&witness("quorum = 1\nmax_age = 30"), "line 7: invalid type"),
        (
            &format!("[witnesses]\nquorum = 1\nkeys = [{WITNESS:?}, {WITNESS:?}]\n"),
            "line 2: witness.example.com/w1 and witness.example.com/w1 have one and the same key",
        ),
        (
            &format!(
                "[witnesses]\nquorum = 1\nkeys = [{:?}]\n",
                log_key().to_string()
            ),
            "line 3: the key of \"log.test/candor\" is of type 0x01, and only Ed25519 cosignatures (0x04)",
        ),
        (
            "[license]\naccepted = [\"mit\"]\naccepted = [\"mit\"]\n",
            "line 3: ",
        ),
        ("[license\n", "line 1: "),
    ]);
}

#[test]
fn what_may_be_a_secret_is_not_repeated() {
    let pem =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEISECRET\n-----END PRIVATE KEY-----\n";
    for text in [
        pem.to_owned(),
        format!("[witnesses]\nquorum = 1\nkeys = [{pem:?}]\n"),
        "[witnesses]\nquorum = 1\nkeys = [\"PRIVATE+KEY+a+01020304+SECRET\"]\n".to_owned(),
        format!("[license]\naccepted = [\"mit\"]\n{pem}"),
    ] {
        let said = Policy::parse(&text).expect_err("it is none").to_string();
        assert!(!said.contains("SECRET"), "{said}");
    }
}
