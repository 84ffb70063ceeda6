//! Fitness of a server for keeping checkpoints, and its replication, by its `INFO`.

use std::collections::{BTreeMap, HashMap};

use redis::{Value, cmd, from_redis_value};

use super::{
    call::{Call, OnBreak, Target},
    failure::{misread, unavailable},
    link::Link,
};
use crate::checkpoint::CheckpointError;

/// First release that reads streams from a position on and trims them by position.
const VERSION: (u32, u32) = (6, 2);

/// Replication id of each master: its `master_replid`, which changes at every start and every fail-over.
pub(super) type Histories = BTreeMap<String, String>;

/// Checks the server, or all masters of the cluster, and returns their replication ids. A setting that loses
/// seconds of state in a crash only gets a warning.
pub(super) fn check(link: &mut Link, cluster: bool) -> Result<Histories, CheckpointError> {
    let mut histories = Histories::new();
    for node in link.nodes()? {
        let info = info(link, &Target::Node(node.clone()), None)?;
        judge(&node, &info, cluster)?;
        if info.get("aof_enabled").map(String::as_str) == Some("0") {
            tracing::warn!(
                redis = %node,
                "appendonly is off: checkpoints are lost when this Redis restarts; set appendonly yes and appendfsync everysec or always"
            );
        }
        histories.insert(node, history(&info));
    }
    Ok(histories)
}

fn history(info: &HashMap<String, String>) -> String {
    info.get("master_replid").cloned().unwrap_or_default()
}

/// Replication of a node.
pub(super) struct Replication {
    /// Number of replicas that follow it.
    pub(super) online: u8,
    /// Its replication id.
    pub(super) history: String,
}

/// Queries the replication of a node.
pub(super) fn replication(link: &mut Link, place: &Target) -> Result<Replication, CheckpointError> {
    let info = info(link, place, Some("replication"))?;
    Ok(Replication { online: online(&info), history: history(&info) })
}

/// Replicas that receive current writes. One that still loads its first copy is connected too, but `WAIT`
/// never counts it.
#[expect(clippy::disallowed_methods, reason = "they are counted")]
fn online(info: &HashMap<String, String>) -> u8 {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let replicas = info.iter().filter(|(name, _)| name.strip_prefix("slave").is_some_and(is_number));
    let online = replicas.filter(|(_, said)| said.split(',').any(|word| word == "state=online"));
    u8::try_from(online.count()).unwrap_or(u8::MAX)
}

fn info(
    link: &mut Link,
    place: &Target,
    section: Option<&str>,
) -> Result<HashMap<String, String>, CheckpointError> {
    let mut command = cmd("INFO");
    command.arg(section);
    let answer: Value = link.one(Call::at(place, command), OnBreak::Resend)?;
    let text: String = from_redis_value(answer).map_err(|error| misread(&link.place(), &error))?;
    Ok(fields(&text))
}

fn fields(info: &str) -> HashMap<String, String> {
    let pairs = info.lines().filter_map(|line| line.trim_end().split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn judge(node: &str, info: &HashMap<String, String>, cluster: bool) -> Result<(), CheckpointError> {
    let said = |name: &str| info.get(name).map(String::as_str).unwrap_or_default();
    let bad = |reason: String| CheckpointError::BadServer { place: format!("Redis {node}"), reason };
    let mut numbers = said("redis_version").split('.').map(|number| number.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < VERSION {
        let found = said("redis_version");
        return Err(bad(format!("it is version {found:?}; use {}.{} or later", VERSION.0, VERSION.1)));
    }
    if (said("redis_mode") == "cluster") != cluster {
        let kind = if cluster {
            "no node of a cluster: write cluster = false"
        } else {
            "a node of a Redis Cluster: write cluster = true"
        };
        return Err(bad(format!("it is {kind}")));
    }
    if said("role") == "slave" {
        return Err(unavailable(&format!("Redis {node}"), "it is a replica; give the address of its master"));
    }
    let policy = said("maxmemory_policy");
    if !matches!(policy, "noeviction" | "") {
        return Err(bad(format!(
            "its maxmemory-policy is {policy}, under which it deletes state when memory is short; set maxmemory-policy noeviction"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n";

    fn judged(info: &str, cluster: bool) -> Result<(), String> {
        judge("a:1", &fields(info), cluster).map_err(|error| error.to_string())
    }

    #[test]
    fn an_unfit_server_is_refused_with_the_setting_to_change() {
        judged(FIT, false).unwrap();
        let refused = |from: &str, to: &str, cluster, says: &str| {
            let error = judged(&FIT.replace(from, to), cluster).unwrap_err();
            assert!(error.contains(says) && error.contains("a:1"), "{error}");
        };
        refused("noeviction", "allkeys-lru", false, "maxmemory-policy noeviction");
        refused("7.0.15", "6.0.16", false, "6.2 or later");
        refused("standalone", "cluster", false, "cluster = true");
        refused("standalone", "standalone", true, "cluster = false");
        refused("master", "slave", false, "address of its master");
    }

    #[test]
    fn replicas_count_once_they_are_online() {
        let replica =
            |i: u8, state: &str| format!("slave{i}:ip=10.0.0.{i},port=6379,state={state},offset=9,lag=0\r\n");
        let text = |states: &[&str]| {
            let replicas = states.iter().zip(0..).map(|(state, i)| replica(i, state)).collect::<String>();
            format!("role:master\r\nconnected_slaves:{}\r\n{replicas}", states.len())
        };
        for (states, expected) in
            [(vec![], 0), (vec!["wait_bgsave"], 0), (vec!["send_bulk", "online", "wait_bgsave", "online"], 2)]
        {
            assert_eq!(online(&fields(&text(&states))), expected, "{states:?}");
        }
    }

    #[test]
    fn later_releases_and_missing_settings_are_fit() {
        judged(&FIT.replace("7.0.15", "10.1.0"), false).unwrap();
        judged(&FIT.replace("maxmemory_policy:noeviction\r\n", ""), false).unwrap();
    }
}
