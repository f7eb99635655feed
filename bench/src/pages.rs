//! Pages a second, beside an axum handler that sends the same headers and the same compressed bytes.
//!
//! The log has models of made-up labs, published as everybody does: each release with a card, weights and evaluations.
//! The words of cards are as unequally frequent as those of a language, so that questions find much or little.
//!
//! ```text
//! asked again      a page of a thousand questions, or of all models: as a log is read on which nothing happens
//! asked once       each question is another one: nothing that was made before helps
//! while …          a record is published every 100 ms: what was made before is of no use ten times a second
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::http::{Ask, Connection, Load, load, runtime};
use crate::labs::Labs;
use crate::report::Report;
use crate::server::{Server, Target};

/// How pages are measured.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How many records the log has
    #[arg(long, default_value_t = 100_000)]
    entries: usize,
    /// How many seconds each form is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many connections ask
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How many connections ask where it is about how long a reader waits
    #[arg(long, default_value_t = 8)]
    readers: usize,
    /// Only the forms with this in their names
    #[arg(long)]
    only: Option<String>,
    /// The folder in which the log is made, and left for the next time; a temporary one that is removed, if left out
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

#[derive(Serialize)]
struct Figures {
    bench: &'static str,
    storage: &'static str,
    what: String,
    connections: usize,
    entries: usize,
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    bytes_per_answer: f64,
    server_cores: f64,
    server_rss_mib: f64,
    bare_requests_per_second: f64,
    of_bare: f64,
}

/// What is asked for, and how.
struct Form {
    what: &'static str,
    paths: Paths,
    /// Whether something is published meanwhile.
    publishes: bool,
    connections: usize,
}

/// Which pages.
#[derive(Clone, Copy)]
enum Paths {
    Home,
    Models,
    /// So many questions, again and again; or each another one.
    Questions(Option<usize>),
}

impl Paths {
    /// The path of ask `n`.
    fn of(self, labs: &Labs, n: usize) -> String {
        match self {
            Self::Home => "/".to_owned(),
            Self::Models => labs.model_path(n),
            Self::Questions(known) => labs.question_path(known.map_or(n, |known| n % known)),
        }
    }

    fn asks(self, labs: &Labs) -> Vec<Ask> {
        let first = match self {
            Self::Questions(None) => labs.new_questions(ASKS),
            _ => 0,
        };
        let asks = first..first + ASKS;
        asks.map(|n| Ask::Page(self.of(labs, n))).collect()
    }
}

/// How many questions are asked again.
const KNOWN_QUESTIONS: usize = 1_000;

/// How often a record is published meanwhile.
const PUBLICATION: Duration = Duration::from_millis(100);

/// How long the catalogue may take to take the log in.
const CATALOGUE_TIME_MAX: Duration = Duration::from_mins(10);

/// How long it may take to read all pages once.
const WARM_UP_TIME_MAX: Duration = Duration::from_mins(2);

/// How many asks there are: more than can be answered in the time.
const ASKS: usize = 1_000_000;

impl Options {
    fn forms(&self) -> Vec<Form> {
        let form = |what, paths, publishes, connections| Form {
            what,
            paths,
            publishes,
            connections,
        };
        let (many, few) = (self.connections, self.readers);
        let known = Paths::Questions(Some(KNOWN_QUESTIONS));
        let new = Paths::Questions(None);
        let mut forms = vec![
            form("home, asked again", Paths::Home, false, many),
            form("models, asked again", Paths::Models, false, many),
            form("search, asked again", known, false, many),
            form("search, asked once", new, false, many),
            form("search, asked once", new, false, few),
            form("home, while records come", Paths::Home, true, few),
            form("models, while records come", Paths::Models, true, few),
            form("search, while records come", new, true, few),
        ];
        if let Some(only) = &self.only {
            forms.retain(|form| form.what.contains(only.as_str()));
        }
        forms
    }
}

pub(crate) fn run(options: &Options, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let folder = tempfile::tempdir()?;
    let labs = Arc::new(Labs::new(options.entries));
    let data = match &options.data {
        Some(data) => data.clone(),
        None => folder.path().join("log"),
    };
    let is_new = !data.exists();
    if is_new {
        target.init(&data)?;
    }
    let server = target.serve(&data, &[])?;
    if is_new {
        let begun = Instant::now();
        runtime.block_on(labs.publish(&server))?;
        eprintln!("published in {:.0} s", begun.elapsed().as_secs_f64());
    }
    runtime.block_on(wait_for_catalogue(&server))?;
    for form in options.forms() {
        measure(
            options,
            target,
            &form,
            &labs,
            &server,
            folder.path(),
            &runtime,
        )
        .and_then(|figures| report.add(&line(&figures), &figures))?;
    }
    server.stop()?;
    Ok(())
}

