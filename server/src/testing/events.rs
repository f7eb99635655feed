//! What listeners are sent while storage or release is held up.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::FaultyLog;
use super::objects::{Mood, Objects};
use crate::http::router;
use crate::storage::Storage as _;

/// How long nothing has to come before it counts as nothing.
const NOTHING: Duration = Duration::from_millis(700);

struct Listening(Body);

impl Listening {
    async fn to(log: &FaultyLog, path: &str) -> Self {
        let request = Request::get(path)
            .header(header::HOST, "log")
            .body(Body::empty());
        let router = router(Arc::clone(&log.log));
        let answer = router.oneshot(request.expect("a request")).await;
        let answer = answer.expect("it never fails");
        assert_eq!(answer.status(), StatusCode::OK);
        Self(answer.into_body())
    }

    /// The next piece; none when the stream has ended.
    async fn next(&mut self) -> Option<String> {
        let frame = self.0.frame().await?.expect("it does not break");
        let bytes = frame.into_data().expect("data");
        Some(String::from_utf8(bytes.to_vec()).expect("text"))
    }

    async fn says_nothing(&mut self) {
        let said = tokio::time::timeout(NOTHING, self.next()).await;
        assert!(said.is_err(), "{said:?}");
    }
}

/// Between commit and release, the storage shows what nobody can prove yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_released_is_not_sent() {
    let objects = Arc::new(Objects::default());
    let log = FaultyLog::start_with_static_part(objects.clone()).await;
    let mut listening = Listening::to(&log, "/api/v1/events?after=-1").await;
    assert_eq!(listening.next().await.as_deref(), Some("retry: 2000\n\n"));
    objects.set_objects(Mood::Fails);
    let waits = log.publish("first-lab");
    while log.storage.head().await.expect("a head").size.get() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    listening.says_nothing().await;
    objects.set_objects(Mood::Good);
    let said = listening.next().await.expect("it goes on");
    assert!(said.starts_with("id: 0\nevent: record\n"), "{said}");
    assert_eq!(waits.await.expect("an answer").status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_outlives_a_storage_that_does_not_answer() {
    let log = FaultyLog::start().await;
    let mut listening = Listening::to(&log, "/api/v1/events?after=-1").await;
    listening.next().await;
    log.publish("first-lab").await.expect("an answer");
    assert!(
        listening
            .next()
            .await
            .expect("it goes on")
            .contains("first-lab")
    );
    // The second record is released, and can't be read.
    log.storage.hold_commits(true);
    let waits = log.publish("second-lab");
    log.until_waiting(0).await;
    log.storage.die(true);
    log.storage.hold_commits(false);
    assert_eq!(waits.await.expect("an answer").status, StatusCode::CREATED);
    listening.says_nothing().await;
    log.storage.die(false);
    let said = listening.next().await.expect("it goes on");
    assert!(
        said.starts_with("id: 1\n") && said.contains("second-lab"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_is_let_go_when_the_server_stops_and_its_place_is_free_when_it_goes() {
    let log = FaultyLog::start().await;
    let (first, mut second) = (
        Listening::to(&log, "/api/v1/events").await,
        Listening::to(&log, "/api/v1/events").await,
    );
    let refused = log.get("/api/v1/events").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    insta::assert_snapshot!(refused.problem());
    drop(first);
    Listening::to(&log, "/api/v1/events").await;
    let begun = second.next().await;
    assert_eq!(
        begun.as_deref(),
        Some("retry: 2000\n\nid: -1\nevent: size\ndata: {\"size\":0}\n\n")
    );
    log.stop.send_replace(true);
    assert_eq!(second.next().await, None);
}
