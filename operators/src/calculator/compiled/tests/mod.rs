//! Compiled equals interpreted: the built-in scripts, random scripts, and every part of the language.

mod aliases;
mod builtins;
mod contract;
mod copies;
mod draw;
mod expressions;
mod mutants;
mod pair;
mod random;
mod scripts;
