//! Changes of the rule book, as the register orders them and every process applies them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    compile::compile,
    compiler::CompilerInput,
    crowd::{Crowd, Departed},
    lineage::{Lineage, Successor},
};
use crate::{
    document::{fault::Faults, spec::Rule},
    model::{field::Fields, ids::BookGeneration},
};

/// Change set: rules changed together; takes effect at one epoch on all workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// Generation of the book after this change; each is one more than the last.
    pub generation: BookGeneration,
    /// The changes, at most one per rule.
    pub changes: Vec<RuleChange>,
}

/// A change of one rule in the book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RuleChange {
    /// Puts the rule into the book as given: published, edited, paused or resumed.
    Put(Box<Published>),
    /// Removes the rule from the book: retired or quarantined. Its state is dropped.
    Remove {
        /// The rule.
        rule_id: String,
    },
}

impl RuleChange {
    /// The rule concerned.
    pub fn rule_id(&self) -> &str {
        match self {
            RuleChange::Put(published) => &published.rule_id,
            RuleChange::Remove { rule_id } => rule_id,
        }
    }
}

/// A rule in force, as it is sent to all processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The rule's id.
    pub rule_id: String,
    /// Its version.
    pub version: u64,
    /// The document as JSON, its crowd left out.
    pub document: Arc<str>,
    /// Members of the crowd; `None` for everybody.
    pub crowd: Option<Crowd>,
    /// The instant it was first published, unix ms; edits keep it.
    pub publish: i64,
    /// Number of the current pause, from 1; `None` while the rule is online.
    pub pause: Option<u64>,
    /// Pauses whose events do not count.
    pub skipped: BTreeSet<u64>,
    /// Versions at which the rule's states began.
    pub lineage: Lineage,
    /// People who left its crowd.
    pub departed: Vec<Departed>,
    /// Stored calculators that the rule names, by name.
    pub scripts: BTreeMap<String, String>,
}

impl Published {
    /// Makes a rule as first published at `publish` (unix ms) with this version: no crowd, not paused.
    ///
    /// # Errors
    /// If the document does not compile.
    pub fn first(
        document: &str,
        version: u64,
        publish: i64,
        scripts: BTreeMap<String, String>,
    ) -> Result<Self, Faults> {
        let plan = compile(Arc::new(Rule::parse(document)?), publish, &mut Fields::default(), &scripts)?;
        Ok(Published {
            rule_id: plan.id().to_owned(),
            version,
            document: document.into(),
            crowd: None,
            publish,
            pause: None,
            skipped: BTreeSet::new(),
            lineage: Lineage::first(&plan, version),
            departed: Vec::new(),
            scripts,
        })
    }

    /// Input from which every process compiles the rule.
    pub fn compiler_input(&self) -> CompilerInput {
        CompilerInput {
            document: Arc::clone(&self.document),
            publish: self.publish,
            scripts: self.scripts.clone(),
        }
    }

    /// Lineage of the version that follows while this one is in force, see [`Lineage::next`].
    pub fn next_lineage(&self, successor: &Successor<'_>) -> Lineage {
        // Lineages stored by former releases leave out the rule-level state that a departure gives a rule.
        let rule_level = self.lineage.rule_level || !self.departed.is_empty();
        Lineage { rule_level, ..self.lineage.clone() }.next(successor)
    }
}
