//! Publishing into a folder of rules: one file per rule, named after it, replaced atomically.
//!
//! Pausing renames `RULE.json` to `RULE.json.paused`; retiring deletes the file. `.RULE.gap` records that a
//! rule was resumed without the events of its pause. At no moment do two files hold one rule. Every call
//! reads the files: a folder is meant for thousands of rules, not millions.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::{
    Published, RuleStore, StoredRule, document,
    listing::{gap_file, names, read, status_of},
    store::id_of,
};
use crate::SourceError;
use operators::document::lifecycle::{Gap, Status};

const PAUSED: &[u8] = b".paused";

/// Writes rules to a folder.
#[derive(Debug)]
pub struct FolderStore {
    folder: PathBuf,
}

impl FolderStore {
    /// Opens the folder, and creates it if it does not exist.
    ///
    /// # Errors
    /// If it can be neither created nor listed.
    pub fn open(folder: &Path) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Folder { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        fs::read_dir(folder).map_err(failed)?;
        Ok(FolderStore { folder: folder.to_owned() })
    }

    fn names(&self) -> Result<Vec<OsString>, SourceError> {
        names(&self.folder).map_err(|source| SourceError::Folder { path: self.folder.clone(), source })
    }

    /// Finds the file that holds a rule, with its document: the first that names the rule.
    fn find(&self, rule_id: &str) -> Result<Option<(OsString, String)>, SourceError> {
        Ok(self.names()?.into_iter().find_map(|name| {
            let document = read(&self.folder.join(&name)).ok()?;
            document::rule_id(&document).is_ok_and(|id| id == rule_id).then_some((name, document))
        }))
    }

    fn get(&self, rule_id: &str) -> Result<(OsString, String), SourceError> {
        self.find(rule_id)?.ok_or_else(|| SourceError::NoSuchRule {
            rule_id: rule_id.to_owned(),
            store: self.folder.display().to_string(),
        })
    }

    /// Renames a rule's file, unless that would overwrite another one.
    fn rename(&self, rule_id: &str, from: &OsStr, to: &OsStr) -> Result<(), SourceError> {
        let (from, to) = (self.folder.join(from), self.folder.join(to));
        if to.exists() {
            let reason = format!(
                "cannot be renamed to {}, which is there already; delete one of the two",
                to.display()
            );
            return Err(SourceError::Conflict { rule_id: rule_id.to_owned(), reason });
        }
        fs::rename(&from, &to).map_err(|source| SourceError::Write { what: "rename", path: from, source })
    }

    fn set_paused(&mut self, rule_id: &str, paused: bool) -> Result<(), SourceError> {
        let (name, _) = self.get(rule_id)?;
        if paused == (status_of(&name) == Status::Paused) {
            return Ok(());
        }
        let other = if paused {
            [name.as_bytes(), PAUSED].concat()
        } else {
            name.as_bytes().strip_suffix(PAUSED).unwrap_or(name.as_bytes()).to_vec()
        };
        self.rename(rule_id, &name, &OsString::from_vec(other))
    }

    /// Deletes the gap file, so that the events of the rule's next pause are replayed.
    fn forget_gap(&self, rule_id: &str) -> Result<(), SourceError> {
        let path = gap_file(&self.folder, rule_id);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(SourceError::Write { what: "delete", path, source })
            }
            _ => Ok(()),
        }
    }

    /// Replaces a file's content in one step.
    fn write(&self, name: &OsStr, document: &str) -> Result<(), SourceError> {
        let path = self.folder.join(name);
        let mut hidden = OsString::from(format!(".{}-", std::process::id()));
        hidden.push(name);
        let hidden = self.folder.join(hidden);
        let written = File::create(&hidden)
            .and_then(|mut file| {
                file.write_all(document.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&hidden, &path));
        written.map_err(|source| {
            // Deletion of the temporary file is best effort: a failure has no remedy.
            drop(fs::remove_file(&hidden));
            SourceError::Write { what: "write", path, source }
        })
    }

    fn stored(&self, name: &OsStr, rule_id: String, status: &str, document: Option<String>) -> StoredRule {
        StoredRule {
            rule_id,
            version: None,
            status: status.to_owned(),
            author: None,
            updated: None,
            state: None,
            origin: self.folder.join(name).display().to_string(),
            document,
        }
    }
}

