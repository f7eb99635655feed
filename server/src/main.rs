//! `candor-server`: make a log, and run it.

use std::fs::{self, File, Permissions};
use std::io::IsTerminal as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use candor_core::merkle::CompactRange;
use candor_core::note::{Checkpoint, LogKey, NoteSigner, Origin, VerifierKey};
use candor_core::record::{PublicKey, SignedRecord};
use candor_server::accept::Registration;
use candor_server::config::{DataFolder, DataOptions, RegistrationSetting, ServeOptions, Settings};
use candor_server::http::{self, Log};
use candor_server::last_signed::LastSigned;
use candor_server::log_key;
use candor_server::metrics::Metrics;
use candor_server::open_files;
use candor_server::sequencer::{Sequencer, SequencerParts};
use candor_server::serve::serve;
use candor_server::storage::sqlite::Sqlite;
use candor_server::storage::{LogIdentity, Storage as _};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

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
    /// Sign a publisher's registration as the operator, and print it ready to be published
    Admit {
        #[command(flatten)]
        data: DataOptions,
        /// The envelope from `candor publisher register --request FILE`
        file: PathBuf,
    },
    /// Print the description of the HTTP API (`OpenAPI` 3.1)
    Openapi,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Init { data, origin } => init(&data, origin),
        Command::Serve { data, serve } => run(&data, &serve),
        Command::Admit { data, file } => admit(&data, &file),
        Command::Openapi => {
            let text = http::openapi()
                .to_pretty_json()
                .expect("the description is JSON");
            print(&text);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, reason = "what the command was asked for")]
fn print(text: &str) {
    println!("{text}");
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
    let folder = Settings::resolve(data, &ServeOptions::default())?.data;
    if folder.database().exists() || folder.log_key().exists() {
        bail!(
            "there is a log in {} already, and it is left as it is",
            folder.path().display()
        );
    }
    let parent = match folder.path().parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    // Made aside and put in place in one step, so that there is never half a log.
    let aside = tempfile::Builder::new()
        .prefix(".candor-init-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .with_context(|| parent.display().to_string())?;
    let key = make_log(&DataFolder::new(aside.path()), origin)?;
    fs::rename(aside.path(), folder.path()).with_context(|| {
        format!(
            "the log's folder {} could not be put in place: it must not exist yet, or be empty",
            folder.path().display()
        )
    })?;
    // Its content has moved, so there is nothing left to remove.
    let _ = aside.keep();
    sync_folder(parent)?;
    print(&key.to_string());
    Ok(())
}

/// Makes the files of a new, empty log in `folder`, on stable storage.
fn make_log(folder: &DataFolder, origin: Origin) -> anyhow::Result<VerifierKey> {
    let secret = log_key::create(&folder.log_key())?;
    log_key::create(&folder.operator_key())?;
    let key = VerifierKey::new(origin.to_key_name(), secret.verifying_key());
    let signer = NoteSigner::new(origin.to_key_name(), secret);
    let identity = LogIdentity {
        origin,
        key: key.clone(),
    };
    runtime()?.block_on(Sqlite::create(&folder.database(), &identity))?;
    let empty = Checkpoint::sign(CompactRange::empty().head(), &signer);
    LastSigned::create(&folder.last_signed(), &empty.to_string())?;
    sync_folder(folder.path())?;
    Ok(key)
}

/// Puts the names of a folder's files on stable storage.
fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| folder.display().to_string())
}

fn admit(data: &DataOptions, file: &PathBuf) -> anyhow::Result<()> {
    let folder = Settings::resolve(data, &ServeOptions::default())?.data;
    let operator = log_key::read(&folder.operator_key())?;
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    // The operator's word is for a new name and keys that were proven, and for nothing else.
    let record = SignedRecord::parse(&bytes)
        .with_context(|| file.display().to_string())?
        .verify(None)
        .with_context(|| format!("{} is no registration", file.display()))?;
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
    let mut envelope = record.envelope().clone();
    envelope.add_signature(&operator)?;
    print(&serde_json::to_string_pretty(&envelope.to_json())?);
    Ok(())
}

fn run(data: &DataOptions, serve: &ServeOptions) -> anyhow::Result<()> {
    let settings = Settings::resolve(data, serve)?;
    start_logging(settings.log_json);
    // Two servers on one file would sign two histories. The lock is held until the process ends.
    let _lock = lock(&settings.data)?;
    runtime()?.block_on(run_until_stopped(settings))
}

fn start_logging(json: bool) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}

fn lock(folder: &DataFolder) -> anyhow::Result<File> {
    if !folder.database().exists() {
        bail!(
            "there is no log in {}; make one with: candor-server init --data {} --origin ORIGIN",
            folder.path().display(),
            folder.path().display()
        );
    }
    let path = folder.lock();
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    if file.try_lock().is_err() {
        bail!(
            "another candor-server runs the log in {}; stop it first",
            folder.path().display()
        );
    }
    Ok(file)
}

async fn run_until_stopped(settings: Settings) -> anyhow::Result<()> {
    let connections_max = open_files::connections_max()?;
    let storage = Sqlite::open(&settings.data.database()).await?;
    let identity = storage.identity().await?;
    let signer = NoteSigner::new(
        identity.origin.to_key_name(),
        log_key::read(&settings.data.log_key())?,
    );
    if *signer.verifier_key() != identity.key {
        bail!(
            "{} is not the key of the log {}: the database names {}",
            settings.data.log_key().display(),
            identity.origin,
            identity.key
        );
    }
    let registration = match settings.registration {
        RegistrationSetting::Open => Registration::Open,
        RegistrationSetting::Approved => {
            let operator = log_key::read(&settings.data.operator_key())?;
            Registration::Approved(Box::new(PublicKey::new(operator.verifying_key())?))
        }
    };
    let (stop, stopping) = watch::channel(false);
    let metrics = Arc::new(Metrics::new());
    let parts = SequencerParts {
        storage: Arc::new(storage.for_sequencer()),
        signer,
        last_signed: LastSigned::open(
            settings.data.last_signed(),
            &LogKey::from(identity.key.clone()),
        )?,
        operator: registration.operator().cloned(),
        queue_max: settings.queue_max,
        metrics: Arc::clone(&metrics),
    };
    let (sequencer, mut task) = Sequencer::start(parts, stopping.clone()).await?;
    let released = sequencer.released();
    let request_time_max = settings.request_time_max;
    let log = Arc::new(Log {
        identity,
        storage: Arc::new(storage.clone()),
        sequencer,
        registration,
        metrics,
        request_time_max,
    });
    // Before anybody can know that the server runs: until then, a signal just ends the process.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| settings.listen.to_string())?;
    let address = listener.local_addr()?;
    info!(
        origin = %log.identity.origin,
        tree.size = released.head.size.get(),
        connections.max = connections_max,
        "serving"
    );
    print(&format!("listening on http://{address}"));

    let serving = tokio::spawn(serve(
        listener,
        http::router(log),
        connections_max,
        stopping,
    ));
    let ended = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        ended = &mut task => Some(ended),
    };
    stop.send_replace(true);
    // The sequencer answers everyone who waits, so that their connections can end.
    let ended = match ended {
        Some(ended) => ended,
        None => task.await,
    };
    serving.await?;
    storage.close().await;
    if let Err(error) = ended? {
        error!(%error, "the sequencer could not go on");
        bail!("the log can't go on: {error}");
    }
    Ok(())
}
