//! Spools: what settings say of them, and the folder of each receiver's.
//!
//! All sinks are in process 0, and so are all spools, whatever the number of processes: a spool survives every
//! change of that number. It lies on the machine of process 0; to move that process, stop the engine, and move
//! the folder too.
//!
//! A spool belongs to a receiver: a webhook by its address, a topic by its name and its brokers. A receiver that
//! is not among the sinks any more leaves its spool behind; the log names it at every start.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use sinks::{SpoolConfig, kafka::KafkaSinkConfig, spool::DEAD_LETTERS, webhook::WebhookConfig};
use xxhash_rust::xxh3::xxh3_64;

use super::destinations::{Destination, To};

/// Whether triggers wait on disk for a receiver that is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "write \"off\", or a table with folder, max_mb and after_ms")]
pub enum Spools {
    /// They wait in memory, and everything waits for them.
    Off(Off),
    /// They wait on disk.
    On(SpoolSettings),
}

/// The word for no spools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Off {
    /// No spools.
    Off,
}

/// Settings of all spools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolSettings {
    /// Folder of the receivers' folders.
    pub folder: PathBuf,
    /// Upper bound of each spool, MiB.
    pub max_mb: u64,
    /// Longest wait for a receiver before its triggers are spooled, ms.
    pub after_ms: u64,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        SpoolSettings { folder: "strateye.spool".into(), max_mb: 1024, after_ms: 5_000 }
    }
}

impl Default for Spools {
    fn default() -> Self {
        Spools::On(SpoolSettings::default())
    }
}

impl Spools {
    /// No spools.
    pub const OFF: Self = Spools::Off(Off::Off);

    /// Spools of these destinations; `None` for those that have none: lines, and topics whose triggers wait for
    /// their checkpoint.
    pub fn of(&self, destinations: &[Destination]) -> Vec<Option<SpoolConfig>> {
        let Spools::On(settings) = self else { return destinations.iter().map(|_| None).collect() };
        let mut ordinals = BTreeMap::<String, usize>::new();
        let spool = |destination: &Destination| {
            let receiver = Receiver::of(destination)?;
            let ordinal = ordinals.entry(receiver.folder.clone()).or_default();
            let folder = match *ordinal {
                0 => settings.folder.join(&receiver.folder),
                ordinal => settings.folder.join(format!("{}-{ordinal}", receiver.folder)),
            };
            *ordinal += 1;
            Some(SpoolConfig {
                max_bytes: settings.max_mb << 20,
                after: Duration::from_millis(settings.after_ms),
                queue: receiver.queue,
                queue_bytes: receiver.queue_bytes,
                dead_letters: receiver.dead_letters.unwrap_or_else(|| folder.join(DEAD_LETTERS)),
                receiver: receiver.address,
                folder,
            })
        };
        destinations.iter().map(spool).collect()
    }

    /// Warns of spools that hold triggers for receivers that are not among `spools`.
    pub fn warn_of_others(&self, spools: &[Option<SpoolConfig>]) {
        let Spools::On(settings) = self else { return };
        let known: Vec<_> = spools.iter().flatten().map(|spool| &spool.folder).collect();
        for folder in fs::read_dir(&settings.folder).into_iter().flatten().flatten() {
            let folder = folder.path();
            let is_segment = |path: PathBuf| path.extension().is_some_and(|ending| ending == "spool");
            let holds = fs::read_dir(&folder).into_iter().flatten().flatten().any(|e| is_segment(e.path()));
            if holds && !known.contains(&&folder) {
                tracing::warn!(folder = %folder.display(), "triggers wait here for a receiver that is not among the sinks any more; name it again until they are delivered, or rename the folder to that of another receiver");
            }
        }
    }
}

/// What a spool needs to know of a receiver.
struct Receiver {
    folder: String,
    address: String,
    queue: usize,
    queue_bytes: usize,
    dead_letters: Option<PathBuf>,
}

impl Receiver {
    fn of(destination: &Destination) -> Option<Self> {
        match &destination.to {
            _ if destination.is_committed() => None,
            To::Lines(_) => None,
            To::Webhook(config) => Some(Self::of_webhook(config)),
            To::Kafka(config) => Some(Self::of_topic(config)),
        }
    }

