//! Three servers, and the one that writes is killed again and again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use candor_tests::TestLog;
use candor_tests::history::{History, LogReader, replay};
use candor_tests::load::{
    Load, NoAnswer, Random, Seen, SentRecord, keep_alive_agent, publish, publishers,
};
use candor_tests::postgres::{self, Database};

/// How long it goes on, unless `CANDOR_FAILOVER_SECONDS` says otherwise.
const SECONDS: u64 = 25;

/// How far apart two kills are.
const BETWEEN_KILLS: Duration = Duration::from_secs(5);

/// How long a killed server is away.
const AWAY: Duration = Duration::from_millis(1_500);

/// How many connections write.
const WRITERS: usize = 24;

/// How long there may be no answer around a kill: another server takes its turn when the connections of the killed
/// one are gone, and here all of them and the database share two cores.
const PAUSE_MAX: Duration = Duration::from_secs(3);

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how much was tried is part of the result"
)]
fn nothing_is_lost_when_the_server_that_writes_is_killed() {
    let seconds = std::env::var("CANDOR_FAILOVER_SECONDS").map_or(SECONDS, |seconds| {
        seconds
            .parse()
            .expect("CANDOR_FAILOVER_SECONDS is a number")
    });
    let database = postgres::shared().database();
    let first = TestLog::start_on(&database.for_server("server-0"));
    let mut servers = vec![
        first.join(&database.for_server("server-1")),
        first.join(&database.for_server("server-2")),
    ];
    servers.insert(0, first);
    Load::register_publishers(&servers[0]);
    let shared = Arc::new(Shared {
        urls: servers
            .iter()
            .map(|server| server.url().to_owned())
            .collect(),
        answers: Mutex::default(),
        next: AtomicU64::new(0),
        enough: AtomicBool::new(false),
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.write(n))
        })
        .collect();
    let begun = Instant::now();
    let mut kills = Vec::new();
    let mut writing = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(BETWEEN_KILLS.saturating_sub(AWAY));
        let (victim, was_writing) = who_writes(&database, kills.len());
        writing += usize::from(was_writing);
        kills.push(Instant::now());
        servers[victim].kill();
        std::thread::sleep(AWAY);
        servers[victim].restart_in_place();
    }
    shared.enough.store(true, Ordering::SeqCst);
    let mut history = History::new(servers[0].key().clone());
    for writer in writers {
        history.absorb(
            &writer
                .join()
                .expect("every record is acknowledged in the end"),
        );
    }
    for server in &servers {
        history.check(&LogReader::new(server));
    }
    let verified = replay(&LogReader::new(&servers[1]));
    let answers = shared.answers.lock().expect("nobody panicked");
    let pauses: Vec<Duration> = kills
        .iter()
        .map(|kill| pause_after(*kill, &answers))
        .collect();
    let longest = pauses.iter().max().copied().unwrap_or_default();
    println!(
        "{} kills in {seconds} s, {writing} of them in a turn; {} entries acknowledged, {verified} verified, \
         {} checkpoints seen; longest wait for the next answer {} ms",
        kills.len(),
        history.acknowledged(),
        history.checkpoints(),
        longest.as_millis(),
    );
    assert!(writing > 0, "no server was killed in its turn");
    assert!(longest < PAUSE_MAX, "{pauses:?}");
}

/// Which server has the turn, if one is seen to; another one otherwise.
fn who_writes(database: &Database, kills: usize) -> (usize, bool) {
    let query = format!(
        "SELECT right(application_name, 1) FROM pg_stat_activity
         WHERE datname = '{}' AND application_name LIKE 'server-_' AND backend_xid IS NOT NULL LIMIT 1",
        database.name
    );
    for _ in 0..50 {
        if let Ok(server) = postgres::shared().run("postgres", &query).parse() {
            return (server, true);
        }
    }
    (kills % 3, false)
}

/// How long after `kill` the first answer came to a request that was sent after it.
fn pause_after(kill: Instant, answers: &[(Instant, Instant)]) -> Duration {
    let after = answers.iter().filter(|(sent, _)| *sent > kill);
    let first = after.map(|(_, answered)| *answered).min();
    first.map_or(Duration::MAX, |first| first - kill)
}

struct Shared {
    urls: Vec<String>,
    /// When requests were sent and answered.
    answers: Mutex<Vec<(Instant, Instant)>>,
    /// How many records were composed.
    next: AtomicU64,
    enough: AtomicBool,
}

impl Shared {
    /// Publishes until it is enough; what one server does not answer, the next one is asked.
    fn write(&self, writer: usize) -> Seen {
        let agent = keep_alive_agent();
        let mut random = Random::new(writer as u64);
        let mut seen = Seen::default();
        let publisher = publishers().nth(writer % 4).expect("there are four");
        let mut server = writer;
        while !self.enough.load(Ordering::SeqCst) {
            let wanted = random.within(&(1..=16));
            let first = self.next.fetch_add(wanted, Ordering::SeqCst);
            let request: Vec<SentRecord> = (first..first + wanted)
                .map(|n| SentRecord::compose(&publisher, "failover", n))
                .collect();
            loop {
                let url = &self.urls[server % self.urls.len()];
                let sent = Instant::now();
                match publish(&agent, url, &request, &mut seen.checkpoints) {
                    Ok(acknowledged) => {
                        seen.acknowledged.extend(acknowledged);
                        let mut answers = self.answers.lock().expect("nobody panicked");
                        answers.push((sent, Instant::now()));
                        break;
                    }
                    Err(NoAnswer::ServerGone(_)) => {
                        server += 1;
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    Err(NoAnswer::Unknown(what) | NoAnswer::Wrong(what)) => panic!("{url}: {what}"),
                }
            }
        }
        seen
    }
}
