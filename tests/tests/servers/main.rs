//! Several servers on one Postgres database: one log.

mod failover;
mod making;
mod out_of_reach;
mod sharing;
mod standing_still;
