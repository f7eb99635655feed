//! The static part of a log: what `candor-server` puts in a folder or a bucket, and what others read there.

mod buckets;
mod folders;
mod fsck;
mod reading;
mod servers;
mod world;
