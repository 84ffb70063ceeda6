use sinks::LineOutput;

use super::*;
use crate::triggers::destinations::{Destination, To};

const BOTH: &str = "triggers = 'all.jsonl'\n[[sinks]]\nlines = 'stdout'\n[[sinks]]\n[sinks.webhook]\nurl = 'http://a/'\ndead_letters = 'd'";

#[test]
fn a_worker_without_a_place_for_state_refuses_what_needs_one() {
    let rules = tempfile::tempdir().unwrap();
    let job = |file: &str| {
        let mut settings: Settings = toml::from_str(file).unwrap();
        settings.rules = Some(rules.path().to_owned());
        settings.keep_state_only_where_said();
        settings.job(Events::None, settings.live())
    };
    let committed = "[[sinks]]\n[sinks.kafka]\nbrokers = 'a:9092'\ntopic = 't'\ndelivery = 'committed'\n";
    for needs in [committed, "state_memory_mb = 64\n"] {
        let refused = job(needs).unwrap_err().to_string();
        assert!(refused.contains("keep state with --state"), "{refused}");
        let kept = job(&format!("state = 'redis://a/'\n{needs}")).unwrap();
        assert!(matches!(kept.state, State::Redis(_)));
    }
    assert!(matches!(job("").unwrap().state, State::None));
}

#[test]
fn a_worker_believes_no_bytes_of_other_hosts_whatever_the_settings_say() {
    let rules = tempfile::tempdir().unwrap();
    for (file, option) in [("", None), ("codec = 'abomonation'", None), ("", Some(Codec::Abomonation))] {
        let config = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(config.path(), file).unwrap();
        let config = Some(config.path().to_owned());
        let mut settings = Common { config, codec: option, ..Common::default() }.settings().unwrap();
        settings.rules = Some(rules.path().to_owned());
        settings.check_what_is_read();
        assert_eq!(settings.job(Events::None, settings.live()).unwrap().codec, Codec::Bytemuck);
    }
}

/// Destinations of triggers with a file of settings and these options: files by name, others by kind of sink.
fn destinations(file: &str, triggers: Option<&str>) -> Vec<String> {
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), file).unwrap();
    let (config, triggers) = (Some(config.path().to_owned()), triggers.map(str::to_owned));
    let settings = Common { config, triggers, ..Common::default() }.settings().unwrap();
    let name = |destination: Destination| match destination.to {
        To::Lines(LineOutput::File(path)) => path.display().to_string(),
        To::Lines(_) => "lines".to_owned(),
        To::Kafka(config) => config.topic,
        To::Webhook(_) => "webhook".to_owned(),
    };
    settings.destinations().unwrap().into_iter().map(name).collect()
}

#[test]
fn the_option_for_triggers_replaces_every_sink_of_the_file() {
    assert_eq!(destinations(BOTH, None), ["lines", "webhook", "all.jsonl"]);
    assert_eq!(destinations(BOTH, Some("mine.jsonl")), ["mine.jsonl"]);
    assert_eq!(destinations(BOTH, Some("kafka://a:9092/topic")), ["topic"]);
    assert_eq!(destinations("", None), ["lines"]);
}
