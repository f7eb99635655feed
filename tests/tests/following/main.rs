//! Whoever follows a log: listeners, webhooks and badges.

mod badges;
mod events;
mod receivers;
mod webhooks;
mod world;
