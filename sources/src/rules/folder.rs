//! Rules from a folder, in which every `*.json` is an online rule and every `*.json.paused` a paused one, or
//! from one single file.
//!
//! A poll lists the folder and compares each file's stamp (times, length, inode); only files whose stamp
//! changed are read, and only files whose content changed make a change. The rules in force follow from the
//! files in the order of their names:
//!
//! - a rule belongs to the first file that names it; a second one is unreadable until the first is gone;
//! - a renamed file is the same rule, so pausing and resuming by renaming keeps its state;
//! - a hidden gap file written during a pause sets the treatment of the pause's events; one that existed
//!   before belongs to an earlier pause;
//! - a file that becomes unreadable keeps its rule in force with the document read before;
//! - a file that is gone removes its rule at the second poll that misses it: an editor that writes by
//!   renaming, or a rename while the folder is listed, must not cost a rule its state;
//! - an unreadable file whose rule was never read is reported as removed in the same way.
//!
//! Hidden files, folders, and names with other endings are ignored. Links are followed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::{OsStr, OsString},
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    Change, RuleChange, RuleSource,
    document::{self, Unreadable},
    listing::{ReadError, SETTLED, Stamp, gap, gap_stamp, list, read, stamp, status_of},
};

use crate::SourceError;
use operators::document::{
    lifecycle::{Gap, Status},
    put::Put,
    text::{DocumentDigest, DocumentText, Texts},
};

/// Watches a folder of rules, or one file.
#[derive(Debug)]
pub struct FolderRules {
    folder: PathBuf,
    /// Name of the file, if a single file is watched.
    only: Option<OsString>,
    files: BTreeMap<OsString, Seen>,
    in_force: HashMap<String, InForce>,
    /// Unreadable files whose rule is unknown and that the last poll missed.
    missed: Vec<OsString>,
    /// A decision is pending that no change of a stamp will trigger.
    unfinished: bool,
}

/// State of a file as last read.
#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    since: Instant,
    settled: bool,
    content: Option<DocumentDigest>,
    claim: Option<Claim>,
    problem: Option<String>,
    /// The reason last passed on.
    reported: Option<String>,
}

/// The rule a file holds, or held when it was last readable.
#[derive(Clone, Debug)]
struct Claim {
    rule_id: String,
    digest: DocumentDigest,
}

/// A rule as last passed on.
#[derive(Debug)]
struct InForce {
    file: OsString,
    digest: DocumentDigest,
    status: Status,
    /// For a paused rule: stamp of its gap file when the pause was first seen.
    gap: Option<Stamp>,
    missed: bool,
}

