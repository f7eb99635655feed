//! One file for each command.

pub mod checkpoint;
pub mod diff;
pub mod export;
pub mod keygen;
pub mod lineage;
pub mod list;
pub mod log;
pub mod manual;
pub mod oms;
mod parents;
mod preview;
pub mod proof;
pub mod prove;
pub mod publish;
pub mod publisher;
pub mod release;
pub mod schema;
pub mod show;
pub mod tensors;
pub mod verify;
pub mod withdraw;
