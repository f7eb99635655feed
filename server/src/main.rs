//! `candor-server`: make a log, and run it.

mod manual;
mod operator;
mod run;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use candor_core::note::{LogKey, NoteSigner, Origin};
use candor_core::record::SignedRecord;
use candor_server::config::{DataOptions, ServeOptions, Settings};
use candor_server::data_folder::{DataFolder, DataFolderError};
use candor_server::http::{self};
use candor_server::last_signed::{self};
use candor_server::metrics::Metrics;
use candor_server::signer::{RemoteSigner, Signer};
use candor_server::static_part::{Location, StaticPart};
use candor_server::storage::postgres::Postgres;
use candor_server::storage::sqlite::Sqlite;
use candor_server::storage::{LogIdentity, Storage};
use candor_signer::key_file::{self, KeyFileError};
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use ed25519_dalek::SigningKey;

/// A record is made of hundreds of small pieces, which come on one thread and go on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A transparency log for AI models.
#[derive(Parser)]
#[command(name = "candor-server", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new log: its database, its key and the operator's key
    Init {
        #[command(flatten)]
        data: DataOptions,
        /// What the log is called, for good: a URL without its scheme, such as example.org/candor
        #[arg(long)]
        origin: Origin,
    },
    /// Run a log
    Serve {
        #[command(flatten)]
        data: DataOptions,
        #[command(flatten)]
        serve: ServeOptions,
    },
    /// Check all of a log: derive everything from its entries again, and compare; a server may run meanwhile
    ///
    /// Exit code 0: all is as it must be; 1: something is not, and each thing is named; 2: it could not be checked.
    Fsck(operator::FsckOptions),
    /// Derive tiles and views from the entries again, where `fsck` finds these damaged; no server may run
    Rebuild {
        #[command(flatten)]
        data: DataOptions,
    },
    /// Copy the database while a server runs
    Backup {
        #[command(flatten)]
        data: DataOptions,
        /// A folder that is not there yet, or empty
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Put a copy that `backup` made in the place of a lost database; no server may run
    ///
    /// Refused where the log would go on from less than anybody has seen of it: that would fork it.
    Restore(operator::RestoreOptions),
    /// Write the log as files, which can be read, checked and taken in anywhere; a server may run meanwhile
    Export {
        #[command(flatten)]
        data: DataOptions,
        /// A folder that is there, or `s3://bucket/prefix`; what is there already is compared
        #[arg(long, value_name = "FOLDER|URL")]
        to: Location,
    },
    /// Take in a log that is files, or what of it is not here yet; no server may run
    Import(operator::ImportOptions),
    /// Close the log for good, and say where it goes on; no server may run
    ///
    /// Its last checkpoint names the next log and its key, so that clients follow. What is in the log stays, and can be
    /// read and verified.
    Retire(operator::RetireOptions),
    /// Look after the log's static part: plain files that a web server or a CDN serves
    #[command(subcommand)]
    StaticPart(StaticPartCommand),
    /// Look after the log's webhooks, which `--config` names
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Make a new log that is filled with what shows what a registry is for
    ///
    /// Its publishers have keys that anybody can make, and its records say that the labs named there did not publish them: a
    /// log to look at, and to measure with, and no other.
    DemoData(operator::DemoDataOptions),
    /// Sign a publisher's registration as the operator, and print it ready to be published
    Admit {
        #[command(flatten)]
        data: DataOptions,
        /// The envelope from `candor publisher register --request FILE`
        file: PathBuf,
    },
    /// Print the description of the HTTP API (`OpenAPI` 3.1)
    Openapi,
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write all of them
    Man {
        /// Write one page for each command into this folder
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum WebhookCommand {
    /// Say how far each of them has come, and why one does not; a server may run meanwhile
    List {
        #[command(flatten)]
        data: DataOptions,
    },
}

#[derive(Subcommand)]
enum StaticPartCommand {
    /// Write what is missing or damaged there from the database, up to the newest checkpoint that was signed; a server
    /// may run meanwhile
    Write {
        #[command(flatten)]
        data: DataOptions,
        /// A folder, or `s3://bucket/prefix`
        #[arg(long, env = "CANDOR_STATIC_PART", value_name = "FOLDER|URL")]
        static_part: Option<Location>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Fsck(options) => match operator::fsck(&options) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::Rebuild { data } => operator::rebuild(&data),
        Command::Backup { data, to } => operator::backup(&data, &to),
        Command::Restore(options) => operator::restore(&options),
        Command::Export { data, to } => operator::export(&data, &to),
        Command::Import(options) => operator::import(&options),
        Command::Retire(options) => operator::retire(&options),
        Command::Init { data, origin } => init(&data, origin),
        Command::Serve { data, serve } => run::run(&data, &serve),
        Command::StaticPart(StaticPartCommand::Write { data, static_part }) => {
            write_static_part(&data, static_part)
        }
        Command::Webhook(WebhookCommand::List { data }) => operator::webhooks::list(&data),
        Command::DemoData(options) => operator::demo_data(&options),
        Command::Admit { data, file } => admit(&data, &file),
        Command::Openapi => {
            print(&format!("{:#}", http::openapi()));
            Ok(())
        }
        Command::Completions { shell } => verbatim(&manual::completions(shell, Cli::command())),
        Command::Man { dir: None } => manual::page(Cli::command()).and_then(|page| verbatim(&page)),
        Command::Man { dir: Some(dir) } => manual::write_pages(Cli::command(), &dir),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

/// Prints what the command was asked for. Whoever has read enough of it closes the pipe: no error of ours.
fn print(text: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}")
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        complain(&anyhow::Error::new(error).context("standard output"));
    }
}

fn verbatim(bytes: &[u8]) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(bytes)
        .context("standard output")
}

#[expect(clippy::print_stderr, reason = "stdout is what the command makes")]
fn note(text: &str) {
    eprintln!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "the last word of a command that failed"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to run on")
}

fn init(data: &DataOptions, origin: Origin) -> anyhow::Result<()> {
    let settings = Settings::resolve(data, &ServeOptions::default())?;
    let signer = settings.signer.as_deref();
    let signer = signer.map(RemoteSigner::connect).transpose()?;
    let signer = signer.as_ref().map(|signer| signer as &dyn Signer);
    let init =
        candor_server::init::init(&settings.data, settings.database.as_ref(), origin, signer);
    let key = runtime()?.block_on(init)?;
    print(&key.to_string());
    Ok(())
}

fn admit(data: &DataOptions, file: &PathBuf) -> anyhow::Result<()> {
    let settings = Settings::resolve(data, &ServeOptions::default())?;
    let folder = &settings.data;
    if !folder.operator_key().exists() {
        require_log(&settings)?;
    }
    let operator = operator_key(folder)?;
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    // The operator's word is for a new name and keys that were proven, and for nothing else.
    let record = SignedRecord::parse(&bytes)
        .with_context(|| file.display().to_string())?
        .verify(None)
        .with_context(|| format!("{} is no registration", file.display()))?;
    let mut envelope = record.envelope().clone();
    envelope.add_signature(&operator)?;
    let signatures = record.envelope().signatures();
    // The same key signs the same bytes in the same way, each time.
    if signatures
        .iter()
        .any(|it| Some(it) == envelope.signatures().last())
    {
        note(&format!(
            "{} is admitted already",
            record.statement().publisher()
        ));
        print(&serde_json::to_string_pretty(&record.envelope().to_json())?);
        return Ok(());
    }
    note(&format!(
        "admitting {}, with the keys {}",
        record.statement().publisher(),
        record
            .signed_by()
            .iter()
            .map(|key| key.keyid().to_string())
            .collect::<Vec<_>>()
            .join(", ")
    ));
    print(&serde_json::to_string_pretty(&envelope.to_json())?);
    Ok(())
}

fn write_static_part(data: &DataOptions, static_part: Option<Location>) -> anyhow::Result<()> {
    let serve = ServeOptions {
        static_part,
        ..ServeOptions::default()
    };
    let settings = Settings::resolve(data, &serve)?;
    let Some(location) = &settings.static_part else {
        bail!("which static part? Say it with --static-part FOLDER, or s3://bucket/prefix");
    };
    require_log(&settings)?;
    location.check_apart(settings.data.path())?;
    runtime()?.block_on(async {
        let storage = open_storage(&settings).await?;
        let key = LogKey::from(storage.identity().await?.key);
        // What this is of may be on its way into the database's next tree: never more than was signed is shown.
        let (checkpoint, text) = last_signed::newest_in(&settings.data.last_signed(), &key)?;
        let mut static_part = StaticPart::open(location, key, Arc::new(Metrics::new()))?;
        let report = static_part.write_anew(storage.as_ref(), &checkpoint, &text).await?;
        storage.close().await;
        print(&format!(
            "{location} has the tree of {} entries and its checkpoint: beside it, {} objects were there, {} were missing and {} were damaged and are written, {} that full tiles replaced are removed",
            checkpoint.head.size, report.as_they_were, report.new, report.mended, report.removed
        ));
        Ok(())
    })
}

fn require_log(settings: &Settings) -> Result<(), DataFolderError> {
    match settings.database {
        Some(_) => settings.data.require_keys(settings.signer.as_deref()),
        None => settings.data.require_log(),
    }
}

/// What keeps others from writing to a log, for as long as it is held.
struct Locks {
    _folder: File,
    /// The same database may be in two folders, by a link.
    _database: Option<File>,
}

fn lock(folder: &DataFolder) -> anyhow::Result<Locks> {
    let taken = |path: &Path| {
        format!(
            "another candor-server runs the log in {} ({} is locked); stop it first, or give each server a folder of its own where they share a database",
            folder.path().display(),
            path.display()
        )
    };
    let path = folder.lock();
    let in_folder = File::create(&path).with_context(|| path.display().to_string())?;
    if in_folder.try_lock().is_err() {
        bail!(taken(&path));
    }
    // SQLite's own locks are of another kind. They end when any handle of the file is closed, so this one never is before
    // the program ends.
    let path = folder.database();
    let database = match File::open(&path) {
        Ok(file) if file.try_lock().is_err() => bail!(taken(&path)),
        Ok(file) => Some(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    Ok(Locks {
        _folder: in_folder,
        _database: database,
    })
}

async fn open_storage(settings: &Settings) -> anyhow::Result<Arc<dyn Storage>> {
    Ok(match &settings.database {
        Some(database) => Arc::new(Postgres::open(database).await?),
        None => Arc::new(Sqlite::open(&settings.data.database()).await?),
    })
}

/// The key that admits publishers. Another one can take its place.
fn operator_key(data: &DataFolder) -> anyhow::Result<SigningKey> {
    let path = data.operator_key();
    match key_file::read(&path) {
        Err(KeyFileError::Missing { path }) => bail!(
            "{} is missing: restore it from a backup, or make another one, which admits publishers from then on: candor-signer keygen --key {}",
            path.display(),
            path.display()
        ),
        read => Ok(read?),
    }
}

/// What a signer that does not answer means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Away {
    /// The end of the command.
    IsAnError,
    /// It is asked again when there is something to sign.
    IsBorne,
}

/// Who signs: whoever is named, or the key beside the database; with the key that the database names.
fn signer(
    settings: &Settings,
    identity: &LogIdentity,
    away: Away,
) -> anyhow::Result<Arc<dyn Signer>> {
    let data = &settings.data;
    if let Some(socket) = &settings.signer {
        let signer = match RemoteSigner::connect(socket) {
            // Each signature is held against the key.
            Err(error) if away == Away::IsBorne && error.is_out_of_reach() => {
                RemoteSigner::unasked(socket, identity.key.clone())
            }
            connected => connected?,
        };
        if *signer.verifier_key() != identity.key {
            bail!(
                "the signer at {} has the key {}, and the database names {}",
                socket.display(),
                signer.verifier_key(),
                identity.key
            );
        }
        return Ok(Arc::new(signer));
    }
    if !data.log_key().exists() && data.log_key_elsewhere().exists() {
        bail!(
            "a signer has this log's key, as {} says: name its socket with --signer",
            data.log_key_elsewhere().display()
        );
    }
    let signer = NoteSigner::new(
        identity.origin.to_key_name(),
        key_file::read(&data.log_key())?,
    );
    if *signer.verifier_key() != identity.key {
        bail!(
            "{} is not the key of the log {}: the database names {}",
            data.log_key().display(),
            identity.origin,
            identity.key
        );
    }
    Ok(Arc::new(signer))
}