    fn of_webhook(config: &WebhookConfig) -> Self {
        let address = config.shown_url();
        Receiver {
            folder: format!("webhook-{:08x}", xxh3_64(address.as_bytes()) as u32),
            address,
            queue: config.queue,
            queue_bytes: config.queue_bytes,
            dead_letters: Some(config.dead_letters.clone()),
        }
    }

    fn of_topic(config: &KafkaSinkConfig) -> Self {
        let mut brokers: Vec<&str> = config.brokers.split(',').map(str::trim).collect();
        brokers.sort_unstable();
        let (brokers, topic) = (brokers.join(","), &config.topic);
        Receiver {
            folder: format!("kafka-{topic}-{:08x}", xxh3_64(brokers.as_bytes()) as u32),
            address: format!("kafka://{brokers}/{topic}"),
            queue: config.queue as usize,
            queue_bytes: usize::try_from(config.queue_bytes).unwrap_or(usize::MAX),
            dead_letters: None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sinks::{LineOutput, kafka::Delivery};

    use super::*;

    fn topic(brokers: &str, delivery: Delivery) -> Destination {
        Destination::all(To::Kafka(KafkaSinkConfig { delivery, ..KafkaSinkConfig::new(brokers, "t") }))
    }

    #[test]
    fn a_receiver_keeps_its_folder_whatever_other_sinks_there_are() {
        let hook = |url: &str| Destination::all(To::Webhook(WebhookConfig::new(url, "dead.jsonl")));
        let names = |destinations: &[Destination]| -> Vec<Option<String>> {
            let spools = Spools::default().of(destinations).into_iter();
            spools.map(|spool| Some(spool?.folder.to_str()?.to_owned())).collect()
        };
        let (a, now) = (hook("http://u:pass@a/x?token=1"), topic("k:1, k:2", Delivery::Immediate));
        let lines = Destination::all(To::Lines(LineOutput::Nowhere));
        let alone = names(&[a.clone(), now.clone()]);
        assert!(alone[0].as_ref().unwrap().starts_with("strateye.spool/webhook-"), "{alone:?}");
        assert!(alone[1].as_ref().unwrap().starts_with("strateye.spool/kafka-t-"), "{alone:?}");
        let committed = topic("k:1", Delivery::Committed);
        let more = [lines, committed, hook("http://b/"), topic("k:2,k:1", Delivery::Immediate)];
        let others = names(&[&more[..], &[hook("http://a/x?token=2"), a.clone(), now]].concat());
        assert_eq!((&others[0], &others[1]), (&None, &None));
        assert_eq!((&others[3], &others[4]), (&alone[1], &alone[0]));
        assert_ne!(others[2], alone[0]);
        assert_eq!(others[5], alone[0].as_ref().map(|name| format!("{name}-1")));
        assert_eq!(others[6], alone[1].as_ref().map(|name| format!("{name}-1")));
        assert!(Spools::OFF.of(&[a]).iter().all(Option::is_none));
    }

    #[test]
    fn triggers_that_wait_for_no_sink_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let settings = SpoolSettings { folder: folder.path().to_owned(), ..SpoolSettings::default() };
        let spools = Spools::On(settings);
        let known = spools.of(&[topic("a:1", Delivery::Immediate)]);
        let make = |spool: &std::path::Path, file: &str| {
            fs::create_dir(spool).unwrap();
            fs::write(spool.join(file), "").unwrap();
        };
        make(&known[0].as_ref().unwrap().folder, "1.spool");
        make(&folder.path().join("empty"), "lock");
        assert_eq!(crate::logged::logged(|| spools.warn_of_others(&known)), "");
        make(&folder.path().join("webhook-1"), "1.spool");
        let log = crate::logged::logged(|| spools.warn_of_others(&known));
        assert!(log.contains("webhook-1") && log.lines().count() == 1, "{log}");
    }

    #[test]
    fn settings_are_the_word_off_or_a_table() {
        #[derive(Deserialize)]
        struct File {
            spool: Spools,
        }
        let read = |text: &str| toml::from_str::<File>(text).map(|file| file.spool);
        assert_eq!(read("spool = 'off'").unwrap(), Spools::OFF);
        let small = SpoolSettings { max_mb: 7, ..SpoolSettings::default() };
        assert_eq!(read("[spool]\nmax_mb = 7").unwrap(), Spools::On(small));
        for wrong in ["spool = 'on'", "spool = { max = 7 }", "spool = 7"] {
            assert!(read(wrong).unwrap_err().to_string().contains("write \"off\", or a table"), "{wrong}");
        }
    }
}
