//! A workload's rules, compiled in this process: for the floor, the micro-benches and the workload's own
//! tests.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use operators::{
    document::spec::{self, Rule},
    model::{
        decode::Decoder,
        ids::{BookGeneration, Offset},
        raw::{RawBatch, RawRecord},
        routed::Routed,
    },
    ops::matcher::Matcher,
    rule::{
        book::RuleBook,
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
        crowd::Crowd,
        rows::Rows,
    },
};

use crate::Error;

/// Upper bound of the bytes of rows of crowds, as by default.
const CROWD_ROWS: usize = 256 << 20;

/// Compiled rules as a worker holds them.
#[derive(Debug)]
pub struct Prepared {
    /// The rule book.
    pub book: Arc<RuleBook>,
    /// Crowds of the rules, by slot.
    pub crowds: BTreeMap<u32, Crowd>,
}

impl Prepared {
    /// Compiles documents, given with their names, as published at an instant (unix ms).
    ///
    /// # Errors
    /// If a document does not compile.
    pub fn compile(
        documents: impl IntoIterator<Item = (String, String)>,
        publish: i64,
    ) -> Result<Prepared, Error> {
        let changes = documents
            .into_iter()
            .map(|(name, text)| published(&text, publish).map_err(|reason| Error::Rule { name, reason }))
            .collect::<Result<_, _>>()?;
        let applied = Catalog::default().apply(&ChangeSet { generation: BookGeneration(1), changes });
        if let Some((name, faults)) = applied.rejected.into_iter().next() {
            return Err(Error::Rule { name, reason: faults.to_string() });
        }
        let crowds =
            applied.crowds.into_iter().filter_map(|change| Some((change.slot, change.after?))).collect();
        Ok(Prepared { book: applied.book, crowds })
    }

    /// Compiles the `*.json` documents of a folder.
    ///
    /// # Errors
    /// If the folder can't be read, contains no document, or one that does not compile.
    pub fn of_folder(folder: &Path, publish: i64) -> Result<Prepared, Error> {
        let mut documents = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
            let path = entry.map_err(Error::file("read", folder))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
                documents.insert(path.display().to_string(), text);
            }
        }
        if documents.is_empty() {
            return Err(Error::Usage(format!(
                "{} holds no rules (*.json); make some with `strateye-bench workload`",
                folder.display()
            )));
        }
        Prepared::compile(documents, publish)
    }

    /// A matcher for a replay of one partition.
    pub fn matcher(&self) -> Matcher {
        let mut matcher = Matcher::new(Decoder::default(), Arc::clone(&self.book), false);
        matcher.install(Arc::clone(&self.book), self.crowds.clone().into_iter().collect());
        matcher.use_rows(Rows::default().changed(&self.crowds, CROWD_ROWS).ok().map(Arc::new));
        matcher
    }

    /// Routed records of these events; lines that are no events are left out.
    pub fn route(&self, lines: impl IntoIterator<Item = Vec<u8>>) -> Routed {
        let mut batch = RawBatch::default();
        for (line, offset) in lines.into_iter().zip((0..).map(Offset)) {
            let start = batch.bytes.len() as u32;
            batch.bytes.extend_from_slice(&line);
            batch.records.push(RawRecord { offset, start, end: batch.bytes.len() as u32, time: None });
        }
        let mut routed = Routed::default();
        self.matcher().batch(&batch, &mut routed, &mut Vec::new());
        routed
    }
}

/// A document in the form the engine's processes receive it: its crowd separate.
fn published(text: &str, publish: i64) -> Result<RuleChange, String> {
    let mut rule = Rule::parse(text).map_err(|faults| faults.to_string())?;
    let crowd = match rule.crowd.take() {
        None => None,
        Some(spec::Crowd::Guids(guids)) => Some(Crowd::listed(guids)),
        Some(spec::Crowd::Bitmap(text)) => {
            Some(Crowd::from_base64(&text).map_err(|error| error.to_string())?)
        }
        Some(spec::Crowd::Profile(_)) => {
            return Err("its crowd asks for profiles, and a workload has none".into());
        }
    };
    let document = serde_json::to_string(&rule).map_err(|error| error.to_string())?;
    let first =
        Published::first(&document, 1, publish, BTreeMap::new()).map_err(|faults| faults.to_string())?;
    Ok(RuleChange::Put(Box::new(Published { crowd, ..first })))
}
