//! A document with everything that has to be determined before it can be published.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    document::{fault::Faults, spec::Rule},
    rule::{
        compiler::{CompiledRule, Compiler, CompilerInput},
        crowd::Crowd,
    },
};

/// A document that compiles, and its crowd.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The rule, compiled for the instant at which it is first published.
    pub compiled: Arc<CompiledRule>,
    /// Members of the crowd, if the rule has one.
    pub crowd: Option<Crowd>,
}

impl Prepared {
    /// Compiles `rule` as first published at `publish` (unix ms), with the stored calculators it names.
    /// `crowd` are the members of the crowd that the document describes.
    ///
    /// # Errors
    /// Every fault of the document, each with its path. Statements that fail whenever they are reached, and what
    /// exceeds [the limits](Rule::check_limits), are faults of a document to be published, though not of a rule in
    /// force.
    pub fn compile(
        rule: &Rule,
        crowd: Option<Crowd>,
        scripts: BTreeMap<String, String>,
        publish: i64,
        compiler: &Compiler,
    ) -> Result<Self, Faults> {
        rule.check_limits()?;
        let plain = Rule { crowd: None, ..rule.clone() };
        // A parsed document always serializes.
        let document = serde_json::to_string(&plain).unwrap_or_default();
        let compiled = compiler.compile(CompilerInput { document: document.into(), publish, scripts })?;
        compiled.plan().check_statements()?;
        Ok(Prepared { compiled, crowd })
    }
}
