//! Several servers on one Postgres database: one log.

mod failover;
mod making;
mod sharing;
mod standing_still;