impl FolderRules {
    /// Watches `path`, a folder or one file of any name.
    ///
    /// # Errors
    /// If there is nothing at `path`.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Open { path: path.to_owned(), source };
        let (folder, only) = if fs::metadata(path).map_err(failed)?.is_dir() {
            (path.to_owned(), None)
        } else {
            let name = path.file_name().ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?;
            (path.parent().unwrap_or(Path::new("")).to_owned(), Some(name.to_owned()))
        };
        Ok(FolderRules {
            folder,
            only,
            files: BTreeMap::new(),
            in_force: HashMap::new(),
            missed: Vec::new(),
            unfinished: true,
        })
    }

    /// Reads the files whose stamps changed and returns their documents.
    fn refresh(&mut self) -> Result<HashMap<OsString, DocumentText>, SourceError> {
        let listed = match &self.only {
            None => list(&self.folder)
                .map_err(|source| SourceError::Folder { path: self.folder.clone(), source })?,
            Some(name) => {
                let path = self.folder.join(name);
                let stamp =
                    stamp(fs::metadata(&path)).map_err(|source| SourceError::Open { path, source })?;
                stamp.into_iter().map(|stamp| (name.clone(), stamp)).collect()
            }
        };
        let before = self.files.len();
        let gone = self.files.iter().filter(|(name, _)| !listed.contains_key(*name));
        let unknown = gone.filter(|(_, seen)| seen.reported.is_some() && seen.claim.is_none());
        self.missed = unknown.map(|(name, _)| name.clone()).collect();
        self.files.retain(|name, _| listed.contains_key(name));
        self.unfinished |= self.files.len() != before;
        let (mut names, mut texts) = (Vec::new(), Texts::default());
        for (name, stamp) in listed {
            if self.files.get(&name).is_some_and(|seen| seen.stamp == stamp && seen.settled) {
                continue;
            }
            if let Some(document) = self.look(&name, stamp) {
                names.push(name);
                texts.push(&document);
            }
        }
        Ok(names.into_iter().zip(Vec::from(texts)).collect())
    }

    /// Reads one file; returns its document if it differs from the last one read.
    fn look(&mut self, name: &OsStr, stamp: Stamp) -> Option<DocumentText> {
        let read = match read(&self.folder.join(name)) {
            Ok(document) => Ok(DocumentText::from(document)),
            // Deleted since the folder was listed; the next poll handles it.
            Err(ReadError::File(error)) if error.kind() == ErrorKind::NotFound => return None,
            Err(ReadError::File(error)) => {
                Err(Unreadable(format!("cannot be read: {error}; check its permissions")))
            }
            Err(ReadError::Content(unreadable)) => Err(unreadable),
        };
        let now = Instant::now();
        let seen = self.files.entry(name.to_owned()).or_insert_with(|| Seen {
            stamp,
            since: now,
            settled: false,
            content: None,
            claim: None,
            problem: None,
            reported: None,
        });
        if seen.stamp != stamp {
            (seen.stamp, seen.since) = (stamp, now);
        }
        seen.settled = now.duration_since(seen.since) > SETTLED || stamp.is_old();
        let content = read.as_ref().ok().map(DocumentText::digest);
        if content.is_some() && content == seen.content {
            return None;
        }
        seen.content = content;
        self.unfinished = true;
        match read.and_then(|document| Ok((document::rule_id(&document)?, document))) {
            Ok((rule_id, document)) => {
                seen.problem = None;
                seen.claim = content.map(|digest| Claim { rule_id, digest });
                Some(document)
            }
            Err(Unreadable(reason)) => {
                seen.problem = Some(reason);
                None
            }
        }
    }

    /// Assigns each rule to its file; other files that name the rule are marked unreadable with the reason.
    fn owners(&mut self) -> (BTreeMap<OsString, String>, HashMap<OsString, String>) {
        let mut first: HashMap<String, OsString> = HashMap::new();
        let mut duplicates = HashMap::new();
        for (name, seen) in &mut self.files {
            let Some(Claim { rule_id, .. }) = &seen.claim else { continue };
            let owns = self.in_force.get(rule_id).is_some_and(|rule| rule.file == *name);
            if let Some(other) = first.get(rule_id) {
                duplicates.insert(
                    name.clone(),
                    format!(
                        "rule `{rule_id}` is also in {}, which comes first; give one of them another `rule_id` or delete it",
                        self.folder.join(other).display()
                    ),
                );
            }
            if seen.problem.is_some() && (!owns || first.contains_key(rule_id)) {
                // The rule of its former content can no longer be read, and is not in force either.
                seen.claim = None;
            } else {
                first.entry(rule_id.clone()).or_insert_with(|| name.clone());
            }
        }
        (first.into_iter().map(|(rule_id, name)| (name, rule_id)).collect(), duplicates)
    }

    fn remove(&mut self, owners: &BTreeMap<OsString, String>, changes: &mut Vec<RuleChange>) {
        let owned: HashSet<&String> = owners.values().collect();
        let (files, folder, unfinished) = (&self.files, &self.folder, &mut self.unfinished);
        self.in_force.retain(|rule_id, rule| {
            if owned.contains(rule_id) {
                rule.missed = false;
                return true;
            }
            if !rule.missed && !files.contains_key(&rule.file) {
                rule.missed = true;
                *unfinished = true;
                return true;
            }
            changes.push(RuleChange {
                origin: folder.join(&rule.file).display().to_string(),
                change: Change::Remove { rule_id: Some(rule_id.clone()) },
            });
            false
        });
        changes.sort_by(|a, b| a.rule_id().cmp(&b.rule_id()));
    }

    /// Passes on a rule unless it is in force with the content of its file.
    fn put(
        &mut self,
        name: &OsStr,
        rule_id: String,
        fresh: Option<DocumentText>,
        changes: &mut Vec<RuleChange>,
    ) {
        let Some(seen) = self.files.get_mut(name) else { return };
        let (Some(claim), in_force) = (&mut seen.claim, self.in_force.get(&rule_id)) else { return };
        if seen.problem.is_some() {
            // The file keeps the rule that it held before, with the document in force.
            claim.digest = in_force.map_or(claim.digest, |rule| rule.digest);
            return;
        }
        let digest = claim.digest;
        let path = self.folder.join(name);
        let status = status_of(name);
        let same = in_force.is_some_and(|rule| rule.digest == digest && rule.status == status);
        let mended = seen.reported.is_some();
        if !same || mended {
            let document = fresh.or_else(|| read(&path).ok().map(DocumentText::from));
            let Some(document) = document.filter(|document| document.digest() == digest) else {
                // It changed since it was read: read it again at the next poll.
                seen.settled = false;
                self.unfinished = true;
                return;
            };
            let gap = match in_force {
                Some(rule) if rule.status != Status::Paused => Gap::Replay,
                Some(rule) if rule.gap == gap_stamp(&self.folder, &rule_id) => Gap::Replay,
                // A gap file from before this source started may belong to this pause.
                _ => gap(&self.folder, &rule_id),
            };
            let put = Put { rule_id: rule_id.clone(), document, status, version: None, gap };
            changes.push(RuleChange { origin: path.display().to_string(), change: Change::Put(put) });
        }
        let gap = match in_force {
            Some(rule) if rule.status == Status::Paused => rule.gap,
            _ if status == Status::Paused => gap_stamp(&self.folder, &rule_id),
            _ => None,
        };
        self.in_force.insert(rule_id, InForce { file: name.to_owned(), digest, status, gap, missed: false });
    }

    fn report(&mut self, mut duplicates: HashMap<OsString, String>, changes: &mut Vec<RuleChange>) {
        for (name, seen) in &mut self.files {
            let trouble = seen.problem.clone().or_else(|| duplicates.remove(name));
            if seen.reported == trouble {
                continue;
            }
            seen.reported.clone_from(&trouble);
            if let Some(reason) = trouble {
                let origin = self.folder.join(name).display().to_string();
                let rule_id = seen.claim.as_ref().map(|claim| claim.rule_id.clone());
                changes.push(RuleChange { origin, change: Change::Unreadable { rule_id, reason } });
            }
        }
    }
}

impl RuleSource for FolderRules {
    fn poll(&mut self) -> Result<Vec<RuleChange>, SourceError> {
        let missed = self.missed.clone();
        let mut documents = self.refresh()?;
        let mut changes: Vec<RuleChange> = missed
            .into_iter()
            .filter(|name| !self.files.contains_key(name))
            .map(|name| RuleChange {
                origin: self.folder.join(name).display().to_string(),
                change: Change::Remove { rule_id: None },
            })
            .collect();
        if std::mem::take(&mut self.unfinished) {
            let (owners, duplicates) = self.owners();
            self.remove(&owners, &mut changes);
            for (name, rule_id) in owners {
                let document = documents.remove(&name);
                self.put(&name, rule_id, document, &mut changes);
            }
            self.report(duplicates, &mut changes);
        }
        Ok(changes)
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
