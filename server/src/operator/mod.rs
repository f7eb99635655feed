//! The commands that look after a log: `fsck`, `rebuild`, `backup`, `restore`, `export`, `import`, `retire` and `webhook`,
//! and `demo-data`, which makes one to look at.

mod demo_data;
mod retire;
pub(crate) mod webhooks;

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use candor_core::note::{LogKey, VerifierKey};
use candor_server::config::{DataOptions, ServeOptions, Settings};
use candor_server::last_signed::{self, LastSigned};
use candor_server::static_part::{Files, Location, Place};
use candor_server::storage::postgres::{Postgres, PostgresSnapshots};
use candor_server::storage::snapshot::Snapshots;
use candor_server::storage::sqlite::{Sqlite, SqliteSnapshots};
use candor_server::storage::{LogIdentity, Storage, close_with};
use candor_server::upkeep::{self, Fsck, FsckReport, Restore};
use candor_signer::key_file;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{lock, note, open_storage, print, require_log, runtime};

pub(crate) use demo_data::{DemoDataOptions, demo_data};
pub(crate) use retire::{RetireOptions, retire};

/// How often a line says how far it is, where nobody watches.
const LINE_PAUSE: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(crate) struct FsckOptions {
    #[command(flatten)]
    data: DataOptions,
    /// Check a log that is files instead: a static part, an export or a mirror, in a folder, in a bucket
    /// (`s3://bucket/prefix`) or behind a web server (`https://…`)
    #[arg(long, value_name = "FOLDER|URL")]
    files: Option<Place>,
    /// The log's key, where no data folder of it is here
    #[arg(long, env = "CANDOR_LOG_KEY", value_name = "KEY")]
    key: Option<VerifierKey>,
    /// Where to keep what is derived meanwhile, some 500 bytes for each entry [default: the system's folder for such
    /// files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RestoreOptions {
    #[command(flatten)]
    data: DataOptions,
    /// The folder that `backup` made
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    /// Where to take entries that the copy lacks: the log's static part, a mirror, or an export
    #[arg(long, value_name = "FOLDER|URL")]
    entries_from: Option<Place>,
    /// The static part of the log: people have seen the checkpoint there
    #[arg(long, env = "CANDOR_STATIC_PART", value_name = "FOLDER|URL")]
    static_part: Option<Location>,
    /// A file with a checkpoint that somebody has seen, such as a client keeps; can be given several times
    #[arg(long, value_name = "FILE")]
    seen: Vec<PathBuf>,
    /// Nobody can have seen more of the log than the copy has and the other flags say
    #[arg(long)]
    nothing_else_was_seen: bool,
}

#[derive(Args)]
pub(crate) struct ImportOptions {
    #[command(flatten)]
    data: DataOptions,
    /// Where the log is: what `export` wrote, a static part or a mirror
    #[arg(long, value_name = "FOLDER|URL")]
    from: Place,
    /// The log's key; if left out, that of log-key.pem in the data folder
    #[arg(long, env = "CANDOR_LOG_KEY", value_name = "KEY")]
    key: Option<VerifierKey>,
    /// Nobody can have seen more of the log than is there
    #[arg(long)]
    nothing_else_was_seen: bool,
}

/// Says how far something is: as a bar where somebody watches, else as a line now and then.
struct Meter {
    verb: &'static str,
    begun: Instant,
    bar: Option<ProgressBar>,
    said: Mutex<Instant>,
}

