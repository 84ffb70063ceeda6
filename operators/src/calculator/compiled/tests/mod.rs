//! Compiled equals interpreted: the built-in scripts, random scripts, and every part of the language.

mod builtins;
mod contract;
mod draw;
mod expressions;
mod mutants;
mod pair;
mod random;
mod scripts;
