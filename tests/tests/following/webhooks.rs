//! Webhooks: each record is told, in order, at least once, and signed by the log.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use candor_tests::everything::Everything;
use candor_tests::load::{Load, LoadPlan, publishers};
use candor_tests::postgres::{self, Database};
use candor_tests::receiver::{Message, Mood, Receiver};
use candor_tests::{TestLog, TestPublisher, program};
use serde_json::Value;

/// Runs a test on SQLite, and on Postgres with the database's address.
fn on_both(test: impl Fn(TestLog, Option<&str>)) {
    test(TestLog::start(), None);
    let database = postgres::shared().database();
    test(TestLog::start_on(&database.url), Some(&database.url));
}

/// A table of the settings.
fn webhook(name: &str, url: &str, more: &str) -> String {
    format!("[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}\n")
}

/// Starts the log again with these webhooks, and says where they stand.
fn restart_with(log: &mut TestLog, webhooks: &str) {
    if log.get("/healthz").status == 200 {
        assert!(log.stop().success());
    }
    start_with(log, webhooks);
}

fn start_with(log: &mut TestLog, webhooks: &str) {
    let file = log.scratch().join("candor.toml");
    fs::write(&file, webhooks).expect("it is written");
    log.set_flags(&["--config", file.to_str().expect("a path in UTF-8")]);
    log.restart();
}