impl Meter {
    fn new(verb: &'static str) -> Self {
        let style = ProgressStyle::with_template(
            "{msg} {bar:30} {human_pos} of {human_len} entries, {per_sec}, {eta} left",
        );
        let bar = std::io::stderr().is_terminal().then(|| {
            ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr())
                .with_style(style.expect("the template is right"))
                .with_message(verb)
        });
        Self {
            verb,
            begun: Instant::now(),
            bar,
            said: Mutex::new(Instant::now()),
        }
    }

    fn show(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            if done == total {
                bar.finish_and_clear();
            }
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() < LINE_PAUSE {
            return;
        }
        *said = Instant::now();
        let rate = done / self.begun.elapsed().as_secs().max(1);
        let left = total.saturating_sub(done) / rate.max(1);
        let verb = self.verb;
        note(&format!(
            "{verb} {done} of {total} entries, {rate}/s, {left} s left"
        ));
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn resolve(data: &DataOptions) -> anyhow::Result<Settings> {
    Ok(Settings::resolve(data, &ServeOptions::default())?)
}

async fn open_snapshots(settings: &Settings) -> anyhow::Result<Box<dyn Snapshots>> {
    Ok(match &settings.database {
        Some(url) => Box::new(PostgresSnapshots::open(url).await?),
        None => Box::new(SqliteSnapshots::open(&settings.data.database()).await?),
    })
}

/// `candor-server fsck`
pub(crate) fn fsck(options: &FsckOptions) -> anyhow::Result<ExitCode> {
    let settings = resolve(&options.data)?;
    let scratch = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let meter = Meter::new("checked");
    let progress = |done, total| meter.show(done, total);
    let begun = Instant::now();
    let (what, report) = runtime()?.block_on(async {
        if let Some(place) = &options.files {
            let identity = identity_of(place, options.key.as_ref(), &settings).await?;
            let mut files = Files::open(place, &LogKey::from(identity.key.clone())).await?;
            let head = files.checkpoint().head;
            let fsck = Fsck::begin(&identity, Some(head), &scratch).await?;
            let report = fsck.files(&mut files, &progress).await?;
            return anyhow::Ok((place.to_string(), report));
        }
        require_log(&settings)?;
        let source = open_snapshots(&settings).await?;
        let identity = source.identity().await?;
        let key = LogKey::from(identity.key.clone());
        // Before the database, which may get ahead of it.
        let (signed, _) = last_signed::newest_in(&settings.data.last_signed(), &key)?;
        let fsck = Fsck::begin(&identity, Some(signed.head), &scratch).await?;
        let report = fsck.database(source.as_ref(), &progress).await?;
        Ok((place_of(&settings), report))
    })?;
    drop(meter);
    Ok(show_report(
        &what,
        &report,
        begun.elapsed(),
        options,
        &settings,
    ))
}

fn place_of(settings: &Settings) -> String {
    match &settings.database {
        Some(url) => url.to_string(),
        None => settings.data.database().display().to_string(),
    }
}

fn show_report(
    what: &str,
    report: &FsckReport,
    took: Duration,
    options: &FsckOptions,
    settings: &Settings,
) -> ExitCode {
    let mut text = String::new();
    for flaw in &report.flaws {
        let _ = writeln!(text, "{flaw}");
    }
    if report.further > 0 {
        let _ = writeln!(text, "and {} more", report.further);
    }
    let FsckReport {
        entries, documents, ..
    } = report;
    let _ = write!(
        text,
        "{what}: {entries} entries with their signatures, {documents} attachments"
    );
    let what_else = match options.files {
        Some(_) => "tiles and checkpoint",
        None => "tiles, views and what was signed",
    };
    let seconds = took.as_secs_f64();
    if report.flaws.is_empty() {
        let _ = write!(text, ", {what_else}: all is as it must be ({seconds:.1} s)");
        print(&text);
        return ExitCode::SUCCESS;
    }
    let _ = write!(text, " were checked in {seconds:.1} s; ");
    if !report.complete {
        let _ = write!(text, "what is behind them was not. ");
    }
    let is_derived = report.flaws.iter().all(upkeep::Flaw::is_derived);
    let data = settings.data.path().display();
    let database = match settings.database {
        Some(_) => " --database URL",
        None => "",
    };
    let _ = match (is_derived, &options.files) {
        (true, None) => write!(
            text,
            "All that is wrong can be derived from the entries: stop the server, and run: candor-server rebuild --data {data}{database}"
        ),
        (_, Some(place)) => write!(
            text,
            "The database of this log, if it is well, writes what is wrong here again: candor-server static-part write --data DIR --static-part {place}"
        ),
        (false, None) if settings.database.is_some() => write!(
            text,
            "This can't be derived from the entries: stop the servers, restore a copy by Postgres' own tools, and take what it lacks from where the log was published: candor-server import --data {data}{database} --from FOLDER|URL"
        ),
        (false, None) => write!(
            text,
            "This can't be derived from the entries: stop the server, and restore a copy, which takes what it lacks from this database, as far as that is well: candor-server restore --data {data} --from BACKUP"
        ),
    };
    print(&text);
    ExitCode::from(1)
}

/// `candor-server rebuild`
pub(crate) fn rebuild(data: &DataOptions) -> anyhow::Result<()> {
    let settings = resolve(data)?;
    require_log(&settings)?;
    let _lock = lock(&settings.data)?;
    let meter = Meter::new("derived");
    let progress = |done, total| meter.show(done, total);
    let rebuilt = runtime()?.block_on(async {
        let source = open_snapshots(&settings).await?;
        let key = LogKey::from(source.identity().await?.key);
        let (signed, _) = last_signed::newest_in(&settings.data.last_signed(), &key)?;
        let storage: Arc<dyn Storage> = match &settings.database {
            Some(url) => Arc::new(Postgres::open(url).await?),
            None => Arc::new(Sqlite::open_damaged(&settings.data.database()).await?),
        };
        let rebuilt =
            upkeep::rebuild(storage.as_ref(), source.as_ref(), signed.head, &progress).await;
        storage.close().await;
        anyhow::Ok(rebuilt?)
    })?;
    drop(meter);
    let mut text = format!(
        "{}: tiles and views of {} entries were derived again, as they were signed",
        place_of(&settings),
        rebuilt.head.size
    );
    if rebuilt.wrong_statements > 0 {
        let _ = write!(
            text,
            "; {} digests of statements were wrong",
            rebuilt.wrong_statements
        );
    }
    if rebuilt.head_was_wrong {
        text.push_str("; the tree on record was another one");
    }
    print(&text);
    Ok(())
}

/// `candor-server backup`
pub(crate) fn backup(data: &DataOptions, to: &Path) -> anyhow::Result<()> {
    let settings = resolve(data)?;
    require_log(&settings)?;
    if settings.database.is_some() {
        bail!(
            "a log in Postgres is backed up by Postgres' own tools (pg_basebackup, or pg_dump), or as files, which can be taken in anywhere: candor-server export --to {}",
            to.display()
        );
    }
    let copied = runtime()?.block_on(upkeep::backup(&settings.data, to))?;
    print(&format!(
        "{} has a copy of {} entries, which were read once, and the checkpoint of {}; log-key.pem and operator-key.pem are not in it: keep copies of those elsewhere, once and for all",
        to.display(),
        copied.entries,
        copied.signed
    ));
    Ok(())
}

/// `candor-server restore`
pub(crate) fn restore(options: &RestoreOptions) -> anyhow::Result<()> {
    let settings = resolve(&options.data)?;
    if settings.database.is_some() {
        bail!(
            "a copy of log.db is restored into a data folder; a log in Postgres is restored by Postgres' own tools, or taken in from files: candor-server import"
        );
    }
    let data = &settings.data;
    if !data.path().is_dir() {
        bail!(
            "{} is not there: make the folder, and put log-key.pem, operator-key.pem and, if there is one, last-signed into it",
            data.path().display()
        );
    }
    let _lock = lock(data)?;
    let meter = Meter::new("taken in");
    let progress = |done, total| meter.show(done, total);
    let plan = Restore {
        from: options.from.clone(),
        entries_from: options.entries_from.clone(),
        shown_at: options
            .static_part
            .iter()
            .cloned()
            .map(Place::Files)
            .collect(),
        seen: options.seen.clone(),
        nothing_else_was_seen: options.nothing_else_was_seen,
    };
    let restored = runtime()?.block_on(upkeep::restore(data, &plan, &progress))?;
    drop(meter);
    let mut text = format!(
        "{} has {} entries again: {} from the copy",
        data.path().display(),
        restored.entries,
        restored.copied
    );
    let own = restored.with_own.get() - restored.copied.get();
    if own > 0 {
        let _ = write!(text, ", {own} from the database that was there");
    }
    if let Some(place) = &options.entries_from {
        let others = restored.entries.get() - restored.with_own.get();
        let _ = write!(text, ", and {others} from {place}");
    }
    if let Some(replaced) = &restored.replaced {
        let _ = write!(
            text,
            "; the database that was there is {}",
            replaced.display()
        );
    }
    print(&text);
    if !data.names_key() {
        note("put log-key.pem and operator-key.pem back before the server is started");
    }
    Ok(())
}

/// `candor-server export`
pub(crate) fn export(data: &DataOptions, to: &Location) -> anyhow::Result<()> {
    let settings = resolve(data)?;
    require_log(&settings)?;
    to.check_apart(settings.data.path())?;
    runtime()?.block_on(async {
        let source = open_snapshots(&settings).await?;
        let key = LogKey::from(source.identity().await?.key);
        // Never more than was signed is shown.
        let (checkpoint, text) = last_signed::newest_in(&settings.data.last_signed(), &key)?;
        let storage = open_storage(&settings).await?;
        let written = upkeep::export(storage.as_ref(), source.as_ref(), to, &checkpoint, &text);
        let report = written.await?;
        storage.close().await;
        print(&format!(
            "{to} has the log's {} entries, tiles, attachments and checkpoint as files: {} objects were there, {} are new, {} were damaged and are written again",
            checkpoint.head.size, report.as_they_were, report.new, report.mended
        ));
        Ok(())
    })
}

/// `candor-server import`
pub(crate) fn import(options: &ImportOptions) -> anyhow::Result<()> {
    let settings = resolve(&options.data)?;
    let data = &settings.data;
    if !data.path().is_dir() {
        bail!(
            "{} is not there: make the folder, for its owner alone, and put log-key.pem and operator-key.pem of the log into it",
            data.path().display()
        );
    }
    let _lock = lock(data)?;
    let meter = Meter::new("taken in");
    let progress = |done, total| meter.show(done, total);
    let imported = runtime()?.block_on(async {
        let identity = identity_of(&options.from, options.key.as_ref(), &settings).await?;
        let key = LogKey::from(identity.key.clone());
        let mut files = Files::open(&options.from, &key).await?;
        let checkpoint = files.checkpoint().clone();
        let kept = data.last_signed().exists();
        if !kept && !options.nothing_else_was_seen {
            bail!(
                "nothing says how far this log had come: {} is not there. Copy it from the folder that the log was in, once its server is stopped; where that is lost, put the newest checkpoint that anybody has there under that name (a client keeps it as `checkpoint` in ~/.local/state/candor); only where nobody can have seen more than is in {}, or for a copy that never goes on as the log: --nothing-else-was-seen",
                data.last_signed().display(), options.from
            );
        }
        if kept {
            let (signed, _) = last_signed::newest_in(&data.last_signed(), &key)?;
            if signed.head.size > checkpoint.head.size {
                bail!(
                    "{} has {} entries, and this log has signed a tree of {} ({}): name a place that has all of them",
                    options.from, checkpoint.head.size, signed.head.size, data.last_signed().display()
                );
            }
        }
        let storage = open_or_make(&settings, &identity).await?;
        let text = files.text().to_owned();
        let imported = upkeep::import(storage.as_ref(), &mut files, &progress).await?;
        if kept {
            // It may be of another history than what was signed here.
            let last_signed = LastSigned::open(data.last_signed(), &key)?;
            last_signed.check(storage.as_ref(), imported.after).await?;
        } else {
            storage.settle().await?;
            LastSigned::create(&data.last_signed(), &text)?;
        }
        // A log that is closed there is closed here.
        if checkpoint.retirement.is_some() && storage.ending().await?.is_none() {
            close_with(storage.as_ref(), &checkpoint).await?;
        }
        storage.close().await;
        Ok(imported)
    })?;
    drop(meter);
    print(&format!(
        "{} has {} entries, {} of them from {}",
        place_of(&settings),
        imported.after.size,
        imported.after.size.get() - imported.before.size.get(),
        options.from
    ));
    if !data.names_key() {
        note(
            "put log-key.pem and operator-key.pem into the data folder before the server is started",
        );
    }
    Ok(())
}

/// The database that a log is taken in to: there already, or made for it.
async fn open_or_make(
    settings: &Settings,
    identity: &LogIdentity,
) -> anyhow::Result<Arc<dyn Storage>> {
    let storage: Arc<dyn Storage> = if let Some(url) = &settings.database {
        if Postgres::identity_at(url).await?.is_none() {
            Postgres::create(url, identity).await?;
        }
        Arc::new(Postgres::open(url).await?)
    } else {
        let database = settings.data.database();
        if !database.exists() {
            // Whole, or not there.
            let making = settings.data.path().join("log.db.making");
            let _ = std::fs::remove_file(&making);
            Sqlite::create(&making, identity).await?;
            std::fs::rename(&making, &database).with_context(|| database.display().to_string())?;
        }
        Arc::new(Sqlite::open(&database).await?)
    };
    require_same(&storage.identity().await?, identity)?;
    Ok(storage)
}

fn require_same(found: &LogIdentity, wanted: &LogIdentity) -> anyhow::Result<()> {
    if found == wanted {
        return Ok(());
    }
    bail!(
        "the database holds the log {}, and {} should be taken in",
        found.key,
        wanted.key
    )
}

/// Which log is at `place`: the one of `key`, or of the data folder, or whose secret key is there.
async fn identity_of(
    place: &Place,
    key: Option<&VerifierKey>,
    settings: &Settings,
) -> anyhow::Result<LogIdentity> {
    let identity = |key: VerifierKey| LogIdentity {
        origin: LogKey::from(key.clone()).origin(),
        key,
    };
    if let Some(key) = key {
        return Ok(identity(key.clone()));
    }
    if (settings.database.is_some() || settings.data.database().exists())
        && let Ok(source) = open_snapshots(settings).await
    {
        return Ok(source.identity().await?);
    }
    let unknown = || {
        format!(
            "which log's key should what is in {place} be signed with? Say it with --key; people have it from `candor-server init`, or from /api/v1/log"
        )
    };
    if !settings.data.log_key().exists() {
        bail!(unknown());
    }
    let secret = key_file::read(&settings.data.log_key())?;
    // The name is the one that stands there: if it is not the log's, its signature does not hold.
    let text = Files::unverified_checkpoint(place).await?;
    let text = text.with_context(|| format!("{place} has no file `checkpoint`"))?;
    let origin = String::from_utf8_lossy(&text);
    let origin = origin.lines().next().unwrap_or_default();
    let name = origin.parse().with_context(unknown)?;
    Ok(identity(VerifierKey::new(name, secret.verifying_key())))
}
