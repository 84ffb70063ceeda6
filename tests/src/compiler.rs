//! The compiler of rules in tests that drive parts of the engine.

use operators::rule::{compiler::Compiler, interpret::Interpret};

/// A compiler that interprets the rules that `STRATEYE_INTERPRET` names, as the program does.
pub fn compiler() -> Compiler {
    let named = std::env::var("STRATEYE_INTERPRET");
    Compiler::new(named.map_or(Interpret::None, |text| Interpret::parse(&text)))
}
