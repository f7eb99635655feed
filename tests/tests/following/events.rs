//! `GET /api/v1/events`: gapless, each record once, whoever answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use candor_core::record::kinds::Scope;
use candor_tests::events::{Event, Events};
use candor_tests::everything::Everything;
use candor_tests::load::{Load, LoadPlan, publishers};
use candor_tests::raw::{Raw, ask, request};
use candor_tests::{TestLog, TestPublisher, http, postgres};
use serde_json::Value;

const PATH: &str = "/api/v1/events";

fn on_both(test: impl Fn(TestLog)) {
    test(TestLog::start());
    test(TestLog::start_on(&postgres::shared().database().url));
}

fn publish(log: &TestLog, lab: &TestPublisher, version: &str) -> u64 {
    let answer = log.publish(&[lab.api_version("tiny", version, "")]);
    answer.expect_status(201).json()["records"][0]["index"]
        .as_u64()
        .expect("an index")
}

#[test]
fn what_is_logged_is_sent_in_its_order_as_the_list_shows_it() {
    on_both(|log| {
        Everything::publish(&log);
        let mut list = log.get("/api/v1/records?limit=100").json()["records"]
            .as_array()
            .expect("a list")
            .clone();
        list.reverse();
        let mut events = Events::open(log.url(), &format!("{PATH}?after=-1"), None);
        assert_eq!(events.header("content-type"), "text/event-stream");
        assert_eq!(events.header("cache-control"), "no-store");
        assert_eq!(events.header("x-accel-buffering"), "no");
        assert_eq!(events.header("content-encoding"), "");
        assert_eq!(events.header("access-control-allow-origin"), "*");
        assert_eq!(events.next_event(), Some(Event::Retry(2_000)));
        for item in &list {
            let expected = Event::Record(item["index"].to_string(), item.clone());
            assert_eq!(events.next_event(), Some(expected));
        }
        // And what comes then, at once.
        let lab = TestPublisher::new("example-lab");
        let begun = Instant::now();
        let index = publish(&log, &lab, "9");
        assert_eq!(events.indexes(1), [index]);
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    });
}

#[test]
fn whoever_comes_without_an_id_is_sent_what_is_logged_from_then_on_and_has_one_to_come_back_with() {
    on_both(|log| {
        let lab = TestPublisher::new("example-lab");
        // Nothing is there, and -1 says so.
        let mut empty = Events::open(log.url(), PATH, None);
        assert_eq!(empty.next_event(), Some(Event::Retry(2_000)));
        assert_eq!(empty.next_event(), Some(Event::Size("-1".to_owned(), 0)));
        log.publish(&[lab.register()]).expect_status(201);
        publish(&log, &lab, "1");
        let mut events = Events::open(log.url(), PATH, None);
        events.next_event();
        assert_eq!(events.next_event(), Some(Event::Size("1".to_owned(), 2)));
        let id = events.last_id.clone();
        // It goes before anything was logged, and misses nothing.
        drop(events);
        for version in ["2", "3"] {
            publish(&log, &lab, version);
        }
        let mut events = Events::open(log.url(), PATH, id.as_deref());
        assert_eq!(events.indexes(2), [2, 3]);
        assert_eq!(empty.indexes(4), [0, 1, 2, 3]);
        let mut again = Events::open(log.url(), PATH, Some("-1"));
        assert_eq!(again.indexes(4), [0, 1, 2, 3]);
    });
}

#[test]
fn the_header_comes_before_the_parameter_and_neither_is_guessed() {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    for version in ["1", "2", "3"] {
        publish(&log, &lab, version);
    }
    let after = format!("{PATH}?after=0");
    assert_eq!(Events::open(log.url(), &after, None).indexes(3), [1, 2, 3]);
    assert_eq!(Events::open(log.url(), &after, Some("2")).indexes(1), [3]);
    // What comes behind something that is not there yet comes when it is.
    let mut ahead = Events::open(log.url(), &format!("{PATH}?after=5"), None);
    for version in ["4", "5", "6"] {
        publish(&log, &lab, version);
    }
    assert_eq!(ahead.indexes(1), [6]);
    for (query, header) in [
        ("?after=x", None),
        ("?after=-2", None),
        ("?after=01", None),
        ("?after=", None),
        ("?after=18446744073709551615", None),
        ("?before=1", None),
        ("?kind=nothing", None),
        ("?publisher=Nobody", None),
        ("?after=1", Some("x")),
        ("", Some("")),
        ("", Some("1, 2")),
    ] {
        let url = format!("{}{PATH}{query}", log.url());
        let answer = match header {
            None => http::get(&url),
            Some(value) => http::get_with(&url, "last-event-id", value),
        };
        let answer = answer.expect_status(400);
        assert_eq!(
            answer.json()["type"],
            "urn:candor:problem:bad-parameter",
            "{query} {header:?}"
        );
    }
}

