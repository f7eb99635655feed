use super::*;

fn verification(outcomes: Vec<Outcome>) -> Verification {
    Verification {
        target: "tiny as example-lab/tiny@1.0.0".to_owned(),
        typed: "./tiny".to_owned(),
        exit: Exit::Refuted,
        outcomes,
    }
}

fn one_of_each() -> Vec<Outcome> {
    let of = |rule: Rule| match rule {
        Rule::Changed | Rule::Missing | Rule::NotListed => {
            Outcome::of_file(rule, "a folder/ü&\"#%.bin", format!("{}: it", rule.name()))
        }
        _ => Outcome::new(rule, format!("{} <&> it", rule.name())),
    };
    Rule::ALL.map(of).to_vec()
}

fn sarif_of(verification: &Verification) -> serde_json::Value {
    let text = sarif::write(verification);
    assert!(text.starts_with(sarif::HEAD), "it is known again");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn sarif_has_a_result_for_what_was_found_and_a_notification_for_what_was_looked_at() {
    let sarif = sarif_of(&verification(one_of_each()));
    let run = &sarif["runs"][0];
    let ids = |list: &serde_json::Value, of: &str| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|it| {
            it.pointer(of)
                .and_then(|it| it.as_str())
                .expect("an ID")
                .to_owned()
        })
        .collect()
    };
    let results = ids(&run["results"], "/ruleId");
    let notifications = &run["invocations"][0]["toolExecutionNotifications"];
    assert_eq!(
        ids(notifications, "/descriptor/id"),
        ["candor/checked", "candor/not-checked"]
    );
    assert_eq!(results.len() + 2, Rule::ALL.len());
    assert_eq!(results, ids(&run["tool"]["driver"]["rules"], "/id"));
    assert_eq!(run["invocations"][0]["exitCode"], 1);
    let place = &run["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(place["uri"], "tiny/a%20folder/%C3%BC%26%22%23%25.bin");
    assert_eq!(place["uriBaseId"], "%SRCROOT%");
}

#[test]
fn a_place_outside_the_checkout_names_nothing_of_the_machine() {
    let uri = |typed: &str, path: Option<&str>| {
        let mut verification = verification(vec![match path {
            Some(path) => Outcome::of_file(Rule::Missing, path, "it"),
            None => Outcome::new(Rule::Withdrawn, "it"),
        }]);
        verification.typed = typed.to_owned();
        let sarif = sarif_of(&verification);
        let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        let place = &place["artifactLocation"];
        [&place["uri"], &place["uriBaseId"]].map(|it| it.as_str().expect("text").to_owned())
    };
    assert_eq!(uri("/home/me/tiny", Some("a/b")), ["a/b", "FOLDER"]);
    assert_eq!(uri("/home/me/tiny", None), ["tiny", "FOLDER"]);
    assert_eq!(uri("../tiny", Some("b")), ["b", "FOLDER"]);
    assert_eq!(uri("models/./tiny/", None), ["models/tiny", "%SRCROOT%"]);
    assert_eq!(uri(".", Some("b")), ["b", "%SRCROOT%"]);
    assert_eq!(uri(".", None), [".", "%SRCROOT%"]);
    // No name is a way up, or an address.
    assert_eq!(
        uri("tiny", Some("javascript:x")),
        ["tiny/javascript%3Ax", "%SRCROOT%"]
    );
}

/// Reads XML with nothing taken for granted: an error is where it is not well-formed.
fn elements(xml: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().enable_all_checks(true);
    let mut found = Vec::new();
    loop {
        match reader.read_event().expect("well-formed") {
            quick_xml::events::Event::Start(it) | quick_xml::events::Event::Empty(it) => {
                for attribute in it.attributes() {
                    attribute.expect("well-formed");
                }
                found.push(String::from_utf8_lossy(it.name().as_ref()).into_owned());
            }
            quick_xml::events::Event::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn junit_has_a_case_for_each_thing_and_counts_them() {
    let xml = junit::write(&verification(one_of_each()));
    assert!(xml.starts_with(junit::HEAD), "it is known again: {xml}");
    let found = elements(&xml);
    let count = |name: &str| found.iter().filter(|it| *it == name).count();
    let counts = ["testcase", "failure", "error", "skipped", "system-out"].map(count);
    assert_eq!(counts, [13, 9, 2, 1, 1]);
    assert!(
        xml.contains(r#"tests="13" failures="9" errors="2" skipped="1""#),
        "{xml}"
    );
}

#[test]
fn no_text_ends_an_element_or_is_unknown_to_xml() {
    let evil = "]]><evil/>\u{1b}[2J\u{0}\u{fffe}\u{ffff}\u{202e}\"'&amp;\r\nnext";
    let outcomes = vec![
        Outcome::of_file(Rule::Changed, evil, evil),
        Outcome::new(Rule::Remark, evil),
        Outcome::new(Rule::NotChecked, evil),
    ];
    let mut verification = verification(outcomes);
    verification.target = evil.to_owned();
    let xml = junit::write(&verification);
    assert!(!elements(&xml).contains(&"evil".to_owned()), "{xml}");
    let json = sarif::write(&verification);
    for text in [&xml, &json] {
        for unknown in ['\u{1b}', '\u{0}', '\u{202e}', '\r'] {
            assert!(!text.contains(unknown), "{unknown:?} in {text}");
        }
    }
    serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
}

#[test]
fn a_wholly_different_folder_makes_no_endless_file() {
    let count = OF_A_RULE_MAX + 7;
    let mut outcomes: Vec<_> = (0..count)
        .map(|n| {
            Outcome::of_file(
                Rule::Missing,
                &format!("{n}.bin"),
                format!("missing: {n}.bin"),
            )
        })
        .collect();
    outcomes.push(Outcome::new(Rule::Withdrawn, "it is withdrawn"));
    let bounded = verification(outcomes).bounded().outcomes;
    assert_eq!(bounded.len(), OF_A_RULE_MAX + 2);
    assert_eq!(
        bounded[OF_A_RULE_MAX].words,
        "and 7 more of these; `--json` lists all"
    );
    assert_eq!(bounded[OF_A_RULE_MAX + 1].rule, Rule::Withdrawn);
}

#[test]
fn only_an_earlier_report_is_overwritten() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    let args = |sarif: &str, junit: &str| ReportArgs {
        sarif: Some(path(sarif)),
        junit: Some(path(junit)),
    };
    let both = args("a.sarif", "a.xml");
    for _ in 0..2 {
        both.check(None, &[])
            .expect("nothing is there, or an earlier one");
        both.write(&verification(one_of_each())).expect("written");
    }
    fs::write(path("empty"), "").expect("written");
    args("empty", "b.xml")
        .check(None, &[])
        .expect("there is nothing to lose");
    fs::write(path("weights.bin"), "weights").expect("written");
    for (sarif, junit) in [
        ("weights.bin", "b.xml"),
        ("b.sarif", "weights.bin"),
        ("a.xml", "b.xml"),
    ] {
        let refused = args(sarif, junit).check(None, &[]);
        assert!(
            matches!(refused, Err(CliError::FileExists { .. })),
            "{refused:?}"
        );
    }
    let same = args("same", "same").check(None, &[]);
    assert!(matches!(same, Err(CliError::Usage { .. })), "{same:?}");
    let read = args("new", "b.xml").check(None, &[&path("new")]);
    assert!(matches!(read, Err(CliError::FileExists { .. })), "{read:?}");
    let inside = both.check(Some(dir.path()), &[]);
    assert!(matches!(inside, Err(CliError::Usage { .. })), "{inside:?}");
}
