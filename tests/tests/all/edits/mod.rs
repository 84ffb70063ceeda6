//! Effects on running state when a rule is paused, resumed, edited, rolled back or retired, or its crowd
//! changes.
//!
//! Each row of the rule format's table of edits is tested on the engine's own parts. Every story runs in
//! several [ways](scene::WAYS): plainly, and with state swept, saved, or lost and restored after every single
//! step. None of that may change the output.
//!
//! - `scene`: one rule, driven step by step
//! - `versions`, `pauses`, `timers`, `crowds`, `going_live`: the kinds of changes
//! - `random`: random cases against the plain reference
//! - `touches`: random edits that make the touches of keys count, against the plain reference

mod crowds;
mod going_live;
mod pauses;
mod random;
mod scene;
mod timers;
mod touches;
mod versions;
