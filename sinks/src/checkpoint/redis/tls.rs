//! TLS (`rediss://`): trusted authorities, and the client's certificate.
//!
//! **Invariant**: a server's certificate is always verified, and must name the host of the URL, or in a
//! cluster the host that the nodes report.

use std::{fs, path::Path};

use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};

use super::{
    config::RedisConfig,
    url::{invalid, without_password},
};
use crate::checkpoint::CheckpointError;

/// Header by which a file in PEM is recognized as a certificate.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// Adds the certificates of the settings' files to the addresses.
pub(super) fn secured(
    config: &RedisConfig,
    addresses: Vec<ConnectionInfo>,
) -> Result<Vec<ConnectionInfo>, CheckpointError> {
    let over_tls = addresses.iter().filter(|address| is_tls(address)).count();
    if over_tls == 0 {
        return match files(config).into_iter().find_map(|(name, file)| Some((name, file?))) {
            Some((name, file)) => Err(refused(name, file, "is for TLS; write rediss:// in urls")),
            None => Ok(addresses),
        };
    }
    let urls = || format!("{:?}", config.urls.iter().map(|url| without_password(url)).collect::<Vec<_>>());
    if over_tls < addresses.len() {
        return Err(invalid("urls", &urls(), "write rediss:// in all of them or in none"));
    }
    if addresses.iter().any(is_unchecked) {
        let reason = "leave out #insecure, and name the authority of a certificate that this system does not know by ca_file";
        return Err(invalid("urls", &urls(), reason));
    }
    let certificates = certificates(config)?;
    if certificates.root_cert.is_none() && certificates.client_tls.is_none() {
        return Ok(addresses);
    }
    let secured = |address| {
        let client = Client::build_with_tls(address, certificates.clone());
        client.map(|client| client.get_connection_info().clone()).map_err(|error| {
            let reason = format!("{error}; write files in PEM");
            invalid("ca_file, cert_file or key_file", &format!("{:?}", shown(config)), &reason)
        })
    };
    addresses.into_iter().map(secured).collect()
}

/// Address of another node of the same cluster.
pub(super) fn at(address: &ConnectionAddr, host: &str, port: u16) -> ConnectionAddr {
    match address {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

/// Whether a server is connected over TLS.
pub(super) fn is_tls(address: &ConnectionInfo) -> bool {
    matches!(address.addr(), ConnectionAddr::TcpTls { .. })
}

fn is_unchecked(address: &ConnectionInfo) -> bool {
    matches!(address.addr(), ConnectionAddr::TcpTls { insecure: true, .. })
}

type Named<'c> = (&'static str, Option<&'c Path>);

fn files(config: &RedisConfig) -> [Named<'_>; 3] {
    let RedisConfig { ca_file, cert_file, key_file, .. } = config;
    [("ca_file", ca_file.as_deref()), ("cert_file", cert_file.as_deref()), ("key_file", key_file.as_deref())]
}

fn shown(config: &RedisConfig) -> Vec<&Path> {
    files(config).into_iter().filter_map(|(_, file)| file).collect()
}

fn certificates(config: &RedisConfig) -> Result<TlsCertificates, CheckpointError> {
    let [(_, authority), certificate, key] = files(config);
    let client_tls = match (certificate, key) {
        ((name, Some(certificate)), (key_name, Some(key))) => Some(ClientTlsConfig {
            client_cert: certificates_in(name, certificate)?,
            client_key: read(key_name, key)?,
        }),
        ((name, Some(file)), (_, None)) => {
            return Err(refused(name, file, "is of no use without its key; write key_file, too"));
        }
        ((_, None), (name, Some(file))) => {
            return Err(refused(name, file, "is of no use without its certificate; write cert_file, too"));
        }
        ((_, None), (_, None)) => None,
    };
    let root_cert = authority.map(|file| certificates_in("ca_file", file)).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

fn certificates_in(name: &'static str, file: &Path) -> Result<Vec<u8>, CheckpointError> {
    let bytes = read(name, file)?;
    if String::from_utf8_lossy(&bytes).contains(CERTIFICATE) {
        return Ok(bytes);
    }
    Err(refused(name, file, &format!("has no {CERTIFICATE}; name a file in PEM")))
}

fn read(name: &'static str, file: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(file)
        .map_err(|error| refused(name, file, &format!("can't be read: {error}; name a file in PEM")))
}

fn refused(name: &'static str, file: &Path, reason: &str) -> CheckpointError {
    invalid(name, &file.display().to_string(), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Error of a configuration whose files lie in a folder.
    fn refusal(change: impl FnOnce(&mut RedisConfig, &Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.pem");
        fs::write(&file, "no certificate").unwrap();
        let mut config = RedisConfig { urls: vec!["rediss://a/".to_owned()], ..RedisConfig::default() };
        change(&mut config, &file);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn invalid_settings_are_refused_by_name() {
        let named = |change: fn(&mut RedisConfig, &Path), name: &str, says: &str| {
            let text = refusal(change);
            assert!(text.starts_with(name) && text.contains(says), "{text}");
        };
        named(|c, _| c.urls = vec!["rediss://a/#insecure".into()], "urls", "ca_file");
        named(
            |c, _| (c.urls, c.cluster) = (vec!["rediss://a/".into(), "redis://b/".into()], true),
            "urls",
            "in all of them",
        );
        named(
            |c, file| (c.urls, c.ca_file) = (vec!["redis://a/".into()], Some(file.into())),
            "ca_file",
            "write rediss://",
        );
        named(|c, file| c.ca_file = Some(file.into()), "ca_file", "BEGIN CERTIFICATE");
        named(|c, file| c.ca_file = Some(file.join("none")), "ca_file", "can't be read");
        named(|c, file| c.cert_file = Some(file.into()), "cert_file", "write key_file");
        named(|c, file| c.key_file = Some(file.into()), "key_file", "write cert_file");
        let text = refusal(|c, file| {
            fs::write(file, format!("{CERTIFICATE}\nnonsense\n-----END CERTIFICATE-----\n")).unwrap();
            c.ca_file = Some(file.into());
        });
        assert!(text.starts_with("ca_file") && text.contains("in PEM"), "{text}");
    }

    #[test]
    fn nodes_are_connected_as_the_seed_is() {
        let seed = RedisConfig { urls: vec!["rediss://a/".to_owned()], ..RedisConfig::default() };
        let seed = seed.check().unwrap().remove(0);
        let ConnectionAddr::TcpTls { host, port, insecure, .. } = at(seed.addr(), "b", 7) else {
            panic!("TLS is gone");
        };
        assert_eq!((host.as_str(), port, insecure), ("b", 7, false));
        assert_eq!(
            at(&ConnectionAddr::Tcp("a".to_owned(), 1), "b", 7),
            ConnectionAddr::Tcp("b".to_owned(), 7)
        );
    }
}
