//! What people send who want to do harm: ambiguous requests, floods, bombs, and text that is meant for somebody else.
//!
//! Not here: requests that are only wrong (`bad_input`), and what a stranger can take of memory and time (`strangers`).

mod bombs;
mod floods;
mod paths;
mod smuggling;
mod texts;
