//! `candor-server serve`

use std::env::VarError;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use candor_core::note::LogKey;
use candor_core::record::PublicKey;
use candor_server::accept::Registration;
use candor_server::catalogue;
use candor_server::config::{DataOptions, RegistrationSetting, ServeOptions, Settings};
use candor_server::http::{self, Events, Log, Operations};
use candor_server::last_signed::LastSigned;
use candor_server::limits::Limits;
use candor_server::metrics::Metrics;
use candor_server::open_files;
use candor_server::rates::{self, Rates};
use candor_server::recent::Recent;
use candor_server::sequencer::{Sequencer, SequencerError, SequencerParts};
use candor_server::serve::{Door, serve};
use candor_server::static_part::{Keeping, StaticPart};
use candor_server::tls::Tls;
use candor_server::webhooks::{WebhookParts, Webhooks};
use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::{Away, lock, open_storage, operator_key, print, require_log, runtime, signer};

/// How many connections operators have at a time.
const OPERATOR_CONNECTIONS_MAX: usize = 64;

pub(crate) fn run(data: &DataOptions, serve: &ServeOptions) -> anyhow::Result<()> {
    let settings = Settings::resolve(data, serve)?;
    let traces = start_logging(settings.log_json)?;
    // Two servers on one file would sign two histories, and each server needs a memory of its own. The lock is held until the process ends.
    require_log(&settings)?;
    if let Some(location) = &settings.static_part {
        location.check_apart(settings.data.path())?;
    }
    let _lock = lock(&settings.data)?;
    let ended = runtime()?.block_on(run_until_stopped(settings));
    // What is left is sent; where nobody takes it, nobody misses it.
    if let Some(traces) = traces {
        let _ = traces.shutdown();
    }
    ended
}

/// Log lines, and traces where somebody collects them: by the variables that OpenTelemetry has for that.
fn start_logging(json: bool) -> anyhow::Result<Option<SdkTracerProvider>> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter).with_context(|| {
            format!("RUST_LOG is {filter:?}, and should be like info,sqlx=warn")
        })?,
        Ok(_) | Err(VarError::NotPresent) => EnvFilter::new("info,sqlx=warn"),
        Err(error @ VarError::NotUnicode(_)) => bail!("RUST_LOG: {error}"),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = if json {
        lines.json().boxed()
    } else {
        lines.boxed()
    };
    let collector = traces()?;
    let exported = collector.as_ref().map(|provider| {
        let tracer = provider.tracer("candor-server");
        // Spans of the server's own, and nothing that the lines alone are about.
        let own = Targets::new().with_target("candor_server", LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_filter(own)
    });
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(exported)
        .init();
    Ok(collector)
}

/// Sends traces by OTLP over HTTP, if `OTEL_EXPORTER_OTLP_ENDPOINT` or the same for traces says where to.
fn traces() -> anyhow::Result<Option<SdkTracerProvider>> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !is_set("OTEL_EXPORTER_OTLP_ENDPOINT") && !is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        return Ok(None);
    }
    // Whoever collects may be reached by TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = SpanExporter::builder()
        .with_http()
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
    let name = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "candor-server".to_owned());
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name(name).build())
        .with_batch_exporter(exporter)
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(Some(provider))
}

fn registration(settings: &Settings) -> anyhow::Result<Registration> {
    Ok(match settings.registration {
        RegistrationSetting::Open => Registration::Open,
        RegistrationSetting::Approved => {
            let operator = operator_key(&settings.data)?;
            Registration::Approved(Box::new(PublicKey::new(operator.verifying_key())?))
        }
    })
}

async fn listen(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("the setting {setting}: {address}"))
}

/// Forgets now and then whose buckets are full.
async fn forget(log: Arc<Log>, mut stop: watch::Receiver<bool>) {
    while tokio::time::timeout(rates::FORGET_PAUSE, stop.wait_for(|stop| *stop))
        .await
        .is_err()
    {
        log.rates.forget();
    }
}

/// Where people come in.
struct Doors {
    public: Door,
    operators: Option<Door>,
    tls: Option<Arc<Tls>>,
}

impl Doors {
    async fn open(settings: &Settings, connections_max: usize) -> anyhow::Result<Self> {
        let tls = settings.tls.clone().map(Tls::open).transpose()?;
        let public = Door {
            listener: listen("listen", settings.listen).await?,
            tls: tls.as_ref().map(Tls::acceptor),
            connections_max,
        };
        let operators = match settings.operator_listen {
            Some(address) => Some(Door {
                listener: listen("operator-listen", address).await?,
                tls: None,
                connections_max: OPERATOR_CONNECTIONS_MAX,
            }),
            None => None,
        };
        Ok(Self {
            public,
            operators,
            tls,
        })
    }

