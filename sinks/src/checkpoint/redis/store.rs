//! The store's calls as Redis commands.

use std::{collections::BTreeMap, time::Duration};

use operators::model::ids::{CheckpointNumber, OwnerGeneration};
use redis::{Value, cmd};

use super::{
    FORMAT, RedisCheckpoints,
    call::{Call, OnBreak},
    keys::escape,
    scripts::{COMMIT, DROP, RELEASE, RENEW, TAKE},
};
use crate::checkpoint::{
    BLOB_FAMILIES, CheckpointError, CheckpointSpan, CheckpointStore, Committed, Edit, FieldChange, Ownership,
    check_blob, check_blob_name, check_edit, check_number, milliseconds, not_a_position,
};

/// Most keys or fields of one command or pipeline.
const PORTION: usize = 1000;

/// Generation, number and manifest of a commit, as the fields are read.
type CommitFields = (Option<u64>, Option<u64>, Option<Vec<u8>>);

fn commit_of((generation, number, manifest): CommitFields) -> Option<Committed> {
    Some(Committed {
        generation: OwnerGeneration(generation?),
        number: CheckpointNumber(number?),
        manifest: manifest?,
    })
}

impl RedisCheckpoints {
    /// Sends a command with the key of each blob, and passes the servers' answers on.
    fn each_blob(
        &mut self,
        command: &str,
        names: &[String],
        mut answered: impl FnMut(&String, Value),
    ) -> Result<(), CheckpointError> {
        names.iter().try_for_each(|name| check_blob_name(name))?;
        for portion in names.chunks(PORTION) {
            let call = |name: &String| {
                let key = self.keys.blob(name);
                let mut call = cmd(command);
                call.arg(&key);
                Call::new(&key, call)
            };
            let calls: Vec<Call> = portion.iter().map(call).collect();
            let answers = self.link.run(&calls, OnBreak::Resend)?;
            portion.iter().zip(answers.values).for_each(|(name, answer)| answered(name, answer));
        }
        Ok(())
    }
}

/// A position in a stream, `MILLISECONDS-NUMBER`.
fn position(text: &str) -> Result<(u64, u64), CheckpointError> {
    let two = text.split_once('-').and_then(|(at, number)| Some((at.parse().ok()?, number.parse().ok()?)));
    two.ok_or_else(|| not_a_position(text))
}

impl CheckpointStore for RedisCheckpoints {
    fn is_one_log(&self) -> bool {
        !self.link.is_cluster()
    }

    fn take(&mut self, owner: &str, lease: Duration) -> Result<Ownership, CheckpointError> {
        let (key, buckets) = (self.keys.committed(), self.keys.buckets());
        let answer = self.confirmed(&key, || {
            Call::script(&TAKE, &key).arg(owner).arg(milliseconds(lease)).arg(buckets).arg(FORMAT)
        })?;
        let (word, rest) = self.verdict(&key, answer)?;
        match word.as_str() {
            "owned" => Err(CheckpointError::Owned {
                place: format!("{key} at {}", self.link.place()),
                owner: self.value(&key, &rest, 0)?,
                for_ms: self.value(&key, &rest, 1)?,
            }),
            "format" => Err(self.other_format(&self.value::<String>(&key, &rest, 0)?)),
            "buckets" => Err(self.other_buckets(&self.value::<String>(&key, &rest, 0)?)),
            _ => {
                let generation = OwnerGeneration(self.value(&key, &rest, 0)?);
                self.taken = Some((generation, owner.to_owned()));
                let committed = commit_of(self.value(&key, &rest, 1)?);
                self.last = committed.as_ref().map(|committed| committed.number);
                Ok(Ownership { generation, committed })
            }
        }
    }

    fn renew(
        &mut self,
        generation: OwnerGeneration,
        lease: Duration,
    ) -> Result<Option<CheckpointNumber>, CheckpointError> {
        let key = self.keys.committed();
        let call = Call::script(&RENEW, &key)
            .arg(generation.0)
            .arg(self.owner_of(generation))
            .arg(milliseconds(lease));
        let answer = self.link.one(call, OnBreak::Resend)?;
        let (_, rest) = self.accept(&key, generation, answer)?;
        Ok(self.value::<Option<u64>>(&key, &rest, 0)?.map(CheckpointNumber))
    }

