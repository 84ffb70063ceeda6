//! Index of text predicates on one field: one automaton for all needles, sets for regular expressions.

use aho_corasick::AhoCorasick;
use hashbrown::HashMap;
use regex::RegexSet;

use super::predicate::TextPosition;

/// Needles as one automaton, and the units that look for each.
#[derive(Clone, Debug)]
pub(super) struct Needles {
    automaton: AhoCorasick,
    /// Required position and unit, by needle.
    units: Vec<Vec<(TextPosition, u32)>>,
}

impl Needles {
    /// Builds the automaton; `None` without needles. If it cannot be built, the error holds all units.
    pub(super) fn new(needles: Vec<(TextPosition, Box<str>, u32)>) -> Result<Option<Needles>, Vec<u32>> {
        if needles.is_empty() {
            return Ok(None);
        }
        let mut positions: HashMap<&str, usize> = HashMap::new();
        let mut units: Vec<Vec<(TextPosition, u32)>> = Vec::new();
        for (place, needle, unit) in &needles {
            let at = *positions.entry(needle).or_insert(units.len());
            if at == units.len() {
                units.push(Vec::new());
            }
            units[at].push((*place, *unit));
        }
        let mut patterns = vec![""; units.len()];
        positions.into_iter().for_each(|(needle, at)| patterns[at] = needle);
        match AhoCorasick::new(patterns) {
            Ok(automaton) => Ok(Some(Needles { automaton, units })),
            Err(_) => Err(needles.into_iter().map(|(_, _, unit)| unit).collect()),
        }
    }

    /// Calls `hit` with every place whose needle occurs in the text, possibly more than once.
    pub(super) fn find(&self, text: &str, hit: &mut impl FnMut(u32)) {
        for found in self.automaton.find_overlapping_iter(text) {
            for (place, unit) in &self.units[found.pattern().as_usize()] {
                let right = match place {
                    TextPosition::Anywhere => true,
                    TextPosition::Start => found.start() == 0,
                    TextPosition::End => found.end() == text.len(),
                };
                if right {
                    hit(*unit);
                }
            }
        }
    }
}

/// Regular expressions, in as few sets as their size allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    sets: Vec<(RegexSet, Vec<Vec<u32>>)>,
}

impl Patterns {
    /// Builds the sets. The units returned are those whose pattern is too large for any set.
    pub(super) fn new(patterns: Vec<(Box<str>, u32)>) -> (Patterns, Vec<u32>) {
        let mut positions: HashMap<Box<str>, usize> = HashMap::new();
        let mut distinct: Vec<(Box<str>, Vec<u32>)> = Vec::new();
        for (pattern, unit) in patterns {
            let at = *positions.entry(pattern.clone()).or_insert(distinct.len());
            if at == distinct.len() {
                distinct.push((pattern, Vec::new()));
            }
            distinct[at].1.push(unit);
        }
        let (mut built, mut left) = (Patterns::default(), Vec::new());
        built.add(&distinct, &mut left);
        (built, left)
    }

    fn add(&mut self, patterns: &[(Box<str>, Vec<u32>)], left: &mut Vec<u32>) {
        match RegexSet::new(patterns.iter().map(|(pattern, _)| pattern)) {
            _ if patterns.is_empty() => {}
            Ok(set) => self.sets.push((set, patterns.iter().map(|(_, units)| units.clone()).collect())),
            Err(_) if patterns.len() == 1 => left.extend(&patterns[0].1),
            Err(_) => {
                let (a, b) = patterns.split_at(patterns.len() / 2);
                self.add(a, left);
                self.add(b, left);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Calls `hit` with every place whose pattern matches the text.
    pub(super) fn find(&self, text: &str, hit: &mut impl FnMut(u32)) {
        for (set, units) in &self.sets {
            for pattern in set.matches(text).iter() {
                units[pattern].iter().for_each(|unit| hit(*unit));
            }
        }
    }
}
