//! Whoever follows a log: listeners, webhooks and badges.

mod events;
mod webhooks;
