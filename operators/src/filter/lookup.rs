//! Lookups of a value among the probes of many places at once.

use super::{
    access::Probe,
    compare::{Unparsed, spelled},
    equal::Equals,
    texts::{Needles, Patterns},
};
use crate::model::value::Value;

/// Probes of one field, by the places that they lead to.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookup {
    equals: Equals,
    needles: Option<Needles>,
    patterns: Patterns,
}

impl Lookup {
    /// Builds the lookup. The places returned are those whose probes could not be built: they have to be
    /// checked for every value.
    pub(super) fn new(probes: impl IntoIterator<Item = (Probe, u32)>) -> (Lookup, Vec<u32>) {
        let (mut equals, mut needles, mut patterns) = (Equals::default(), Vec::new(), Vec::new());
        for (probe, place) in probes {
            match probe {
                Probe::Equal(literal) => equals.add(literal, place),
                Probe::Text(position, needle) => needles.push((position, needle, place)),
                Probe::Regex(pattern) => patterns.push((pattern, place)),
            }
        }
        let (patterns, mut left) = Patterns::new(patterns);
        let needles = Needles::new(needles).unwrap_or_else(|places| {
            left.extend(places);
            None
        });
        left.sort_unstable();
        left.dedup();
        (Lookup { equals, needles, patterns }, left)
    }

    /// Calls `hit` with every place that a probe of the value leads to, possibly more than once.
    pub(super) fn find(
        &self,
        value: &Value<'_>,
        buffer: &mut String,
        hit: &mut impl FnMut(u32),
    ) -> Result<(), Unparsed> {
        if self.needles.is_some() || !self.patterns.is_empty() {
            let text = spelled(value, buffer);
            if let Some(needles) = &self.needles {
                needles.find(text, hit);
            }
            self.patterns.find(text, hit);
        }
        self.equals.find(value, buffer, hit)
    }
}
