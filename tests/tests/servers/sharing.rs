//! Whichever server is asked, it is the same log.

use std::time::Duration;

use candor_core::note::LogKey;
use candor_tests::history::{History, LogReader, replay};
use candor_tests::load::{Load, LoadPlan, publishers};
use candor_tests::{TestLog, TestPublisher, postgres};

/// Three servers on one database, and its name.
fn three() -> [TestLog; 3] {
    let database = postgres::shared().database();
    let first = TestLog::start_on(&database.url);
    let [second, third] = [first.join(&database.url), first.join(&database.url)];
    [first, second, third]
}

/// How many entries a checkpoint is about.
fn size(key: &LogKey, checkpoint: &str) -> u64 {
    let checkpoint = key.verify_checkpoint(checkpoint.as_bytes());
    checkpoint.expect("the log signed it").head.size.get()
}

/// Whoever was answered by one server finds what it published at every other one, at once and proven.
#[test]
fn what_one_server_acknowledged_every_server_has() {
    let servers = three();
    Load::register_publishers(&servers[0]);
    let publisher = publishers().next().expect("there is one");
    for round in 0..60 {
        let (here, there) = (&servers[round % 3], &servers[(round + 1) % 3]);
        let release = publisher.api_version("shared", &format!("1.{round}"), "");
        let answer = here.publish(&[release]).expect_status(201);
        let index = answer.json()["records"][0]["index"]
            .as_u64()
            .expect("an index");
        match round % 4 {
            0 => {
                let checkpoint = there.get("/checkpoint").text();
                assert!(size(there.key(), &checkpoint) > index, "round {round}");
            }
            1 => {
                let record = there.get(&format!("/api/v1/records/{index}"));
                record.expect_status(200);
            }
            2 => {
                let proof = there.get(&format!("/api/v1/proofs/inclusion?index={index}"));
                proof.expect_status(200);
            }
            _ => {
                let width = index % 256 + 1;
                let path = match index / 256 {
                    0 if width == 256 => "/tile/0/000".to_owned(),
                    0 => format!("/tile/0/000.p/{width}"),
                    _ => unreachable!("there are fewer entries"),
                };
                there.get(&path).expect_status(200);
            }
        }
        let list = there.get("/api/v1/records?limit=1").json();
        assert_eq!(list["records"][0]["index"], index, "round {round}");
    }
}

/// Records of the same publishers, through three servers at once: one sequence, without gaps, and one history.
#[test]
fn three_servers_that_are_written_to_at_once_make_one_log() {
    let servers = three();
    Load::register_publishers(&servers[0]);
    let loads: Vec<Load> = servers
        .iter()
        .zip(0..)
        .map(|(server, n)| {
            let plan = LoadPlan {
                name: format!("at-once-{n}"),
                writers: 8,
                watchers: 1,
                records_per_request: 1..=20,
                records_max: 1_500,
                seed: n,
            };
            Load::start(server, plan)
        })
        .collect();
    let mut history = History::new(servers[0].key().clone());
    for load in loads {
        history.absorb(&load.finish());
    }
    assert_eq!(history.acknowledged(), 4_500);
    for server in &servers {
        history.check(&LogReader::new(server));
    }
    assert_eq!(replay(&LogReader::new(&servers[2])), 4_504);
}

/// A publisher changes its keys at one server; the others know them from then on.
#[test]
fn keys_that_changed_at_one_server_count_at_all_of_them() {
    let servers = three();
    Load::register_publishers(&servers[0]);
    let publisher = publishers().next().expect("there is one");
    // Every server has seen the old key.
    for (server, n) in servers.iter().zip(0..) {
        let release = publisher.api_version("keys", &format!("1.{n}"), "");
        server.publish(&[release]).expect_status(201);
    }
    let renewed = TestPublisher {
        name: publisher.name.clone(),
        key: TestPublisher::new("another key").key,
    };
    let update = publisher.rotate(&publisher.register(), &renewed);
    servers[0].publish(&[update]).expect_status(201);
    for (server, n) in servers.iter().zip(10..) {
        let old = publisher.api_version("keys", &format!("1.{n}"), "");
        server.publish(&[old]).expect_status(403);
        let new = renewed.api_version("keys", &format!("2.{n}"), "");
        server.publish(&[new]).expect_status(201);
    }
}

/// A server that comes back after a while has missed nothing.
#[test]
fn a_server_that_was_away_goes_on_from_where_the_others_are() {
    let [mut first, second, third] = three();
    Load::register_publishers(&first);
    assert!(first.stop().success());
    let publisher = publishers().next().expect("there is one");
    for n in 0..300 {
        let release = publisher.api_version("meanwhile", &format!("1.{n}"), "");
        [&second, &third][n % 2]
            .publish(&[release])
            .expect_status(201);
    }
    first.restart();
    let before = size(first.key(), &first.get("/checkpoint").text());
    assert_eq!(before, 304);
    let release = publisher.api_version("meanwhile", "2.0", "");
    let answer = first.publish(&[release]).expect_status(201);
    assert_eq!(answer.json()["records"][0]["index"], 304);
    std::thread::sleep(Duration::from_millis(1_500));
    let mut history = History::new(first.key().clone());
    history.check(&LogReader::new(&second));
    history.check(&LogReader::new(&first));
}
