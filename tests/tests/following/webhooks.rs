//! Webhooks: each record is told, in order, at least once, and signed by the log.

use std::fs;
use std::time::{Duration, Instant};

use candor_tests::everything::Everything;
use candor_tests::load::{Load, LoadPlan, publishers};
use candor_tests::postgres::{self, Database};
use candor_tests::receiver::Receiver;
use candor_tests::{TestLog, TestPublisher};
use serde_json::Value;

use super::world::{
    distinct, indexes, list, metric, on_both, publish, restart_with, start_with, until, webhook,
};

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
    // What it was in the middle of may be told twice, and counts once.
    until("all are told", || {
        distinct(&receiver.messages()).len() >= registered + 3
    });
    let count = u64::try_from(registered).expect("small") + 3;
    assert_eq!(
        distinct(&receiver.messages()),
        (0..count).collect::<Vec<_>>()
    );
    assert!(told(other) >= 2, "the other one has it since");
}
