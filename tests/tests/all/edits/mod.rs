//! What becomes of running state when a rule is paused, resumed, edited, rolled back, retired, or its crowd
//! changes: each row of the rule format's table of edits, on the engine's own parts.
//!
//! Every story is told in several [ways](scene::WAYS): as it is, with state swept, saved, or lost and
//! restored after every single step. None of that may change what comes out.

mod crowds;
mod going_live;
mod pauses;
mod random;
mod scene;
mod timers;
mod versions;