    /// Says where they are, and serves behind them until `stop` turns true.
    fn serve(
        self,
        log: &Arc<Log>,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<Vec<JoinHandle<()>>> {
        let mut tasks = vec![tokio::spawn(forget(Arc::clone(log), stop.clone()))];
        if let Some(door) = self.operators {
            let address = door.listener.local_addr()?;
            print(&format!("operators on http://{address}"));
            let router = http::operator_router(Arc::clone(log));
            tasks.push(tokio::spawn(serve(door, router, stop.clone())));
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        if let Some(tls) = self.tls {
            tasks.push(tokio::spawn(tls.follow(stop.clone())));
        }
        let address = self.public.listener.local_addr()?;
        // Comes last: whoever waits for it finds all the rest.
        print(&format!("listening on {scheme}://{address}"));
        let router = http::router(Arc::clone(log));
        tasks.push(tokio::spawn(serve(self.public, router, stop.clone())));
        Ok(tasks)
    }
}

/// What ends the server.
struct Signals([Signal; 3]);

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let kinds = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ];
        let [terminate, interrupt, hangup] = kinds.map(signal);
        Ok(Self([terminate?, interrupt?, hangup?]))
    }

    async fn come(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A log that runs, and what runs with it.
struct Running {
    log: Arc<Log>,
    sequencer: JoinHandle<Result<(), SequencerError>>,
    keeper: Option<Keeping>,
    /// Who keeps the catalogue behind it.
    follower: JoinHandle<()>,
    webhooks: Webhooks,
}

async fn start(
    settings: &Settings,
    connections_max: usize,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<Running> {
    let storage = open_storage(settings).await?;
    let identity = storage.identity().await?;
    let key = LogKey::from(identity.key.clone());
    let signer = signer(settings, &identity, Away::IsBorne)?;
    let registration = registration(settings)?;
    let metrics = Arc::new(Metrics::new());
    let recent = Arc::new(Recent::of(Arc::clone(&storage)));
    let static_part = match &settings.static_part {
        Some(location) => Some(StaticPart::open(
            location,
            key.clone(),
            Arc::clone(&metrics),
        )?),
        None => None,
    };
    let health = static_part.as_ref().map(StaticPart::health);
    let keeper = static_part
        .as_ref()
        .map(|part| part.keeper(Arc::clone(&storage)));
    let parts = SequencerParts {
        storage: Arc::clone(&storage).for_writing(),
        recent: Arc::clone(&recent),
        signer: Arc::clone(&signer),
        static_part,
        operator: registration.operator().cloned(),
        queue_max: settings.queue_max,
        metrics: Arc::clone(&metrics),
    };
    let last_signed = LastSigned::open(settings.data.last_signed(), &key)?;
    let (sequencer, task) = Sequencer::start(parts, last_signed, stop.clone()).await?;
    let keeper = keeper.map(|keeper| keeper.start(sequencer.releases()));
    let catalogue = catalogue::Opened::default();
    let follower = catalogue::Follower {
        place: catalogue::Place::of(settings),
        opened: catalogue.clone(),
        storage: Arc::clone(&storage),
        identity: identity.clone(),
        released: sequencer.releases(),
    };
    let follower = tokio::spawn(follower.run(stop.clone()));
    let parts = WebhookParts {
        storage: Arc::clone(&storage),
        sequencer: sequencer.clone(),
        signer,
        metrics: Arc::clone(&metrics),
    };
    let webhooks = Webhooks::start(parts, &settings.webhooks, stop)?;
    let is_demonstration = settings.data.demonstration().exists();
    if is_demonstration {
        warn!(
            marker = %settings.data.demonstration().display(),
            "this log is a demonstration: anybody can make the keys of its publishers"
        );
    }
    let log = Arc::new(Log {
        identity,
        storage,
        recent,
        catalogue,
        pages: http::Pages::default(),
        sequencer,
        registration,
        limits: Limits::new(),
        static_part: health,
        metrics,
        rates: Rates::new(&settings.rates),
        // Whoever only listens keeps nobody out who asks.
        events: Events::new(
            settings.event_listeners_max.min(connections_max / 2),
            stop.clone(),
        ),
        address_header: settings.address_header.clone().map(|header| header.0),
        operations: match settings.operator_listen {
            Some(_) => Operations::Apart,
            None => Operations::Here,
        },
        is_demonstration,
        request_time_max: settings.request_time_max,
    });
    Ok(Running {
        log,
        sequencer: task,
        keeper,
        follower,
        webhooks,
    })
}

async fn run_until_stopped(settings: Settings) -> anyhow::Result<()> {
    let connections_max = open_files::connections_max()?;
    let (stop, stopping) = watch::channel(false);
    let Running {
        log,
        mut sequencer,
        keeper,
        follower,
        webhooks,
    } = start(&settings, connections_max, &stopping).await?;
    // What the sequencer opened can be used until the end.
    let (storage, until_the_end) = (Arc::clone(&log.storage), log.sequencer.clone());
    // Before anybody can know that the server runs: until then, a signal just ends the process.
    let mut signals = Signals::listen()?;
    let doors = Doors::open(&settings, connections_max).await?;
    info!(
        origin = %log.identity.origin,
        address = %doors.public.listener.local_addr()?,
        static_part = settings.static_part.as_ref().map(tracing::field::display),
        database = settings.database.as_ref().map(tracing::field::display),
        tree.size = log.sequencer.released().head.size.get(),
        retired = log.sequencer.released().retirement().is_some(),
        registration = settings.registration.as_str(),
        connections.max = connections_max,
        webhooks = settings.webhooks.len(),
        "serving"
    );
    let serving = doors.serve(&log, &stopping)?;
    drop(log);
    let ended = tokio::select! {
        () = signals.come() => None,
        ended = &mut sequencer => Some(ended),
    };
    stop.send_replace(true);
    // The sequencer answers everyone who waits, so that their connections can end.
    let ended = match ended {
        Some(ended) => ended,
        None => sequencer.await,
    };
    // Neither waits for readers: other servers go on with the webhooks at once.
    let keeper = async {
        match keeper {
            Some(keeper) => keeper.end().await,
            None => Ok(()),
        }
    };
    let (kept, ()) = tokio::join!(keeper, webhooks.end());
    for task in serving {
        task.await?;
    }
    follower.await?;
    storage.close().await;
    drop(until_the_end);
    if let Err(error) = ended? {
        error!(%error, "the sequencer could not go on");
        bail!("the log can't go on: {error}");
    }
    kept?;
    Ok(())
}