#[test]
fn a_filter_leaves_out_the_others_and_says_how_far_it_has_looked() {
    on_both(|log| {
        Everything::publish(&log);
        let asked = [
            ("kind=publisher", vec![0, 1, 2, 3]),
            ("publisher=zeta-lab", vec![2, 3, 8, 9, 13]),
            ("kind=evaluation&publisher=auditor", vec![12]),
            ("kind=weights&publisher=auditor", vec![]),
        ];
        let begun = Instant::now();
        let open = asked.map(|(query, expected)| {
            let path = format!("{PATH}?after=-1&{query}");
            let mut events = Events::open(log.url(), &path, None);
            assert_eq!(events.indexes(expected.len()), expected, "{query}");
            (query, events)
        });
        // What is said next, within the heartbeat, is how far each has looked.
        for (query, mut events) in open {
            while events.next_event() != Some(Event::Size("15".to_owned(), 16)) {
                assert!(begun.elapsed() < Duration::from_secs(20), "{query}");
            }
        }
        // From there on, and with what comes live.
        let path = format!("{PATH}?kind=publisher");
        let mut events = Events::open(log.url(), &path, Some("15"));
        publish(&log, &TestPublisher::new("example-lab"), "10");
        let late = TestPublisher::new("late-lab").register();
        log.publish(&[late]).expect_status(201);
        assert_eq!(events.indexes(1), [17]);
    });
}

/// A withdrawal changes how records before it are shown, also those that are in memory.
#[test]
fn what_is_sent_again_is_as_the_list_shows_it_now() {
    on_both(|log| {
        let lab = TestPublisher::new("example-lab");
        let release = lab.api_version("tiny", "1", "");
        log.publish(&[lab.register()]).expect_status(201);
        log.publish(std::slice::from_ref(&release))
            .expect_status(201);
        let path = format!("{PATH}?after=0");
        let mut events = Events::open(log.url(), &path, None);
        assert_eq!(
            events.record().expect("it is there")["withdrawnBy"],
            Value::Null
        );
        let withdrawal = lab.withdrawal(&release, Scope::Release);
        log.publish(&[withdrawal]).expect_status(201);
        assert_eq!(events.indexes(1), [2]);
        let mut again = Events::open(log.url(), &path, None);
        assert_eq!(again.record().expect("it is there")["withdrawnBy"], 2);
    });
}

#[test]
fn a_comment_comes_when_nothing_else_is_said_and_the_time_of_requests_ends_no_stream() {
    let log = TestLog::start_with(&["--request-seconds-max", "2"]);
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let mut events = Events::open(log.url(), &format!("{PATH}?after=0"), None);
    events.next_event();
    let begun = Instant::now();
    assert_eq!(events.next_event(), Some(Event::Comment));
    let waited = begun.elapsed();
    assert!((14..18).contains(&waited.as_secs()), "{waited:?}");
    publish(&log, &lab, "1");
    assert_eq!(events.indexes(1), [1]);
}