/// `candor-server webhook list`
fn list(log: &TestLog, database: Option<&str>) -> String {
    let file = log.scratch().join("candor.toml");
    let mut command = Command::new(program("candor-server"));
    command.args(["webhook", "list", "--config"]).arg(file);
    command.arg("--data").arg(log.data());
    if let Some(database) = database {
        command.args(["--database", database]);
    }
    let output = command.output().expect("candor-server runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn indexes(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(Message::index).collect()
}

/// The same, each once, as a receiver that goes by their IDs sees them.
fn distinct(messages: &[Message]) -> Vec<u64> {
    let mut seen = Vec::new();
    for message in messages {
        let index = message.index();
        assert!(message.header("webhook-id").ends_with(&format!("+{index}")));
        if !seen.contains(&index) {
            seen.push(index);
        }
    }
    seen
}

fn publish(log: &TestLog, version: &str) -> u64 {
    let lab = TestPublisher::new("example-lab");
    let answer = log.publish(&[lab.api_version("tiny", version, "")]);
    answer.expect_status(201).json()["records"][0]["index"]
        .as_u64()
        .expect("an index")
}

fn metric(log: &TestLog, name: &str) -> u64 {
    let metrics = log.get("/metrics").text();
    let line = metrics
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    let value = line.rsplit(' ').next().expect("a value");
    value.parse().expect("a number")
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "never: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn each_record_is_told_in_order_and_signed_by_the_log() {
    on_both(|mut log, database| {
        let receiver = Receiver::start();
        Everything::publish(&log);
        let url = receiver.url("/candor?key=tell-nobody");
        restart_with(&mut log, &webhook("dashboard", &url, "from = 0"));
        let messages = receiver.taken(16);
        assert_eq!(indexes(&messages), (0..16).collect::<Vec<_>>());
        let records = log.get("/api/v1/records?limit=100").json();
        let records = records["records"].as_array().expect("a list");
        for (message, record) in messages.iter().zip(records.iter().rev()) {
            assert_eq!(message.path, "/candor?key=tell-nobody");
            assert_eq!(message.header("content-type"), "application/json");
            assert!(message.header("user-agent").starts_with("candor-server/"));
            assert!(message.is_signed(log.key()), "{message:?}");
            assert!(!message.body.contains(&b'\n') && message.body.is_ascii());
            let json = message.json();
            assert_eq!(json["type"], "record.logged");
            assert_eq!(json["timestamp"], record["acceptedAt"]);
            let mut data = json["data"].clone();
            let log = data.as_object_mut().expect("data").remove("log");
            assert_eq!(log, Some(Value::from(candor_tests::ORIGIN)));
            assert_eq!(data, *record);
        }
        // What is changed, or said to be something else, is signed by nobody.
        let mut changed = messages[3].clone();
        changed.body = messages[4].body.clone();
        assert!(!changed.is_signed(log.key()));
        let mut changed = messages[3].clone();
        let id = messages[4].headers["webhook-id"].clone();
        changed.headers.insert("webhook-id", id);
        assert!(!changed.is_signed(log.key()));
        // And what is logged then, soon.
        let begun = Instant::now();
        let index = publish(&log, "9");
        assert_eq!(receiver.taken(17)[16].index(), index);
        assert!(begun.elapsed() < Duration::from_secs(5));
        let label = "{webhook=\"dashboard\"}";
        until("nothing is behind", || {
            metric(&log, &format!("candor_webhook_behind{label}")) == 0
        });
        assert_eq!(
            metric(&log, &format!("candor_webhook_deliveries_total{label}")),
            17
        );
        assert_eq!(
            metric(&log, &format!("candor_webhook_failures_total{label}")),
            0
        );
        let said = list(&log, database);
        let first = said.lines().next().expect("a line");
        assert_eq!(first, format!("signed with {}", log.key().to_webhook_key()));
        until("it is written down", || {
            list(&log, database).contains("began at entry 0, next is 17 of 17, 0 behind")
        });
        for shown in [log.log_lines(), said] {
            assert!(!shown.contains("tell-nobody"), "{shown}");
        }
        assert!(log.stop().success());
        assert_eq!(receiver.messages().len(), 17, "nothing was told twice");
    });
}

#[test]
fn a_webhook_begins_with_what_is_logged_from_then_on_and_goes_on_where_it_was() {
    on_both(|mut log, database| {
        let receiver = Receiver::start();
        let lab = TestPublisher::new("example-lab");
        log.publish(&[lab.register()]).expect_status(201);
        publish(&log, "1");
        let hook = webhook("hook", &receiver.url("/"), "");
        restart_with(&mut log, &hook);
        until("it is enrolled", || {
            list(&log, database).contains("began at entry 2, next is 2")
        });
        publish(&log, "2");
        assert_eq!(indexes(&receiver.taken(1)), [2]);
        // While it is not in the settings, it is told of nothing, and forgets nothing.
        restart_with(&mut log, "");
        publish(&log, "3");
        publish(&log, "4");
        assert!(
            list(&log, database)
                .contains("hook: not in the settings, began at entry 2, next is 3 of 5, 2 behind")
        );
        assert_eq!(receiver.messages().len(), 1);
        restart_with(&mut log, &hook);
        assert_eq!(indexes(&receiver.taken(3)), [2, 3, 4]);
        // One that stands in the settings and was never run with.
        let more = hook.clone() + &webhook("another", "https://hooks.example.org/secret", "");
        fs::write(log.scratch().join("candor.toml"), more).expect("it is written");
        let said = list(&log, database);
        assert!(
            said.contains("another: https://hooks.example.org, new: "),
            "{said}"
        );
        // From an index that it names.
        let other = Receiver::start();
        restart_with(&mut log, &webhook("third", &other.url("/"), "from = 3"));
        assert_eq!(indexes(&other.taken(2)), [3, 4]);
    });
}

#[test]
fn a_webhook_is_told_of_the_kinds_and_publishers_that_it_asks_for() {
    on_both(|mut log, database| {
        let all = [Receiver::start(), Receiver::start(), Receiver::start()];
        let [kinds, labs, both] = &all;
        let settings = webhook(
            "kinds",
            &kinds.url("/"),
            "kinds = [\"publisher\", \"withdrawal\"]\nfrom = 0",
        ) + &webhook(
            "labs",
            &labs.url("/"),
            "publishers = [\"zeta-lab\"]\nfrom = 0",
        ) + &webhook(
            "both",
            &both.url("/"),
            "publishers = [\"auditor\"]\nkinds = [\"evaluation\"]\nfrom = 0",
        );
        restart_with(&mut log, &settings);
        Everything::publish(&log);
        assert_eq!(indexes(&kinds.taken(6)), [0, 1, 2, 3, 14, 15]);
        assert_eq!(indexes(&labs.taken(5)), [2, 3, 8, 9, 13]);
        assert_eq!(indexes(&both.taken(1)), [12]);
        assert!(log.stop().success());
        let said = list(&log, database);
        assert_eq!(
            said.matches("next is 16 of 16, 0 behind").count(),
            3,
            "{said}"
        );
    });
}

#[test]
fn a_receiver_that_fails_is_tried_again_and_holds_up_nothing_else() {
    on_both(|mut log, database| {
        let (broken, well) = (Receiver::start(), Receiver::start());
        broken.set_mood(Mood::Status(500));
        let settings = webhook("broken", &broken.url("/"), "from = 0")
            + &webhook("well", &well.url("/"), "from = 0");
        restart_with(&mut log, &settings);
        let lab = TestPublisher::new("example-lab");
        log.publish(&[lab.register()]).expect_status(201);
        for version in ["1", "2", "3"] {
            publish(&log, version);
        }
        assert_eq!(indexes(&well.taken(4)), [0, 1, 2, 3]);
        let tries = broken.came(3);
        assert_eq!(indexes(&tries), [0, 0, 0], "nothing comes before it");
        let ids: Vec<&str> = tries.iter().map(|it| it.header("webhook-id")).collect();
        assert_eq!(ids[0], ids[2], "it is the same message");
        assert!(tries.iter().all(|it| it.is_signed(log.key())));
        log.get("/readyz").expect_status(200);
        assert!(metric(&log, "candor_webhook_failures_total{webhook=\"broken\"}") >= 3);
        assert_eq!(metric(&log, "candor_webhook_behind{webhook=\"broken\"}"), 4);
        let said = list(&log, database);
        assert!(said.contains("next is 0 of 4, 4 behind"), "{said}");
        assert!(said.contains(" times in a row, again "), "{said}");
        assert!(said.contains("the receiver answered 500"), "{said}");
        // It knows that after a restart, and tries at once.
        let before = broken.messages().len();
        restart_with(&mut log, &settings);
        broken.came(before + 1);
        broken.set_mood(Mood::Status(201));
        assert_eq!(indexes(&broken.taken(4)), [0, 1, 2, 3]);
        until("it is well", || {
            list(&log, database).contains("broken: http")
                && !list(&log, database).contains("failed")
        });
        assert_eq!(well.messages().len(), 4);
    });
}

#[test]
fn only_a_2xx_counts_and_no_redirect_is_followed() {
    let mut log = TestLog::start();
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    let lab = TestPublisher::new("example-lab");
    receiver.then([
        Mood::Elsewhere(elsewhere.url("/there")),
        Mood::Status(404),
        Mood::Later(2),
        Mood::Endless,
    ]);
    restart_with(
        &mut log,
        &webhook("hook", &receiver.url("/here"), "from = 0"),
    );
    let begun = Instant::now();
    log.publish(&[lab.register()]).expect_status(201);
    let messages = receiver.taken(1);
    assert_eq!(indexes(&messages), [0]);
    assert_eq!(receiver.messages().len(), 4);
    assert!(
        begun.elapsed() > Duration::from_secs(3),
        "1/2 s, 1 s, and 2 s because it was said"
    );
    // An answer without end is none that keeps anybody waiting.
    let begun = Instant::now();
    publish(&log, "1");
    receiver.taken(2);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(elsewhere.messages().is_empty());
    let said = log.log_lines();
    assert!(said.contains("no redirect is followed"), "{said}");
    assert!(!said.contains("/there"), "{said}");
}

#[test]
fn a_receiver_that_is_silent_or_not_there_is_given_up_on_and_keeps_no_server_from_stopping() {
    let mut log = TestLog::start();
    let silent = Receiver::start();
    silent.set_mood(Mood::Silent);
    // Nobody listens there any more.
    let gone = Receiver::start().url("/");
    let settings =
        webhook("silent", &silent.url("/"), "from = 0") + &webhook("gone", &gone, "from = 0");
    restart_with(&mut log, &settings);
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    until("the one is given up on", || {
        list(&log, None).contains("Connection refused")
    });
    let begun = Instant::now();
    until("the other too", || {
        list(&log, None).contains("the receiver did not answer within 15 seconds")
    });
    assert!(begun.elapsed() > Duration::from_secs(10));
    silent.came(2);
    let begun = Instant::now();
    assert!(log.stop().success());
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    silent.set_mood(Mood::Status(200));
    log.restart();
    assert_eq!(indexes(&silent.taken(1)), [0]);
}

/// Between the answer and the write, everything may be lost but the record.
#[test]
fn a_server_that_is_killed_before_it_writes_tells_again_and_leaves_nothing_out() {
    on_both(|mut log, database| {
        let receiver = Receiver::start();
        let hook = webhook("hook", &receiver.url("/"), "from = 0");
        // On Postgres, a server that was killed has the webhook for half a minute more.
        let kills = if database.is_some() {
            &[3][..]
        } else {
            &[1, 3, 2, 5]
        };
        for (round, nth) in kills.iter().enumerate() {
            let lab = TestPublisher::new(&format!("lab-{round}"));
            let records: Vec<Value> = std::iter::once(lab.register())
                .chain((0..6).map(|n| lab.api_version("m", &n.to_string(), "")))
                .collect();
            log.publish(&records).expect_status(201);
            assert!(log.stop().success());
            log.give([("CANDOR_FAILPOINT", format!("told:{nth}:kill"))]);
            start_with(&mut log, &hook);
            until("it is killed", || log.has_died());
            log.give([]);
            start_with(&mut log, "");
        }
        restart_with(&mut log, &hook);
        let size = log.get("/api/v1/log").json()["size"]
            .as_u64()
            .expect("a size");
        assert_eq!(size, 7 * kills.len() as u64);
        until("all is told", || {
            list(&log, database).contains(&format!("next is {size} of {size}, 0 behind"))
        });
        let messages = receiver.messages();
        assert_eq!(distinct(&messages), (0..size).collect::<Vec<_>>());
        assert!(
            messages.len() > usize::try_from(size).expect("small"),
            "some came again"
        );
        let told_again = indexes(&messages)
            .windows(2)
            .filter(|two| two[1] <= two[0])
            .count();
        assert_eq!(told_again, kills.len(), "{:?}", indexes(&messages));
    });
}

/// Servers on one database, each with the same settings.
fn servers(database: &Database, hook: &str) -> [TestLog; 2] {
    let mut first = TestLog::start_on(&database.for_server("first"));
    let mut second = first.join(&database.for_server("second"));
    for server in [&mut first, &mut second] {
        restart_with(server, hook);
    }
    [first, second]
}

#[test]
fn of_several_servers_one_tells_and_the_others_go_on_where_it_ends() {
    let database = postgres::shared().database();
    let receiver = Receiver::start();
    let hook = webhook("hook", &receiver.url("/"), "from = 0");
    let [mut first, mut second] = servers(&database, &hook);
    Load::register_publishers(&first);
    let load = |server: &TestLog, name: &str| {
        let plan = LoadPlan {
            name: name.to_owned(),
            writers: 2,
            watchers: 0,
            records_per_request: 1..=8,
            records_max: 150,
            seed: 4,
        };
        Load::start(server, plan)
    };
    for load in [load(&first, "one"), load(&second, "two")] {
        load.finish();
    }
    let registered = publishers().count() as u64;
    let all = |count: u64| (0..registered + count).collect::<Vec<_>>();
    let messages = receiver.taken(usize::try_from(registered + 300).expect("small"));
    assert_eq!(
        indexes(&messages),
        all(300),
        "each once, in order, while nobody dies"
    );
    // Who tells stops in order: the other goes on within seconds.
    let teller = |server: &TestLog| {
        let told = metric(server, "candor_webhook_deliveries_total{webhook=\"hook\"}");
        told > 0
    };
    let (teller, other) = match (teller(&first), teller(&second)) {
        (true, false) => (&mut first, &mut second),
        (false, true) => (&mut second, &mut first),
        both => panic!("{both:?}"),
    };
    assert!(teller.stop().success());
    let begun = Instant::now();
    load(other, "three").finish();
    let messages = receiver.taken(usize::try_from(registered + 450).expect("small"));
    assert_eq!(indexes(&messages), all(450));
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    // And who is killed loses it a while later.
    teller.restart();
    publish_more(teller, "before");
    receiver.taken(usize::try_from(registered + 451).expect("small"));
    other.kill();
    let begun = Instant::now();
    publish_more(teller, "after");
    let messages = receiver.taken(usize::try_from(registered + 452).expect("small"));
    assert_eq!(distinct(&messages), all(452));
    assert!(
        begun.elapsed() < Duration::from_mins(1),
        "{:?}",
        begun.elapsed()
    );
}

fn publish_more(log: &TestLog, version: &str) {
    let lab = publishers().next().expect("there is one");
    let record = lab.api_version("more", version, "");
    log.publish(&[record]).expect_status(201);
}

/// A server that stands still while a receiver waits for it loses the webhook, and does no harm when it comes back.
#[test]
fn a_server_that_stood_still_leaves_the_webhook_to_the_other() {
    let database = postgres::shared().database();
    let receiver = Receiver::start();
    let hook = webhook("hook", &receiver.url("/"), "from = 0");
    let [first, second] = servers(&database, &hook);
    Load::register_publishers(&first);
    let registered = publishers().count();
    receiver.taken(registered);
    let told =
        |server: &TestLog| metric(server, "candor_webhook_deliveries_total{webhook=\"hook\"}");
    let (teller, other) = if told(&first) > 0 {
        (&first, &second)
    } else {
        (&second, &first)
    };
    teller.signal("STOP");
    publish_more(other, "meanwhile");
    receiver.taken(registered + 1);
    teller.signal("CONT");
    publish_more(other, "then");
    publish_more(teller, "and-then");
    let messages = receiver.taken(registered + 3);
    let count = u64::try_from(registered).expect("small") + 3;
    assert_eq!(distinct(&messages), (0..count).collect::<Vec<_>>());
    assert!(told(other) >= 2, "the other one has it since");
}

#[test]
fn settings_that_can_not_be_are_named_without_what_may_be_a_secret() {
    let mut log = TestLog::start();
    assert!(log.stop().success());
    let file = log.scratch().join("candor.toml");
    let refusal = |toml: &str| {
        fs::write(&file, toml).expect("it is written");
        log.refusal(&["--config", file.to_str().expect("a path in UTF-8")])
    };
    let hook = |url: &str, more: &str| webhook("hook", url, more);
    let mut all = String::new();
    for (toml, part) in [
        (
            hook("http://hooks.example.org/tell-nobody", ""),
            "the webhook \"hook\": its url is http:// to another machine",
        ),
        (
            hook("ftp://tell-nobody@localhost/", ""),
            "its url is neither https://",
        ),
        (hook("tell-nobody", ""), "its url is none"),
        (
            hook("https://hooks.example.org/", "kinds = []"),
            "kinds is empty",
        ),
        (
            hook("https://hooks.example.org/", "kinds = [\"model\"]"),
            "unknown variant `model`",
        ),
        (
            hook("https://hooks.example.org/", "publishers = [\"Example\"]"),
            "the publisher \"Example\"",
        ),
        (
            hook("https://hooks.example.org/", "from = -1"),
            "expected a whole number",
        ),
        (
            hook("https://hooks.example.org/", "secret = \"tell-nobody\""),
            "unknown field `secret`",
        ),
        (
            webhook("My hook", "https://hooks.example.org/", ""),
            "a name has 1 to 64 characters",
        ),
        (
            hook("https://hooks.example.org/", "").repeat(2),
            "another one has this name",
        ),
        (
            "[[webhook]]\nname = \"hook\"\n".to_owned(),
            "missing field `url`",
        ),
    ] {
        let said = refusal(&toml);
        assert!(said.contains(part), "{toml}: {said}");
        let _ = write!(all, "{said}");
    }
    assert!(!all.contains("tell-nobody"), "{all}");
}

/// A receiver with a certificate that nobody knows is told of nothing, and one with a known certificate is.
#[test]
fn a_receiver_in_tls_is_believed_by_its_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    fs::write(&certificate, made.cert.pem()).expect("it is written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("it is written");
    let certificate = certificate.to_str().expect("a path in UTF-8");
    let key = key.to_str().expect("a path in UTF-8");
    // A log takes no messages, and says so: that is an answer.
    let receiver = TestLog::start_with(&["--tls-certificate", certificate, "--tls-key", key]);
    let port = receiver
        .url()
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let url = format!("https://localhost:{port}/api/v1/records");
    let mut log = TestLog::start();
    log.publish(&[TestPublisher::new("example-lab").register()])
        .expect_status(201);
    restart_with(&mut log, &webhook("hook", &url, "from = 0"));
    until("it is refused", || {
        let said = list(&log, None).to_lowercase();
        said.contains("certificate") || said.contains("unknownissuer")
    });
    assert!(log.stop().success());
    log.give([("SSL_CERT_FILE", certificate.to_owned())]);
    log.restart();
    until("it answers", || {
        list(&log, None).contains("the receiver answered 4")
    });
    // Where there are no certificates at all, what needs none is told.
    let plain = Receiver::start();
    log.give([
        ("SSL_CERT_FILE", "/nowhere/certs.pem".to_owned()),
        ("SSL_CERT_DIR", "/nowhere".to_owned()),
    ]);
    restart_with(&mut log, &webhook("plain", &plain.url("/"), "from = 0"));
    plain.taken(1);
}

/// The lines that are shown to those who write a receiver do what they say.
#[test]
fn the_receiver_in_the_documentation_takes_what_the_log_signed_and_nothing_else() {
    let Some(python) = python_with_cryptography() else {
        println!("skipped: no Python with the package cryptography is here");
        return;
    };
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let documentation =
        fs::read_to_string(repository.join("docs/operating.md")).expect("it is there");
    let section = documentation
        .split("## Tell others: webhooks")
        .nth(1)
        .expect("its section");
    let code = section.split("```python\n").nth(1).expect("code");
    let code = code.split("```").next().expect("its end");
    let mut log = TestLog::start();
    let receiver = Receiver::start();
    log.publish(&[TestPublisher::new("example-lab").register()])
        .expect_status(201);
    restart_with(&mut log, &webhook("hook", &receiver.url("/"), "from = 0"));
    let message = receiver.taken(1).remove(0);
    assert!(code.contains("LOG_KEY = \""), "{code}");
    let code: String = code
        .lines()
        .map(|line| match line.starts_with("LOG_KEY = ") {
            true => format!("LOG_KEY = {:?}\n", log.key().to_string()),
            false => format!("{line}\n"),
        })
        .collect();
    let ask = |id: &str, time: &str, signature: &str, body: &[u8]| {
        let call = format!(
            "{code}\nimport sys\nheaders = {{'webhook-id': {id:?}, 'webhook-timestamp': {time:?}, 'webhook-signature': {signature:?}}}\nprint(verify(headers, sys.stdin.buffer.read())['data']['index'])\n"
        );
        let mut child = Command::new(&python)
            .args(["-c", &call])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("Python runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut stdin, body).expect("it is read");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.success(),
            said + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (id, time) = (
        message.header("webhook-id"),
        message.header("webhook-timestamp"),
    );
    let (signature, body) = (message.header("webhook-signature"), message.body.as_slice());
    assert_eq!(ask(id, time, signature, body), (true, "0\n".to_owned()));
    let among = format!("v1,AAAA v1a,{} {signature}", "A".repeat(86) + "==");
    assert_eq!(ask(id, time, &among, body), (true, "0\n".to_owned()));
    let later = (time.parse::<u64>().expect("a number") + 1).to_string();
    let other_body = message
        .body
        .iter()
        .map(|byte| if *byte == b'0' { b'1' } else { *byte });
    let other_body: Vec<u8> = other_body.collect();
    for (id, time, signature, body) in [
        (&*id.replace("+0", "+1"), time, signature, body),
        (id, &*later, signature, body),
        (id, time, signature, other_body.as_slice()),
        (id, time, &*signature.replace("v1a,", "v1,"), body),
        (id, time, "", body),
    ] {
        let (took, said) = ask(id, time, signature, body);
        assert!(!took, "{id} {time} {signature}: {said}");
    }
    let old = "1767323045";
    let (took, said) = ask(id, old, signature, body);
    assert!(!took && said.contains("too old"), "{said}");
}

/// The tests' own Python, or the machine's, if it has what is needed.
fn python_with_cryptography() -> Option<String> {
    let own = std::env::var("CANDOR_PYTHON").ok();
    let candidates = own.into_iter().chain(["python3".to_owned()]);
    candidates.into_iter().find(|python| {
        let asked = Command::new(python)
            .args(["-c", "import cryptography"])
            .output();
        asked.is_ok_and(|output| output.status.success())
    })
}
