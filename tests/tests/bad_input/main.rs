//! Bad input: every way to be wrong that the server knows, sent to a real one.
//!
//! ```text
//! World: logs with good records ──► Case: one bad request ──► the answer: a problem document, a snapshot
//!                                                         ──► the log: the same checkpoint, nothing stored
//! ```
//!
//! Each case is a snapshot of the whole answer, so that reviewers read what users read. To see the list:
//! `cargo test -p candor-tests --test bad_input -- --nocapture`
//!
//! Not here: what the command line says to bad input, and which statements each schema refuses (the tests
//! of the core).

mod attachments;
mod envelopes;
mod keys;
mod reads;
mod references;
mod statements;
mod transport;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use candor_core::Sha256;
use candor_core::record::kinds::{Outcome, Scope};
use candor_tests::raw::{Raw, ask, request};
use candor_tests::statements::statement_of;
use candor_tests::{Answer, TestLog, http};
use serde_json::Value;

use world::{Which, World};

/// One bad request, and what should be answered.
struct Case {
    /// What is wrong, in a few words that differ from those of all other cases.
    name: &'static str,
    /// To which log it is sent.
    log: Which,
    request: Request,
    /// The answer's status; 0 where nobody is there to be answered.
    status: u16,
    /// The problem's type, without `urn:candor:problem:`.
    problem: &'static str,
    /// Documents that must not be there afterwards.
    documents: Vec<Vec<u8>>,
}

enum Request {
    /// To `/api/v1/records`, as an ordinary client sends it.
    Publish { content_type: String, body: Vec<u8> },
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, and the client says that nothing more will come.
    CutOff(Vec<u8>),
    /// These bytes, and then one byte every now and then.
    Slow(Vec<u8>),
    /// These bytes, and then the client is gone.
    Abandoned(Vec<u8>),
}

impl Case {
    fn new(name: &'static str, request: Request, status: u16, problem: &'static str) -> Self {
        Self {
            name,
            log: Which::Open,
            request,
            status,
            problem,
            documents: Vec::new(),
        }
    }

    /// One envelope.
    fn record(name: &'static str, envelope: &Value, status: u16, problem: &'static str) -> Self {
        Self::json(name, envelope.to_string(), status, problem)
    }

    /// Any body.
    fn json(
        name: &'static str,
        body: impl Into<Vec<u8>>,
        status: u16,
        problem: &'static str,
    ) -> Self {
        let request = Request::Publish {
            content_type: "application/json".to_owned(),
            body: body.into(),
        };
        Self::new(name, request, status, problem)
    }

    /// An envelope and the documents that come with it, none of which is to be kept.
    fn with_documents(
        name: &'static str,
        envelope: &Value,
        documents: &[&[u8]],
        status: u16,
        problem: &'static str,
    ) -> Self {
        let (content_type, body) = http::multipart(envelope.to_string().as_bytes(), documents);
        let request = Request::Publish {
            content_type: content_type.to_owned(),
            body,
        };
        Self {
            documents: documents.iter().map(|bytes| bytes.to_vec()).collect(),
            ..Self::new(name, request, status, problem)
        }
    }

    /// A request without a body.
    fn read(
        name: &'static str,
        method: &str,
        path: &str,
        status: u16,
        problem: &'static str,
    ) -> Self {
        let bytes = request(method, path, &[], b"");
        Self::new(name, Request::Bytes(bytes), status, problem)
    }

    fn to(self, log: Which) -> Self {
        Self { log, ..self }
    }

    fn send(&self, log: &TestLog) -> Option<Answer> {
        let mut raw = match &self.request {
            Request::Publish { content_type, body } => {
                return Some(log.post(content_type, body));
            }
            Request::Bytes(_) | Request::CutOff(_) | Request::Slow(_) | Request::Abandoned(_) => {
                Raw::connect(log.url())
            }
        };
        match &self.request {
            Request::Publish { .. } => unreachable!("answered above"),
            Request::Bytes(bytes) => {
                raw.send(bytes);
            }
            Request::CutOff(bytes) => {
                raw.send(bytes);
                raw.finish_sending();
            }
            Request::Slow(bytes) => {
                raw.send(bytes);
                raw.trickle(b' ');
            }
            Request::Abandoned(bytes) => {
                raw.send(bytes);
                return None;
            }
        }
        raw.answer()
    }

    /// Sends it, and looks at the answer and at the log.
    fn run(&self, world: &World) {
        let log = world.log(self.log);
        let before = log.get("/checkpoint").body;
        if let Some(answer) = self.send(log) {
            self.check(world, &answer);
        } else {
            show(&format!("{}: no answer", self.name));
            assert_eq!(self.status, 0, "{}: there is no answer", self.name);
        }
        let after = log.get("/checkpoint").body;
        assert_eq!(before, after, "{}: the log has grown", self.name);
        for document in &self.documents {
            let path = format!("/api/v1/attachments/{}", Sha256::of(document));
            assert_eq!(log.get(&path).status, 404, "{}: {path}", self.name);
        }
    }