    fn release(&mut self, generation: OwnerGeneration) -> Result<(), CheckpointError> {
        let key = self.keys.committed();
        let call = Call::script(&RELEASE, &key).arg(generation.0).arg(self.owner_of(generation));
        self.link.one(call, OnBreak::Resend).map(drop)
    }

    fn commit(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
        manifest: &[u8],
    ) -> Result<CheckpointNumber, CheckpointError> {
        check_number(number)?;
        let (key, owner) = (self.keys.committed(), self.owner_of(generation));
        let last = self.last.map_or_else(String::new, |last| last.to_string());
        let answer = self.confirmed(&key, || {
            Call::script(&COMMIT, &key).arg(generation.0).arg(&owner).arg(number.0).arg(manifest).arg(&last)
        })?;
        let (word, rest) = self.accept(&key, generation, answer)?;
        if word == "order" {
            return Err(CheckpointError::OutOfOrder {
                number,
                last: CheckpointNumber(self.value(&key, &rest, 0)?),
            });
        }
        self.last = Some(number);
        Ok(CheckpointNumber(self.value(&key, &rest, 0)?))
    }

    fn committed(&mut self) -> Result<Option<Committed>, CheckpointError> {
        let key = self.keys.committed();
        let mut command = cmd("HMGET");
        command.arg(&key).arg("committed_by").arg("n").arg("manifest");
        let answer = self.link.one(Call::new(&key, command), OnBreak::Resend)?;
        Ok(commit_of(self.read(&key, answer)?))
    }

    fn put_blob(&mut self, name: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
        check_blob(name, bytes)?;
        let key = self.keys.blob(name);
        self.confirmed(&key, || {
            let mut command = cmd("SET");
            command.arg(&key).arg(bytes);
            Call::new(&key, command)
        })
        .map(drop)
    }

    fn blob(&mut self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        check_blob_name(name)?;
        let key = self.keys.blob(name);
        let mut command = cmd("GET");
        command.arg(&key);
        let answer = self.link.one(Call::new(&key, command), OnBreak::Resend)?;
        self.read(&key, answer)
    }

    fn blobs(&mut self) -> Result<Vec<String>, CheckpointError> {
        let mut names = Vec::new();
        for family in BLOB_FAMILIES {
            let keys = self.keys_beginning(family)?;
            names.extend(keys.iter().filter_map(|key| self.keys.blob_name(key)).map(str::to_owned));
        }
        Ok(names)
    }

    fn missing_blobs(&mut self, names: &[String]) -> Result<Vec<String>, CheckpointError> {
        let mut missing = Vec::new();
        self.each_blob("EXISTS", names, |name, there| {
            missing.extend((there == Value::Int(0)).then(|| name.clone()));
        })?;
        Ok(missing)
    }

    fn remove_blobs(&mut self, names: &[String]) -> Result<(), CheckpointError> {
        self.each_blob("UNLINK", names, |_, _| {})
    }

