//! Connections to a server or to the masters of a cluster, and the commands sent over them.
//!
//! A command goes to the node that serves its key; commands sent together are pipelined per node. A command
//! that a node rejects because the key has moved, or because it does not know the script, was not executed
//! and is sent again.
//!
//! **Invariants**: no wait is unbounded (connecting, each write and each answer have the configured timeout).
//! After a failed read or write all connections are dropped, so a late answer can't be taken for another
//! command's.
//!
//! The cluster client of the `redis` crate has neither property and is not used: after a timeout it waits
//! again for each command of a pipeline, and it resends every command, also those that must not be repeated.

use std::{collections::HashMap, time::Duration};

use redis::{Connection, ConnectionInfo, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, cmd};

use super::{
    call::{Answers, Call, OnBreak, PendingCall, Target},
    failure::{failure, unavailable},
    scripts::Script,
    slots::{Slots, redirected},
    tls,
};
use crate::checkpoint::CheckpointError;

/// Most attempts to follow a slot that moves.
const ROUNDS: usize = 5;

/// Connections to a server, or to the masters of a cluster.
pub(super) struct Link {
    seeds: Vec<ConnectionInfo>,
    cluster: bool,
    timeout: Duration,
    /// Slots of the cluster; `None` until they are needed.
    slots: Option<Slots>,
    connections: HashMap<String, Connection>,
}

/// Calls to be sent again, and the first error that sending again would not help.
type Round = (Vec<PendingCall>, Option<RedisError>);

impl Link {
    pub(super) fn new(seeds: Vec<ConnectionInfo>, cluster: bool, timeout: Duration) -> Self {
        Link { seeds, cluster, timeout, slots: None, connections: HashMap::new() }
    }

    /// Whether keys lie on several servers.
    pub(super) fn is_cluster(&self) -> bool {
        self.cluster
    }

    /// Addresses of the server, or of the cluster's masters.
    pub(super) fn nodes(&mut self) -> Result<Vec<String>, CheckpointError> {
        if !self.cluster {
            return Ok(self.seeds.first().map(|seed| seed.addr().to_string()).into_iter().collect());
        }
        self.slots().map(|slots| slots.masters().to_vec()).map_err(|error| failure("the cluster", &error))
    }

    /// Sends one command. Blocks until it is answered or the timeout has passed.
    pub(super) fn one(&mut self, call: Call, on_break: OnBreak) -> Result<Value, CheckpointError> {
        self.run(&[call], on_break).map(|answers| answers.values.into_iter().next().unwrap_or_default())
    }

    /// Sends commands. Returns the first error that a server answers; the other commands may have been
    /// executed.
    pub(super) fn run(&mut self, calls: &[Call], on_break: OnBreak) -> Result<Answers, CheckpointError> {
        let mut values = vec![Value::Nil; calls.len()];
        let mut resend = on_break == OnBreak::Resend;
        let mut open: Vec<PendingCall> =
            (0..calls.len()).map(|call| PendingCall { call, redirect: None }).collect();
        for round in 0..ROUNDS {
            open = match self.round(calls, &open, &mut values) {
                Ok((_, Some(refused))) => return Err(failure(&self.place(), &refused)),
                Ok((again, None)) if again.is_empty() => {
                    return Ok(Answers { values, straight: round == 0 });
                }
                Ok((again, None)) => again,
                Err(error) => {
                    // Some answers were not read: none of these connections can be used again.
                    self.forget();
                    if !resend || !error.is_connection_dropped() {
                        return Err(failure(&self.place(), &error));
                    }
                    resend = false;
                    open.into_iter().map(|open| PendingCall { redirect: None, ..open }).collect()
                }
            };
        }
        Err(unavailable(&self.place(), "the slot of a key keeps moving"))
    }

    /// Sends the pending calls and reads all answers. Returns the calls to be sent again, and the first
    /// error.
    fn round(&mut self, calls: &[Call], open: &[PendingCall], values: &mut [Value]) -> RedisResult<Round> {
        let mut per_node: Vec<(String, Vec<&PendingCall>)> = Vec::new();
        for open in open {
            let address = self.address(&calls[open.call].to, open.redirect.as_ref())?;
            match per_node.iter_mut().find(|(known, _)| *known == address) {
                Some((_, opens)) => opens.push(open),
                None => per_node.push((address, vec![open])),
            }
        }
        for (address, opens) in &per_node {
            let mut packed = Vec::new();
            for open in opens {
                if open.asks() {
                    cmd("ASKING").write_packed_command(&mut packed);
                }
                calls[open.call].command.write_packed_command(&mut packed);
            }
            self.connection(address)?.send_packed_command(&packed)?;
        }
        let (mut again, mut refused) = (Vec::new(), None);
        for (address, opens) in &per_node {
            let first = self.receive(address, calls, opens, values, &mut again)?;
            refused = refused.or(first);
        }
        Ok((again, refused))
    }

