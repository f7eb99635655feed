//! The command line, used as people use it: the real `candor` against a real log, judged by its exit codes,
//! its words and its files.

mod ci_examples;
mod doubting;
mod exporting;
mod fetching;
mod folders;
mod following;
mod hashing;
mod hostile;
mod imports;
mod keys;
mod lineage;
mod memory;
mod oms;
mod parts;
mod policy;
mod previewing;
mod publishing;
mod reports;
mod settings;
mod showing;
mod surface;
mod tensors;
mod verifying;
mod verifying_by_digest;
mod withdrawing;