    fn apply(
        &mut self,
        generation: OwnerGeneration,
        span: CheckpointSpan,
        hash: &str,
        changes: &[FieldChange<'_>],
    ) -> Result<(), CheckpointError> {
        self.apply_many(generation, span, &[(hash, changes)])
    }

    /// Pipelined.
    fn apply_many(
        &mut self,
        generation: OwnerGeneration,
        span: CheckpointSpan,
        folds: &[(&str, &[FieldChange<'_>])],
    ) -> Result<(), CheckpointError> {
        check_number(span.last)?;
        self.apply_all(generation, span, folds)
    }

    fn mark_compacted(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
    ) -> Result<CheckpointNumber, CheckpointError> {
        check_number(number)?;
        self.mark(generation, number)
    }

    fn drop_hash(&mut self, generation: OwnerGeneration, hash: &str) -> Result<(), CheckpointError> {
        let buckets: Vec<u16> = (0..self.keys.buckets()).collect();
        for portion in buckets.chunks(PORTION) {
            let calls: Vec<Call> = portion
                .iter()
                .map(|&bucket| Call::script(&DROP, &self.keys.hash(hash, bucket)).arg(generation.0))
                .collect();
            for answer in self.link.run(&calls, OnBreak::Resend)?.values {
                self.accept(hash, generation, answer)?;
            }
        }
        Ok(())
    }

    fn hashes(&mut self) -> Result<Vec<String>, CheckpointError> {
        let keys = self.keys_beginning("s:")?;
        let mut names: Vec<String> =
            keys.iter().filter_map(|key| self.keys.hash_name(key)).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn scan(&mut self, hash: &str, each: &mut dyn FnMut(&str, &str)) -> Result<(), CheckpointError> {
        self.scan_hash(hash, each)
    }

    fn fields(&mut self, hash: &str, fields: &[&str]) -> Result<Vec<Option<String>>, CheckpointError> {
        let mut found = vec![None; fields.len()];
        let mut per_bucket: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (at, field) in fields.iter().enumerate() {
            per_bucket.entry(self.keys.bucket(field)).or_default().push(at);
        }
        for (bucket, places) in per_bucket {
            let key = self.keys.hash(hash, bucket);
            for portion in places.chunks(PORTION) {
                let mut command = cmd("HMGET");
                command.arg(&key);
                for &at in portion {
                    command.arg(&*escape(fields[at]));
                }
                let answer = self.link.one(Call::new(&key, command), OnBreak::Resend)?;
                let texts: Vec<Option<String>> = self.read(&key, answer)?;
                portion.iter().zip(texts).for_each(|(&at, text)| found[at] = text);
            }
        }
        Ok(found)
    }

    fn push_edit(&mut self, edit: &[(&str, &str)]) -> Result<String, CheckpointError> {
        check_edit(edit)?;
        let key = self.keys.edits();
        // A broken connection is replaced by this query: the edit itself is sent only once.
        let mut probe = cmd("EXISTS");
        probe.arg(&key);
        self.link.one(Call::new(&key, probe), OnBreak::Resend)?;
        let mut command = cmd("XADD");
        command.arg(&key).arg("*");
        for (name, text) in edit {
            command.arg(name).arg(text);
        }
        let answer = self.link.one(Call::new(&key, command), OnBreak::Fail)?;
        self.read(&key, answer)
    }

    fn edits(&mut self, after: Option<&str>, most: usize) -> Result<Vec<Edit>, CheckpointError> {
        let from = match after.map(position).transpose()? {
            Some((at, number)) => format!("({at}-{number}"),
            None => "-".to_owned(),
        };
        if most == 0 {
            return Ok(Vec::new());
        }
        let key = self.keys.edits();
        let mut command = cmd("XRANGE");
        command.arg(&key).arg(from).arg("+").arg("COUNT").arg(most);
        let answer = self.link.one(Call::new(&key, command), OnBreak::Resend)?;
        let entries: Vec<(String, Vec<Vec<u8>>)> = self.read(&key, answer)?;
        // People may write an edit that is not text; it is passed on, to be refused by its reader.
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let edit = |(position, words): (String, Vec<Vec<u8>>)| Edit {
            position,
            pairs: words.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
        };
        Ok(entries.into_iter().map(edit).collect())
    }

    fn trim_edits(&mut self, through: &str) -> Result<(), CheckpointError> {
        let (at, number) = position(through)?;
        let least = match number.checked_add(1) {
            Some(number) => format!("{at}-{number}"),
            None => format!("{}-0", at.saturating_add(1)),
        };
        let key = self.keys.edits();
        let mut command = cmd("XTRIM");
        command.arg(&key).arg("MINID").arg("=").arg(least);
        self.link.one(Call::new(&key, command), OnBreak::Resend).map(drop)
    }
}