/// Listeners come and go, at whichever server, while records come at all of them.
#[test]
fn of_several_servers_each_sends_every_record_once_in_one_order() {
    const RECORDS: u64 = 1_200;
    let database = postgres::shared().database();
    let first = TestLog::start_on(&database.url);
    let servers = [first.join(&database.url), first];
    Load::register_publishers(&servers[0]);
    let size = publishers().count() as u64;
    let is_done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let faithful = scope.spawn(|| {
            let mut events = Events::open(servers[0].url(), &format!("{PATH}?after=-1"), None);
            let count = usize::try_from(size + 2 * RECORDS).expect("not many");
            events.indexes(count)
        });
        let restless = scope.spawn(|| {
            let (mut seen, mut id, mut server) = (Vec::new(), "-1".to_owned(), 0);
            while seen.len() < usize::try_from(size + 2 * RECORDS).expect("not many") {
                let mut events = Events::open(servers[server % 2].url(), PATH, Some(&id));
                server += 1;
                let some = (server * 37 % 90 + 1)
                    .min(usize::try_from(size + 2 * RECORDS).expect("not many") - seen.len());
                seen.extend(events.indexes(some));
                id = events.last_id.expect("an ID");
            }
            is_done.store(true, Ordering::SeqCst);
            seen
        });
        let loads = servers.iter().zip(["one", "two"]).map(|(server, name)| {
            let plan = LoadPlan {
                name: name.to_owned(),
                writers: 3,
                watchers: 0,
                records_per_request: 1..=16,
                records_max: RECORDS,
                seed: 5,
            };
            Load::start(server, plan)
        });
        for load in loads.collect::<Vec<_>>() {
            load.finish();
        }
        [faithful.join(), restless.join()].map(|seen| seen.expect("it has all"))
    });
    assert!(is_done.load(Ordering::SeqCst));
    for seen in seen {
        assert!(seen.iter().copied().eq(0..size + 2 * RECORDS), "{seen:?}");
    }
}

#[test]
fn a_server_that_stops_ends_its_streams_in_order_and_soon() {
    let mut log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let mut all = Events::open(log.url(), &format!("{PATH}?after=-1"), None);
    let mut none = Events::open(log.url(), &format!("{PATH}?kind=weights&after=-1"), None);
    publish(&log, &lab, "1");
    assert_eq!(all.indexes(2), [0, 1]);
    none.next_event();
    let begun = Instant::now();
    log.terminate();
    assert_eq!(all.record(), None, "the end, and no error");
    assert_eq!(
        none.next_event(),
        Some(Event::Size("1".to_owned(), 2)),
        "what need not be looked at again"
    );
    assert_eq!(none.next_event(), None);
    assert!(log.wait().success());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    // They come back when it does, and have missed nothing.
    log.restart();
    publish(&log, &lab, "2");
    let mut again = Events::open(log.url(), PATH, all.last_id.as_deref());
    assert_eq!(again.indexes(1), [2]);
}

#[test]
fn one_address_does_not_take_the_places_of_all() {
    let log = TestLog::start_with(&["--event-listeners-max", "12"]);
    let url = format!("{}{PATH}", log.url());
    let listeners: Vec<_> = (0..8)
        .map(|_| Events::open(log.url(), PATH, None))
        .collect();
    let refused = http::get(&url).expect_status(429);
    assert_eq!(
        refused.json()["type"],
        "urn:candor:problem:too-many-requests"
    );
    assert_eq!(refused.header("retry-after"), "15");
    drop(listeners);
}

#[test]
fn there_are_only_so_many_places_and_they_are_given_back() {
    let log = TestLog::start_with(&["--event-listeners-max", "2"]);
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    let value = |name: &str| -> u64 {
        let metrics = log.get("/metrics").text();
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let value = line.expect("it is counted").rsplit(' ').next();
        value.expect("a value").parse().expect("a number")
    };
    let url = format!("{}{PATH}", log.url());
    let (mut first, second) = (
        Events::open(log.url(), &format!("{PATH}?after=-1"), None),
        Events::open(log.url(), PATH, None),
    );
    assert_eq!(first.indexes(1), [0]);
    let refused = http::get(&url).expect_status(503);
    assert_eq!(refused.json()["type"], "urn:candor:problem:overloaded");
    assert_eq!(refused.header("retry-after"), "15");
    assert_eq!(value("candor_event_listeners"), 2);
    assert_eq!(value("candor_events_sent_total"), 1);
    drop(second);
    // The server notices when it has something to say.
    publish(&log, &lab, "1");
    let begun = Instant::now();
    while value("candor_event_listeners") != 1 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        publish(&log, &lab, &format!("2.{}", begun.elapsed().as_millis()));
        thread::sleep(Duration::from_millis(50));
    }
    Events::open(log.url(), PATH, None).next_event();
    for flag in ["0", "16385"] {
        let mut stopped = TestLog::start();
        assert!(stopped.stop().success());
        let said = stopped.refusal(&["--event-listeners-max", flag]);
        assert!(said.contains("event-listeners-max is"), "{said}");
    }
}

