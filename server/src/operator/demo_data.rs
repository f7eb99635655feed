//! `candor-server demo-data`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use candor_core::note::{LogKey, Origin, VerifierKey};
use candor_core::record::{Kind, ReleaseName};
use candor_server::catalogue::{Follower, Opened, Place};
use candor_server::config::{DataOptions, Settings};
use candor_server::demo_data::{
    Content, Filled, MODEL_RELEASE, OpenLog, RELEASE_TO_VERIFY, Sources,
};
use candor_server::init;
use candor_server::last_signed::LastSigned;
use candor_server::metrics::Metrics;
use candor_server::recent::Recent;
use candor_server::releases::Released;
use candor_server::sequencer::{Sequencer, SequencerParts};
use candor_server::signer::{RemoteSigner, Signer};
use candor_server::storage::{LogIdentity, Storage};
use clap::Args;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Meter, resolve};
use crate::{Away, lock, open_storage, print, runtime, signer};

/// What the file says that marks a log as a demonstration.
const DEMONSTRATION: &str = "candor-server demo-data made this log: anybody can make the keys of its publishers.\nPages and the server say so as long as this file is here.\n";

/// A step of deriving the catalogue that takes longer than this is left to the server.
const STEP_TIME_MAX: Duration = Duration::from_mins(1);

#[derive(Args)]
pub(crate) struct DemoDataOptions {
    #[command(flatten)]
    data: DataOptions,
    /// What the log is called
    #[arg(long, default_value = "example.org/candor-demo")]
    origin: Origin,
    /// A folder with what labs published of OPT and Pythia, in place of the examples that the program brings: opt/ and
    /// pythia/, as in facebookresearch/metaseq (projects/OPT) and EleutherAI/pythia
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// A model's folder, as the Hugging Face hub has them, which becomes a release with its real files
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// Which release the model's folder becomes
    #[arg(long, value_name = "RELEASE", requires = "model", default_value = MODEL_RELEASE)]
    model_as: ReleaseName,
    /// Add so many records of made-up labs, for measuring
    #[arg(long, value_name = "N", default_value_t = 0)]
    records: u64,
}

/// Makes a log and fills it.
pub(crate) fn demo_data(options: &DemoDataOptions) -> anyhow::Result<()> {
    let settings = resolve(&options.data)?;
    // Before anything is made: what can't be read leaves nothing behind.
    let content = Content::read(&Sources {
        from: options.from.clone(),
        model: options
            .model
            .clone()
            .map(|folder| (folder, options.model_as.clone())),
        further_records: options.records,
    })?;
    let runtime = runtime()?;
    let remote = settings.signer.as_deref();
    let remote = remote.map(RemoteSigner::connect).transpose()?;
    let remote = remote.as_ref().map(|signer| signer as &dyn Signer);
    let init = init::init(
        &settings.data,
        settings.database.as_ref(),
        options.origin.clone(),
        remote,
    );
    let key = runtime.block_on(init)?;
    // Before anything is in it, so that no log is there that does not say what it is.
    let marker = settings.data.demonstration();
    std::fs::write(&marker, DEMONSTRATION)
        .with_context(|| format!("{} can't be written", marker.display()))?;
    let _lock = lock(&settings.data)?;
    let filled = runtime
        .block_on(fill(&settings, content))
        .map_err(|error| {
            let data = settings.data.path().display();
            error.context(format!(
                "the log in {data} is there and only half filled: remove it, and begin anew"
            ))
        })?;
    print(&told(&filled, &key, options, &settings));
    Ok(())
}

async fn fill(settings: &Settings, content: Content) -> anyhow::Result<Filled> {
    let storage = open_storage(settings).await?;
    let identity = storage.identity().await?;
    let recent = Arc::new(Recent::of(Arc::clone(&storage)));
    let parts = SequencerParts {
        storage: Arc::clone(&storage).for_writing(),
        recent: Arc::clone(&recent),
        signer: signer(settings, &identity, Away::IsAnError)?,
        static_part: None,
        operator: None,
        queue_max: settings.queue_max,
        metrics: Arc::new(Metrics::new()),
    };
    let key = LogKey::from(identity.key.clone());
    let last_signed = LastSigned::open(settings.data.last_signed(), &key)?;
    let (stop, stopping) = watch::channel(false);
    let (sequencer, task) = Sequencer::start(parts, last_signed, stopping).await?;
    let log = OpenLog::new(Arc::clone(&storage), recent, sequencer);
    let meter = Meter::new("published");
    let filled = content
        .publish(&log, &|done, total| meter.show(done, total))
        .await;
    drop(meter);
    let released = log.releases();
    if filled.is_ok() {
        derive(settings, &storage, identity, released).await?;
    }
    stop.send_replace(true);
    let ended = task.await?;
    storage.close().await;
    drop(log);
    // Whoever waited was told less than the sequencer knows.
    ended?;
    Ok(filled?)
}

/// Derives the catalogue, so that the first look finds all of it. What is missing then, a server derives.
async fn derive(
    settings: &Settings,
    storage: &Arc<dyn Storage>,
    identity: LogIdentity,
    released: watch::Receiver<Arc<Released>>,
) -> anyhow::Result<()> {
    let size = released.borrow().head.size.get();
    let opened = Opened::default();
    let follower = Follower {
        place: Place::of(settings),
        opened: opened.clone(),
        storage: Arc::clone(storage),
        identity,
        released,
    };
    let (stop, stopping) = watch::channel(false);
    let follower = tokio::spawn(follower.run(stopping));
    if let Some(catalogue) = opened.get().await {
        let meter = Meter::new("derived");
        let mut sizes = catalogue.sizes();
        loop {
            let derived = *sizes.borrow_and_update();
            meter.show(derived, size);
            let is_behind = derived < size;
            if !is_behind || timeout(STEP_TIME_MAX, sizes.changed()).await.is_err() {
                break;
            }
        }
    }
    stop.send_replace(true);
    follower.await?;
    Ok(())
}

/// What there is, and what to do with it.
fn told(
    filled: &Filled,
    key: &VerifierKey,
    options: &DemoDataOptions,
    settings: &Settings,
) -> String {
    let kinds: Vec<String> = Kind::ALL
        .iter()
        .filter_map(|kind| Some(format!("{} {kind}", filled.records.get(kind)?)))
        .collect();
    let data = settings.data.path().display();
    // Addresses of databases may have passwords in them: the one that was given is for who gave it.
    let database = options
        .data
        .database
        .as_ref()
        .map_or("", |_| " --database URL");
    let listen = settings.listen;
    format!(
        "{} records: {}\nAll publishers have demonstration keys, which anybody can make.\n\nlook at it: candor-server serve --data {data}{database}\n            then open http://{listen}/\nverify it:  export CANDOR_LOG=http://{listen} CANDOR_LOG_KEY={key}\n            candor verify {RELEASE_TO_VERIFY}",
        filled.count(),
        kinds.join(", "),
    )
}