impl RuleStore for FolderStore {
    fn publish(&mut self, document: &str, _author: &str) -> Result<Published, SourceError> {
        let rule_id = id_of(document)?;
        let found = self.find(&rule_id)?;
        let new = found.is_none();
        let name = found.map_or_else(|| OsString::from(format!("{rule_id}.json")), |(name, _)| name);
        if new && self.folder.join(&name).exists() {
            let reason = format!(
                "cannot be written: {} holds something else; rename that file",
                self.folder.join(&name).display()
            );
            return Err(SourceError::Conflict { rule_id, reason });
        }
        self.write(&name, document)?;
        self.forget_gap(&rule_id)?;
        self.set_paused(&rule_id, false)?;
        let origin = self.folder.join(&name).display().to_string();
        Ok(Published { rule_id, version: None, new, origin: origin.trim_end_matches(".paused").to_owned() })
    }

    fn pause(&mut self, rule_id: &str) -> Result<(), SourceError> {
        self.forget_gap(rule_id)?;
        self.set_paused(rule_id, true)
    }

    fn resume(&mut self, rule_id: &str, gap: Gap) -> Result<(), SourceError> {
        match gap {
            Gap::Replay => self.forget_gap(rule_id)?,
            Gap::Skip => {
                let path = gap_file(&self.folder, rule_id);
                fs::write(&path, gap.as_str()).map_err(|source| SourceError::Write {
                    what: "write",
                    path,
                    source,
                })?;
            }
        }
        self.set_paused(rule_id, false)
    }

    fn retire(&mut self, rule_id: &str) -> Result<(), SourceError> {
        let (name, _) = self.get(rule_id)?;
        let path = self.folder.join(name);
        fs::remove_file(&path).map_err(|source| SourceError::Write { what: "delete", path, source })?;
        self.forget_gap(rule_id)
    }

    fn list(&self) -> Result<Vec<StoredRule>, SourceError> {
        let mut rules = Vec::new();
        for name in self.names()? {
            let document = read(&self.folder.join(&name));
            rules.push(match document.and_then(|document| Ok(document::rule_id(&document)?)) {
                Ok(rule_id) => self.stored(&name, rule_id, status_of(&name).as_str(), None),
                Err(error) => {
                    let mut rule = self.stored(&name, String::new(), "unreadable", None);
                    rule.state = Some(("rejected".to_owned(), error.to_string()));
                    rule
                }
            });
        }
        rules.sort_by(|a, b| (&a.rule_id, &a.origin).cmp(&(&b.rule_id, &b.origin)));
        Ok(rules)
    }