/// A listener that reads nothing holds no memory that grows, keeps nobody else from reading, and is let go.
#[test]
fn who_does_not_read_is_let_go() {
    let log = TestLog::start_with(&["--event-listeners-max", "1"]);
    let lab = TestPublisher::new("example-lab");
    log.publish(&[lab.register()]).expect_status(201);
    // More than all buffers between the two can hold: some 15 MB of events.
    let records: Vec<Value> = (0..25_600)
        .map(|version| lab.api_version("much", &version.to_string(), ""))
        .collect();
    for records in records.chunks(256) {
        log.publish(records).expect_status(201);
    }
    let mut silent = Raw::connect(log.url());
    silent.send(&request("GET", &format!("{PATH}?after=-1"), &[], b""));
    let begun = Instant::now();
    let listeners = || {
        log.get("/metrics")
            .text()
            .contains("candor_event_listeners 1\n")
    };
    while !listeners() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it did not come");
        thread::sleep(Duration::from_millis(10));
    }
    while listeners() {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "it is still there"
        );
        thread::sleep(Duration::from_millis(200));
    }
    assert!(
        begun.elapsed() > Duration::from_secs(25),
        "{:?}",
        begun.elapsed()
    );
    drop(silent);
    let mut other = Events::open(log.url(), &format!("{PATH}?after=-1"), None);
    assert!(other.indexes(25_601).into_iter().eq(0..25_601));
}

#[test]
fn a_stream_is_asked_about_like_everything_else() {
    let log = TestLog::start_with(&["--reads-per-address", "3"]);
    let options = ask(log.url(), "OPTIONS", PATH, &[]);
    assert_eq!((options.status, options.header("allow")), (204, "GET,HEAD"));
    assert_eq!(
        options.header("access-control-allow-headers"),
        "if-none-match,last-event-id"
    );
    let head = ask(log.url(), "HEAD", PATH, &[]);
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, "text/event-stream")
    );
    assert_eq!(head.body.len(), 0);
    let post = ask(log.url(), "POST", PATH, &["content-length: 0"]);
    assert_eq!(post.status, 405);
    for _ in 0..2 {
        assert_eq!(
            Events::open(log.url(), PATH, None).header("x-content-type-options"),
            "nosniff"
        );
    }
    let refused = log.get(PATH).expect_status(429);
    assert!(!refused.header("retry-after").is_empty());
}

/// Whoever is far behind reads from the database, and then along with the others.
#[test]
fn a_listener_that_is_far_behind_catches_up_without_gaps() {
    on_both(|log| {
        let lab = TestPublisher::new("example-lab");
        log.publish(&[lab.register()]).expect_status(201);
        let mut version = 0;
        let mut some = |count: usize| {
            let records: Vec<Value> = (0..count)
                .map(|_| {
                    version += 1;
                    lab.api_version("much", &version.to_string(), "")
                })
                .collect();
            for records in records.chunks(256) {
                log.publish(records).expect_status(201);
            }
        };
        some(4_600);
        let mut early = Events::open(log.url(), &format!("{PATH}?after=-1"), None);
        let mut filtered =
            Events::open(log.url(), &format!("{PATH}?after=-1&kind=publisher"), None);
        assert_eq!(filtered.indexes(1), [0]);
        // It is told at once how much it need not look at again.
        assert_eq!(
            filtered.next_event(),
            Some(Event::Size("4600".to_owned(), 4_601))
        );
        assert!(early.indexes(2_000).into_iter().eq(0..2_000));
        some(300);
        let mut late = Events::open(log.url(), &format!("{PATH}?after=4599"), None);
        assert!(late.indexes(301).into_iter().eq(4_600..4_901));
        assert!(early.indexes(2_901).into_iter().eq(2_000..4_901));
        some(1);
        for events in [&mut early, &mut late] {
            assert_eq!(events.indexes(1), [4_901]);
        }
    });
}
