//! `candor-server webhook list`

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use candor_core::note::LogKey;
use candor_server::config::{DataOptions, Settings};
use candor_server::storage::postgres::Postgres;
use candor_server::storage::sqlite::Sqlite;
use candor_server::storage::{OutboxRow, Storage};
use candor_server::webhooks::Webhook;

use super::resolve;
use crate::{print, require_log, runtime};

/// Says how far each webhook has come: those in the settings, and those that once were.
pub(crate) fn list(data: &DataOptions) -> anyhow::Result<()> {
    let settings = resolve(data)?;
    require_log(&settings)?;
    let (key, size, rows) = runtime()?.block_on(async {
        let storage: Arc<dyn Storage> = match &settings.database {
            Some(url) => Arc::new(Postgres::open(url).await?),
            // What statements are found by would take as long to load as the log is large.
            None => Arc::new(Sqlite::open_damaged(&settings.data.database()).await?),
        };
        let key = LogKey::from(storage.identity().await?.key);
        let size = storage.head().await?.size.get();
        let rows = storage.outbox().webhooks().await?;
        storage.close().await;
        anyhow::Ok((key, size, rows))
    })?;
    let now = SystemTime::now();
    print(&format!("signed with {}", key.to_webhook_key()));
    for row in &rows {
        let webhook = settings.webhooks.iter().find(|it| it.name == row.webhook);
        print(&line(row, webhook, size, now));
    }
    for webhook in new_ones(&settings, &rows) {
        print(&format!(
            "{}: {}, new: it begins when a server runs with it",
            webhook.name, webhook.url
        ));
    }
    Ok(())
}

fn new_ones<'a>(
    settings: &'a Settings,
    rows: &'a [OutboxRow],
) -> impl Iterator<Item = &'a Webhook> {
    let is_new = |webhook: &&Webhook| rows.iter().all(|row| row.webhook != webhook.name);
    settings.webhooks.iter().filter(is_new)
}

/// Of an address no more than its host: the rest may be a secret.
fn line(row: &OutboxRow, webhook: Option<&Webhook>, size: u64, now: SystemTime) -> String {
    let place = webhook.map_or_else(
        || "not in the settings".to_owned(),
        |webhook| webhook.url.to_string(),
    );
    let progress = &row.progress;
    let behind = size.saturating_sub(progress.next.get());
    let mut line = format!(
        "{}: {place}, began at entry {}, next is {} of {size}, {behind} behind",
        row.webhook, row.first, progress.next
    );
    if let Some(server) = &row.server {
        let short: String = server.chars().take(8).collect();
        let _ = write!(line, ", told by server {short}");
    }
    if progress.attempts > 0 {
        let why = progress.error.as_deref().unwrap_or("nobody knows why");
        let next = next_try(progress.retry_ms, now);
        let _ = write!(
            line,
            ", failed {} times in a row, {next}: {why}",
            progress.attempts
        );
    }
    line
}

fn next_try(retry_ms: Option<i64>, now: SystemTime) -> String {
    let at = retry_ms.and_then(|ms| u64::try_from(ms).ok());
    let at = at.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
    match at.filter(|at| *at > now) {
        Some(at) => format!("again at {}", humantime::format_rfc3339_seconds(at)),
        None => "again now".to_owned(),
    }
}