    fn check(&self, world: &World, answer: &Answer) {
        let Self { name, .. } = self;
        let problem = answer.json();
        let (status, kind) = (answer.status, &problem["type"]);
        let text = |field: &str| problem[field].as_str().unwrap_or_default().to_owned();
        show(&format!(
            "{name}: {status} {} {}",
            text("type"),
            text("detail")
        ));
        assert_eq!(
            (status, kind),
            (
                self.status,
                &format!("urn:candor:problem:{}", self.problem).into()
            ),
            "{name}: {problem}"
        );
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{name}"
        );
        assert_eq!(answer.header("cache-control"), "no-store", "{name}");
        assert_eq!(problem["status"], status, "{name}");
        for field in ["title", "detail", "hint"] {
            assert!(!text(field).is_empty(), "{name}: no {field} in {problem}");
        }
        assert!(
            answer.body.len() < 5_000,
            "{name}: nobody reads {} bytes",
            answer.body.len()
        );
        let settings = self.snapshot_settings(world);
        settings.bind(|| insta::assert_json_snapshot!(file_name(name), problem));
    }

    fn snapshot_settings(&self, world: &World) -> insta::Settings {
        let mut settings = insta::Settings::clone_current();
        settings.set_description(self.name);
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        for (digest, name) in world.digests() {
            settings.add_filter(&digest, name);
        }
        settings.add_filter("[0-9a-f]{64}", "[digest]");
        settings
    }
}

fn file_name(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

#[expect(
    clippy::print_stdout,
    reason = "shown with --nocapture: the list of answers"
)]
fn show(line: &str) {
    println!("{line}");
}

#[test]
fn bad_input_is_answered_with_what_is_wrong_and_nothing_of_it_is_stored() {
    let world = World::new();
    let cases: Vec<Case> = [
        transport::cases(&world),
        envelopes::cases(&world),
        statements::cases(&world),
        keys::cases(&world),
        references::cases(&world),
        attachments::cases(&world),
        reads::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut names: Vec<_> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    // All of them, so that one failure hides no other.
    let failed: Vec<_> = cases
        .iter()
        .filter(|case| catch_unwind(AssertUnwindSafe(|| case.run(&world))).is_err())
        .map(|case| case.name)
        .collect();
    show(&format!("{} cases", cases.len()));
    assert!(failed.is_empty(), "failed: {failed:#?}");

    for which in [Which::Open, Which::Hurried] {
        let log = world.log(which);
        let good = world.lab.api_version("tiny", "2.0.0", "after all that");
        log.publish(&[good]).expect_status(201);
        assert!(!log.log_lines().contains("panicked"), "{}", log.log_lines());
    }
}

/// For what is refused, something that looks much like it and is good.
#[test]
fn what_only_looks_bad_is_accepted() {
    let world = World::new();
    let log = world.log(Which::Open);
    let accept = |what: &str, envelope: &Value| {
        let answer = log.publish(std::slice::from_ref(envelope));
        assert_eq!(answer.status, 201, "{what}: {}", answer.text());
    };
    let World { lab, auditor, .. } = &world;

    let theirs = auditor.evaluation(&world.api, Outcome::Reported, None);
    accept("an evaluation of somebody else's release", &theirs);
    let failed = auditor.evaluation(&world.api, Outcome::FailedToReproduce, Some(&theirs));
    accept("an evaluation that answers another", &failed);
    accept(
        "a withdrawal of one's own evaluation of somebody else's release",
        &auditor.withdrawal(&failed, Scope::Record),
    );

    let mut mislabelled = lab.api_version("tiny", "3.0.0", "");
    mislabelled["signatures"][0]["keyid"] = "a hint that is wrong".into();
    accept("a key ID that is wrong, which is only a hint", &mislabelled);
    let mut further = lab.api_version("tiny", "3.0.1", "");
    further["comment"] = "DSSE says to ignore it".into();
    accept("an envelope with a field that DSSE does not know", &further);
    let url_safe = lab.api_version("tiny", "3.0.2", "???>>>");
    let payload = url_safe["payload"].as_str().expect("base64");
    assert!(payload.contains(['+', '/']), "{payload}");
    let payload = payload.replace('+', "-").replace('/', "_");
    let mut url_safe = url_safe.clone();
    url_safe["payload"] = payload.trim_end_matches('=').into();
    accept("a payload in URL-safe base64 without padding", &url_safe);
    let spaced = serde_json::to_vec_pretty(&statement_of(&lab.api_version("tiny", "3.0.3", "")));
    accept(
        "a statement with white space, which is signed as it is",
        &lab.sign(spaced.expect("JSON")),
    );
    accept(
        "the largest number that survives",
        &lab.altered(&lab.api_version("tiny", "3.0.4", ""), |statement| {
            statement["predicate"]["annotations"]["n"] = (1_u64 << 53).into();
            candor_tests::statements::fit_subject(statement);
        }),
    );
    accept("an entry as long as it can be", &envelopes::longest(lab));

    let admitted = world.log(Which::Approved);
    let status = ask(admitted.url(), "GET", "/readyz", &[]).status;
    assert_eq!(status, 200);
}