    fn show(&self, rule_id: &str) -> Result<StoredRule, SourceError> {
        let (name, document) = self.get(rule_id)?;
        Ok(self.stored(&name, rule_id.to_owned(), status_of(&name).as_str(), Some(document)))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Change, FolderRules, RuleChange, RuleSource},
        *,
    };

    fn document(rule_id: &str, name: &str) -> String {
        format!(r#"{{"rule_id":"{rule_id}","name":"{name}"}}"#)
    }

    #[test]
    fn a_rule_goes_through_its_life_in_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules");
        let mut store = FolderStore::open(&path).unwrap();
        let published = store.publish(&document("a", "1"), "zhang").unwrap();
        assert!(published.new && published.origin.ends_with("rules/a.json"));
        store.publish(&document("ab", "1"), "zhang").unwrap();
        store.pause("a").unwrap();
        store.pause("a").unwrap();
        assert_eq!(store.show("a").unwrap().status, "paused");
        assert!(path.join("a.json.paused").exists() && !path.join("a.json").exists());
        let published = store.publish(&document("a", "2"), "zhang").unwrap();
        assert!(!published.new && published.origin.ends_with("rules/a.json"));
        let shown = store.show("a").unwrap();
        assert_eq!((shown.status.as_str(), shown.document), ("online", Some(document("a", "2"))));
        store.resume("a", Gap::Replay).unwrap();
        assert_eq!(store.list().unwrap().iter().map(|r| r.rule_id.as_str()).collect::<Vec<_>>(), ["a", "ab"]);
        store.retire("a").unwrap();
        for error in
            [store.show("a").unwrap_err(), store.pause("a").unwrap_err(), store.retire("a").unwrap_err()]
        {
            assert!(error.to_string().starts_with("no rule `a` in "), "{error}");
        }
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        assert!(store.rollback("ab", 1).unwrap_err().to_string().contains("keeps no versions"));
    }

    #[test]
    fn nothing_of_somebody_else_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FolderStore::open(folder.path()).unwrap();
        fs::write(folder.path().join("a.json"), document("b", "1")).unwrap();
        fs::write(folder.path().join("x.json"), "not JSON").unwrap();
        let error = store.publish(&document("a", "1"), "").unwrap_err().to_string();
        assert!(error.contains("holds something else"), "{error}");
        assert!(store.publish("{}", "").is_err() && store.publish(r#"{"rule_id":"../a"}"#, "").is_err());
        store.publish(&document("b", "2"), "").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("a.json")).unwrap(), document("b", "2"));
        fs::write(folder.path().join("a.json.paused"), "").unwrap();
        assert!(store.pause("b").unwrap_err().to_string().contains("delete one of the two"));
        let listed = store.list().unwrap();
        assert_eq!(listed.iter().filter(|rule| rule.status == "unreadable").count(), 2);
    }

    #[test]
    fn a_gap_is_of_one_pause() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FolderStore::open(folder.path()).unwrap();
        let mut rules = FolderRules::open(folder.path()).unwrap();
        let mut gaps = || {
            let gap = |change: RuleChange| match change.change {
                Change::Put(put) if put.status == Status::Online => Some(put.gap),
                _ => None,
            };
            rules.poll().unwrap().into_iter().filter_map(gap).collect::<Vec<_>>()
        };
        let rename = |from: &str, to: &str| {
            fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
        };
        store.publish(&document("a", "1"), "").unwrap();
        assert_eq!(gaps(), [Gap::Replay]);
        store.pause("a").unwrap();
        assert_eq!(gaps(), []);
        store.resume("a", Gap::Skip).unwrap();
        assert_eq!(gaps(), [Gap::Skip]);
        // The file still exists, and no gap is given for the events from now on.
        fs::write(folder.path().join("a.json"), document("a", "2")).unwrap();
        assert_eq!(gaps(), [Gap::Replay]);
        rename("a.json", "a.json.paused");
        assert_eq!(gaps(), []);
        rename("a.json.paused", "a.json");
        assert_eq!(gaps(), [Gap::Replay]);
        // Paused by renaming, resumed with an explicit gap.
        rename("a.json", "a.json.paused");
        assert_eq!(gaps(), []);
        fs::write(folder.path().join("a.json.paused"), document("a", "3")).unwrap();
        assert_eq!(gaps(), []);
        store.resume("a", Gap::Skip).unwrap();
        assert_eq!(gaps(), [Gap::Skip]);
        store.retire("a").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing stays behind");
    }

    #[test]
    fn the_source_sees_pausing_as_a_change_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FolderStore::open(folder.path()).unwrap();
        let mut rules = FolderRules::open(folder.path()).unwrap();
        store.publish(&document("a", "1"), "").unwrap();
        assert_eq!(rules.poll().unwrap().len(), 1);
        for status in [Status::Paused, Status::Online] {
            if status == Status::Paused {
                store.pause("a").unwrap()
            } else {
                store.resume("a", Gap::Replay).unwrap()
            }
            let changes = rules.poll().unwrap();
            assert!(
                matches!(&changes[..], [RuleChange { change: Change::Put(put), .. }] if put.status == status)
            );
            assert!(rules.poll().unwrap().is_empty());
        }
    }
}
