//! A server that speaks S3, and a bucket in it: `s3s-fs`, which keeps objects as files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::Body;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Who may write.
const ACCESS_KEY: &str = "candor-test";

/// How they show it.
const SECRET_KEY: &str = "no-secret-at-all";

/// The bucket's name.
const NAME: &str = "records";

/// Anybody may read, and those with the key may write.
struct PublicReads;

#[async_trait::async_trait]
impl S3Access for PublicReads {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        match context.credentials() {
            Some(_) => Ok(()),
            None if context.s3_op().name() == "GetObject" => Ok(()),
            None => Err(s3_error!(
                AccessDenied,
                "only objects can be read by anybody"
            )),
        }
    }
}

/// How the store fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It does what it is asked.
    Good,
    /// It takes half a second for everything.
    Slow,
    /// It fails, and does nothing.
    Fails,
    /// It does what it is asked, and says that it failed.
    LosesAnswers,
    /// It does what it is asked, and the connection breaks.
    Breaks,
}

/// A bucket, for as long as it is kept.
pub struct Bucket {
    mood: Arc<Mutex<Mood>>,
    endpoint: String,
    folder: PathBuf,
    _runtime: Runtime,
}

impl Bucket {
    /// An empty bucket, whose objects are files somewhere in `folder`.
    pub fn start(folder: &Path) -> Self {
        let objects = folder.join(NAME);
        fs::create_dir_all(&objects).expect("a folder for the bucket");
        let files = FileSystem::new(folder).expect("a folder for objects");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        service.set_access(PublicReads);
        let service = service.build();
        let runtime = Runtime::new().expect("threads to run on");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mood = Arc::new(Mutex::new(Mood::Good));
        let moods = Arc::clone(&mood);
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let service = in_a_mood(service.clone(), Arc::clone(&moods));
                tokio::spawn(async move {
                    let http = Builder::new(TokioExecutor::new());
                    // A client that goes away is no failure of the test.
                    let _ = http
                        .serve_connection(TokioIo::new(connection), service)
                        .await;
                });
            }
        });
        Self {
            mood,
            endpoint: format!("http://{address}"),
            folder: objects,
            _runtime: runtime,
        }
    }

    /// From now on, it fares like this.
    pub fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// The name of a place in it, as `--static-part` takes it.
    pub fn location(&self, prefix: &str) -> String {
        format!("s3://{NAME}/{prefix}")
    }

    /// Where anybody can read what is there.
    pub fn url(&self, prefix: &str) -> String {
        format!("{}/{NAME}/{prefix}", self.endpoint)
    }

    /// The files that its objects are kept as.
    pub fn folder(&self, prefix: &str) -> PathBuf {
        self.folder.join(prefix)
    }

    /// What programs find in their environment who may write to it.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }
}

/// The store as it fares.
fn in_a_mood(
    store: S3Service,
    moods: Arc<Mutex<Mood>>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = io::Error,
    Future = impl Future<Output = io::Result<Response<Body>>> + Send,
> + Clone {
    service_fn(move |request: Request<Incoming>| {
        let mood = *moods.lock().unwrap_or_else(PoisonError::into_inner);
        let store = store.clone();
        async move {
            let failed = || {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            };
            match mood {
                Mood::Fails => return Ok(failed()),
                Mood::Slow => tokio::time::sleep(Duration::from_millis(500)).await,
                Mood::Good | Mood::LosesAnswers | Mood::Breaks => {}
            }
            let answer = store.call(request.map(Body::from)).await;
            match mood {
                Mood::LosesAnswers => Ok(failed()),
                Mood::Breaks => Err(io::Error::other("the connection breaks")),
                Mood::Good | Mood::Slow | Mood::Fails => answer.map_err(io::Error::other),
            }
        }
    })
}