    /// Reads a node's answers. Returns the first error among them that sending again would not help.
    fn receive(
        &mut self,
        address: &str,
        calls: &[Call],
        opens: &[&PendingCall],
        values: &mut [Value],
        again: &mut Vec<PendingCall>,
    ) -> RedisResult<Option<RedisError>> {
        let (mut refused, mut unknown) = (None, Vec::new());
        for open in opens {
            let connection = self.connection(address)?;
            if open.asks() {
                connection.recv_response()?;
            }
            match connection.recv_response().and_then(Value::extract_error) {
                Ok(value) => values[open.call] = value,
                Err(error) if !is_answer(&error) => return Err(error),
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    unknown.extend(calls[open.call].script);
                    again.push(PendingCall { call: open.call, redirect: open.redirect.clone() });
                }
                Err(error) => match self.redirect(&error, address) {
                    Some(redirect) => again.push(PendingCall { call: open.call, redirect: Some(redirect) }),
                    None => drop(refused.get_or_insert(error)),
                },
            }
        }
        unknown.dedup_by_key(|script| &script.digest);
        for script in unknown {
            self.load(address, script)?;
        }
        Ok(refused)
    }

    fn load(&mut self, address: &str, script: &Script) -> RedisResult<()> {
        cmd("SCRIPT").arg("LOAD").arg(script.code).exec(self.connection(address)?)
    }

    /// Redirection of a command that a node rejected.
    fn redirect(&mut self, error: &RedisError, by: &str) -> Option<(String, bool)> {
        let asking = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
        if !self.cluster || !(asking || error.kind() == ErrorKind::Server(ServerErrorKind::Moved)) {
            return None;
        }
        if !asking {
            self.slots = None;
        }
        let (to, _) = error.redirect_node()?;
        redirected(to, by).map(|address| (address, asking))
    }

    fn address(&mut self, to: &Target, redirect: Option<&(String, bool)>) -> RedisResult<String> {
        if let Some((address, _)) = redirect {
            return Ok(address.clone());
        }
        match to {
            Target::Node(address) => Ok(address.clone()),
            Target::Slot(slot) if self.cluster => {
                let unserved =
                    || (ErrorKind::Server(ServerErrorKind::ClusterDown), "no node serves the slot");
                Ok(self.slots()?.master_of(*slot).ok_or_else(unserved)?.to_owned())
            }
            Target::Slot(_) => Ok(self.seeds[0].addr().to_string()),
        }
    }

    fn connection(&mut self, address: &str) -> RedisResult<&mut Connection> {
        if !self.connections.contains_key(address) {
            let connection = self.connect(address)?;
            self.connections.insert(address.to_owned(), connection);
        }
        let lost = || RedisError::from((ErrorKind::Io, "the connection was dropped"));
        self.connections.get_mut(address).ok_or_else(lost)
    }

    fn connect(&self, address: &str) -> RedisResult<Connection> {
        let seed = &self.seeds[0];
        let info = match address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) {
            Some((host, port)) if self.cluster => seed.clone().set_addr(tls::at(seed.addr(), host, port)),
            _ => seed.clone(),
        };
        let connection = redis::Client::open(info)?.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        Ok(connection)
    }

    /// Slots of the cluster, requested from the first node that answers.
    fn slots(&mut self) -> RedisResult<&Slots> {
        if self.slots.is_none() {
            self.slots = Some(self.ask_for_slots()?);
        }
        let none = || RedisError::from((ErrorKind::ClusterConnectionNotFound, "no node is known"));
        self.slots.as_ref().ok_or_else(none)
    }

    #[expect(clippy::disallowed_methods, reason = "every node has the same answer")]
    fn ask_for_slots(&mut self) -> RedisResult<Slots> {
        let known = self.connections.keys().cloned();
        let mut candidates: Vec<String> = known.collect();
        candidates.extend(self.seeds.iter().map(|seed| seed.addr().to_string()));
        let mut last = RedisError::from((ErrorKind::ClusterConnectionNotFound, "no node is known"));
        for address in candidates {
            let asked = self.connection(&address).and_then(|c| cmd("CLUSTER").arg("SLOTS").query::<Value>(c));
            match asked {
                Ok(answer) => {
                    if let Some(slots) = Slots::read(&answer, &address) {
                        return Ok(slots);
                    }
                    last = (ErrorKind::Server(ServerErrorKind::ClusterDown), "no slot is served").into();
                }
                Err(error) => {
                    self.connections.remove(&address);
                    last = error;
                }
            }
        }
        Err(last)
    }

    fn forget(&mut self) {
        self.connections.clear();
        self.slots = None;
    }

    /// The servers, for messages.
    pub(super) fn place(&self) -> String {
        let addresses: Vec<String> = self.seeds.iter().map(|seed| seed.addr().to_string()).collect();
        let over = if self.seeds.iter().any(tls::is_tls) { "over TLS " } else { "" };
        format!("Redis {over}{}", addresses.join(", "))
    }
}

/// Whether the error is a server's answer, so that the connection is intact.
fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}
