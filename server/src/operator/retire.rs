//! `candor-server retire`

use std::sync::Arc;

use anyhow::{Context as _, bail};
use candor_core::note::{LogKey, NextLog, Retirement};
use candor_server::config::{DataOptions, ServeOptions, Settings};
use candor_server::last_signed::LastSigned;
use candor_server::metrics::Metrics;
use candor_server::static_part::{Files, Location, Place, StaticPart};
use candor_server::upkeep;
use clap::Args;

use crate::{Away, lock, note, open_storage, print, require_log, runtime, signer};

#[derive(Args)]
pub(crate) struct RetireOptions {
    #[command(flatten)]
    data: DataOptions,
    /// The key of the log that follows: the next shard, made with `candor-server init`
    #[arg(
        long,
        value_name = "KEY",
        requires = "next_url",
        required_unless_present = "without_next"
    )]
    next_key: Option<LogKey>,
    /// Where that log answers: a server of it must be up, and is asked for its checkpoint
    #[arg(long, value_name = "URL", requires = "next_key")]
    next_url: Option<String>,
    /// The log ends, and is followed by none
    #[arg(long, conflicts_with_all = ["next_key", "next_url"])]
    without_next: bool,
    /// The log's static part, which shows the last checkpoint then
    #[arg(long, env = "CANDOR_STATIC_PART", value_name = "FOLDER|URL")]
    static_part: Option<Location>,
}

pub(crate) fn retire(options: &RetireOptions) -> anyhow::Result<()> {
    let serve = ServeOptions {
        static_part: options.static_part.clone(),
        ..ServeOptions::default()
    };
    let settings = Settings::resolve(&options.data, &serve)?;
    require_log(&settings)?;
    let _lock = lock(&settings.data)?;
    let next = match (&options.next_key, &options.next_url) {
        (Some(key), Some(url)) => Some(NextLog::new(key.clone(), url)?),
        _ => None,
    };
    let retired = runtime()?.block_on(async {
        if let Some(next) = &next {
            require_next(next).await?;
        }
        let storage = open_storage(&settings).await?;
        let identity = storage.identity().await?;
        let key = LogKey::from(identity.key.clone());
        let mut last_signed = LastSigned::open(settings.data.last_signed(), &key)?;
        let mut static_part = match &settings.static_part {
            Some(location) => Some(StaticPart::open(location, key, Arc::new(Metrics::new()))?),
            None => None,
        };
        let retired = upkeep::retire(
            storage.as_ref(),
            signer(&settings, &identity, Away::IsAnError)?.as_ref(),
            &mut last_signed,
            static_part.as_mut(),
            Retirement { next },
        )
        .await;
        storage.close().await;
        anyhow::Ok(retired?)
    })?;
    note(&format!(
        "the log ends with {} entries; start its servers again, so that people can go on reading it. Its last checkpoint:",
        retired.entries
    ));
    print(retired.checkpoint.trim_end());
    Ok(())
}

/// What is signed now stays for good, so a slip of the hand is found before.
async fn require_next(next: &NextLog) -> anyhow::Result<()> {
    let place = Place::Web(next.url().to_owned());
    let found = Files::open(&place, &next.key).await.with_context(|| {
        format!(
            "the next log does not answer as it should, and nothing was closed: is its server up at {}, and its key {}?",
            next.url(),
            next.key
        )
    })?;
    if found.checkpoint().retirement.is_some() {
        bail!("the next log is retired itself, and nothing was closed");
    }
    Ok(())
}
