use super::*;

const BOTH: &str = "triggers = 'all.jsonl'\n[[sinks]]\nlines = 'stdout'\n[[sinks]]\n[sinks.webhook]\nurl = 'http://a/'\ndead_letters = 'd'";

/// Where triggers go with a file of settings and these options: files by name, else the kind of sink.
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