fn measure(
    options: &Options,
    target: &Target,
    form: &Form,
    labs: &Arc<Labs>,
    server: &Server,
    folder: &Path,
    runtime: &Runtime,
) -> anyhow::Result<Figures> {
    let time = Duration::from_secs(options.seconds);
    let asks = form.paths.asks(labs);
    let sample = folder.join("answer");
    let sampled = runtime.block_on(async {
        let mut connection = Connection::open(&server.address).await?;
        let page = connection.page(&form.paths.of(labs, 1)).await?;
        std::fs::write(&sample, [page.head, page.body].concat())?;
        anyhow::Ok(())
    });
    sampled.context("one page, for the bare handler")?;
    if !matches!(form.paths, Paths::Questions(None)) && !form.publishes {
        // Once through, however long that takes, as a log is that was read before.
        let once = asks.iter().take(ASKS / 100).cloned().collect();
        runtime.block_on(load(
            &server.address,
            form.connections,
            once,
            WARM_UP_TIME_MAX,
        ))?;
    }
    let before = server.usage()?;
    let measured: Load = runtime.block_on(async {
        let publisher = form.publishes.then(|| {
            tokio::spawn(publish_now_and_then(
                Arc::clone(labs),
                server.address.clone(),
            ))
        });
        let measured = load(&server.address, form.connections, asks, time).await;
        if let Some(publisher) = publisher {
            ensure!(!publisher.is_finished(), "what publishes meanwhile failed");
            publisher.abort();
        }
        measured
    })?;
    let after = server.usage()?;
    let bare = bare_rate(form, &sample, time, runtime)?;
    Ok(Figures {
        bench: "pages",
        storage: target.storage(),
        what: form.what.to_owned(),
        connections: form.connections,
        entries: options.entries,
        requests_per_second: measured.rate(),
        p50_ms: measured.quantile_ms(0.5),
        p99_ms: measured.quantile_ms(0.99),
        max_ms: measured.quantile_ms(1.0),
        bytes_per_answer: measured.answer_bytes as f64 / measured.requests as f64,
        server_cores: (after.cpu_seconds - before.cpu_seconds) / measured.elapsed.as_secs_f64(),
        server_rss_mib: after.rss_peak_bytes as f64 / f64::from(1 << 20),
        bare_requests_per_second: bare,
        of_bare: measured.rate() / bare,
    })
}

fn line(figures: &Figures) -> String {
    format!(
        "{:>26}, {:>2} connections: {:>6.0}/s  p50 {:.2} ms  p99 {:.2}  at most {:.0}  {:.0} bytes each  server {:.2} cores, {:.0} MiB  {:.2} of a bare handler's {:.0}/s",
        figures.what,
        figures.connections,
        figures.requests_per_second,
        figures.p50_ms,
        figures.p99_ms,
        figures.max_ms,
        figures.bytes_per_answer,
        figures.server_cores,
        figures.server_rss_mib,
        figures.of_bare,
        figures.bare_requests_per_second,
    )
}

/// What a handler that sends this very answer from memory reaches, in a process of its own.
fn bare_rate(form: &Form, answer: &Path, time: Duration, runtime: &Runtime) -> anyhow::Result<f64> {
    let bare = Server::bare_like(answer)?;
    let asks = vec![Ask::Page("/".to_owned()); 5_000_000];
    let load = runtime.block_on(load(&bare.address, form.connections, asks, time))?;
    Ok(load.rate())
}

/// Publishes a record every now and then, until it is aborted.
async fn publish_now_and_then(labs: Arc<Labs>, address: String) -> anyhow::Result<()> {
    let mut connection = Connection::open(&address).await?;
    let mut ticks = tokio::time::interval(PUBLICATION);
    loop {
        ticks.tick().await;
        connection.publish(labs.one_more()).await?;
    }
}

/// Waits until the newest record is found.
async fn wait_for_catalogue(server: &Server) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut connection = Connection::open(&server.address).await?;
    loop {
        let log: serde_json::Value = serde_json::from_slice(&connection.get("/api/v1/log").await?)?;
        let known = connection.get("/api/v1/statistics").await;
        let known: serde_json::Value =
            serde_json::from_slice(&known.unwrap_or_default()).unwrap_or_default();
        if known["records"] == log["size"] {
            eprintln!(
                "the catalogue has it {:.0} s later",
                begun.elapsed().as_secs_f64()
            );
            return Ok(());
        }
        ensure!(
            begun.elapsed() < CATALOGUE_TIME_MAX,
            "the catalogue stays behind"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
