//! What operators run: `fsck`, `rebuild`, `backup`, `restore`, `retire`, `export` and `import`, on real logs, and `demo-data`.

mod demo_data;
mod flips;
mod moving;
mod rebuilding;
mod restoring;
mod retiring;
mod world;
