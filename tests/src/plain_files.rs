//! A folder behind a plain file server, of which nobody told that it is a log.

use std::path::Path;

use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_http::services::ServeDir;

/// A web server that answers with files, for as long as it is kept.
pub struct PlainFiles {
    url: String,
    _runtime: Runtime,
}

impl PlainFiles {
    /// Serves what is in `folder`.
    pub fn serve(folder: &Path) -> Self {
        let runtime = Runtime::new().expect("threads to run on");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let files = Router::new().fallback_service(ServeDir::new(folder));
        runtime.spawn(async move { axum::serve(listener, files).await });
        Self {
            url: format!("http://{address}"),
            _runtime: runtime,
        }
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }
}
