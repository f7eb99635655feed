//! `JUnit` XML, as Ant's task began it and CI servers read it: a test case for each thing that was checked, found or left
//! out.
//!
//! What refutes is a failure, what leaves it open is an error, what was not checked is skipped, and what is worth knowing
//! is output. There are no times, and no name of the machine.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::rule::Weight;
use super::{Outcome, Verification};
use crate::cli::text::{harmless, one_line};

/// What such a file begins with.
pub(super) const HEAD: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"candor";

/// The file's text.
pub(super) fn write(verification: &Verification) -> String {
    let mut bytes = Vec::new();
    let mut writer = Writer::new_with_indent(&mut bytes, b' ', 2);
    testsuites(&mut writer, verification).expect("memory takes what is written to it");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("text was written")
}

type Xml<'a> = Writer<&'a mut Vec<u8>>;

fn testsuites(xml: &mut Xml<'_>, verification: &Verification) -> io::Result<()> {
    let weighs = |weight: Weight| {
        let outcomes = verification.outcomes.iter();
        outcomes.filter(move |it| it.rule.weight() == weight)
    };
    let count = |weight| weighs(weight).count().to_string();
    let noted = weighs(Weight::Note).count();
    let tests = (verification.outcomes.len() - noted).to_string();
    let (failures, errors) = (count(Weight::Refutes), count(Weight::LeavesOpen));
    let skipped = count(Weight::Open);
    let counts = [
        ("tests", tests.as_str()),
        ("failures", failures.as_str()),
        ("errors", errors.as_str()),
        ("skipped", skipped.as_str()),
    ];
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut suites = element("testsuites", &[("name", "candor verify")]);
    suites.extend_attributes(counts);
    xml.write_event(Event::Start(suites))?;
    let mut suite = element("testsuite", &[("name", &verification.target)]);
    suite.extend_attributes(counts);
    xml.write_event(Event::Start(suite))?;
    xml.write_event(Event::Start(BytesStart::new("properties")))?;
    for (name, value) in [
        ("verdict", verification.exit.verdict()),
        ("exit", &verification.exit.code().to_string()),
    ] {
        let property = element("property", &[("name", name), ("value", value)]);
        xml.write_event(Event::Empty(property))?;
    }
    xml.write_event(Event::End(BytesEnd::new("properties")))?;
    for outcome in &verification.outcomes {
        testcase(xml, outcome)?;
    }
    let remarks: Vec<_> = weighs(Weight::Note)
        .map(|it| format!("{}: {}", it.rule.name(), it.words))
        .collect();
    if !remarks.is_empty() {
        with_text(xml, element("system-out", &[]), &remarks.join("\n"))?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
    xml.write_event(Event::End(BytesEnd::new("testsuites")))
}

fn testcase(xml: &mut Xml<'_>, outcome: &Outcome) -> io::Result<()> {
    let rule = outcome.rule.name();
    let class = format!("candor.{rule}");
    let name = outcome.path.as_deref().unwrap_or(&outcome.words);
    let case = element("testcase", &[("classname", &class), ("name", name)]);
    let message = ("message", outcome.words.as_str());
    match outcome.rule.weight() {
        Weight::Note => return Ok(()),
        Weight::Holds => return xml.write_event(Event::Empty(case)),
        Weight::Refutes | Weight::LeavesOpen => {
            xml.write_event(Event::Start(case))?;
            let tag = if outcome.rule.weight() == Weight::Refutes {
                "failure"
            } else {
                "error"
            };
            with_text(
                xml,
                element(tag, &[message, ("type", rule)]),
                &outcome.words,
            )?;
        }
        Weight::Open => {
            xml.write_event(Event::Start(case))?;
            xml.write_event(Event::Empty(element("skipped", &[message])))?;
        }
    }
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}

/// An element, and what is in its attributes without what XML does not know, in one line.
fn element(name: &'static str, attributes: &[(&str, &str)]) -> BytesStart<'static> {
    let mut element = BytesStart::new(name);
    for (name, value) in attributes {
        element.push_attribute((*name, one_line(&known_to_xml(value), usize::MAX).as_str()));
    }
    element
}

fn with_text(xml: &mut Xml<'_>, element: BytesStart<'static>, text: &str) -> io::Result<()> {
    let end = element.to_end().into_owned();
    xml.write_event(Event::Start(element))?;
    xml.write_event(Event::Text(BytesText::new(&known_to_xml(text))))?;
    xml.write_event(Event::End(end))
}

/// [`harmless`], which leaves no control characters but line breaks, and the two that XML 1.0 does not know besides
/// (section 2.2) spelled out like those.
fn known_to_xml(text: &str) -> String {
    let harmless = harmless(text);
    let is_unknown = |c: char| matches!(c, '\u{fffe}' | '\u{ffff}');
    if !harmless.contains(is_unknown) {
        return harmless;
    }
    let mut known = String::with_capacity(harmless.len());
    for c in harmless.chars() {
        if is_unknown(c) {
            known.extend(c.escape_unicode());
        } else {
            known.push(c);
        }
    }
    known
}
