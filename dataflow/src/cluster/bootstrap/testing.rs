//! Memberships for tests.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::cluster::{ClusterGeneration, Hosts, Membership, Secret, Transport};

fn memberships(transport: &Transport, processes: usize) -> Vec<Membership> {
    let secret = Secret::random().unwrap();
    let membership = |process| Membership {
        process,
        processes,
        threads: 1,
        generation: ClusterGeneration(7),
        build: 0xb11d,
        secret: secret.clone(),
        transport: transport.clone(),
        form_within: Duration::from_secs(20),
    };
    (0..processes).map(membership).collect()
}

/// All memberships of a cluster in `directory`.
pub(crate) fn unix_memberships(directory: &Path, processes: usize) -> Vec<Membership> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    memberships(&Transport::Unix(directory.to_owned()), processes)
}

/// All memberships of a cluster on free ports of this machine, with the listeners that hold them.
pub(crate) fn tcp_memberships(processes: usize) -> Vec<(Membership, TcpListener)> {
    let listeners: Vec<_> = (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let lines: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
    let transport = Transport::Tcp(Hosts::parse(&lines.join("\n")).unwrap());
    memberships(&transport, processes).into_iter().zip(listeners).collect()
}
