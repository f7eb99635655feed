//! What operators run: `fsck`, `rebuild`, `backup`, `restore`, `export` and `import`, on real logs.

mod flips;
mod moving;
mod rebuilding;
mod restoring;
mod world;
