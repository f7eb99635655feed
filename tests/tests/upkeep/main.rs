//! What operators run: `fsck`, `rebuild`, `backup`, `restore`, `retire`, `export` and `import`, on real logs.

mod flips;
mod moving;
mod rebuilding;
mod restoring;
mod retiring;
mod world;
