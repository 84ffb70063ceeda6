//! TLS (`rediss://`): trusted authorities, and the client's certificate.
//!
//! **Invariant**: a server's certificate is always verified, and must name the host of the URL, or in a
//! cluster the host that the nodes report.

use std::{fs, path::Path};

use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};

use super::url::{invalid, shown};
use crate::checkpoint::CheckpointError;

/// Header by which a file in PEM is recognized as a certificate.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// Files in PEM named by the settings.
#[derive(Clone, Copy)]
pub(super) struct TlsFiles<'c> {
    /// `ca_file`: authorities trusted in place of the system's.
    pub(super) authorities: Option<&'c Path>,
    /// `cert_file`: the client's certificate.
    pub(super) certificate: Option<&'c Path>,
    /// `key_file`: that certificate's key.
    pub(super) key: Option<&'c Path>,
}

/// Adds the certificates to the addresses, which are those of `urls`, in the same order.
///
/// # Errors
/// If the addresses do not agree on TLS, or a file is missing, unreadable or not needed.
pub(super) fn secured(
    files: TlsFiles<'_>,
    urls: &[String],
    addresses: Vec<ConnectionInfo>,
) -> Result<Vec<ConnectionInfo>, CheckpointError> {
    let over_tls = addresses.iter().filter(|address| is_tls(address)).count();
    if over_tls == 0 {
        return match files.named().next() {
            Some((name, file)) => Err(refused(name, file, "is for TLS; write rediss:// in urls")),
            None => Ok(addresses),
        };
    }
    if over_tls < addresses.len() {
        return Err(invalid("urls", &shown(urls), "write rediss:// in all of them or in none"));
    }
    if addresses.iter().any(is_unchecked) {
        let reason = "leave out #insecure, and name the authority of a certificate that this system does not know by ca_file";
        return Err(invalid("urls", &shown(urls), reason));
    }
    let certificates = files.certificates()?;
    if certificates.root_cert.is_none() && certificates.client_tls.is_none() {
        return Ok(addresses);
    }
    let secured = |address| {
        let client = Client::build_with_tls(address, certificates.clone());
        client.map(|client| client.get_connection_info().clone()).map_err(|error| {
            let files: Vec<&Path> = files.named().map(|(_, file)| file).collect();
            let reason = format!("{error}; write files in PEM");
            invalid("ca_file, cert_file or key_file", &format!("{files:?}"), &reason)
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

impl<'c> TlsFiles<'c> {
    /// The files that are given, each with the name of its setting.
    fn named(self) -> impl Iterator<Item = (&'static str, &'c Path)> {
        let TlsFiles { authorities, certificate, key } = self;
        let named = [("ca_file", authorities), ("cert_file", certificate), ("key_file", key)];
        named.into_iter().filter_map(|(name, file)| Some((name, file?)))
    }

    /// Reads the files.
    fn certificates(self) -> Result<TlsCertificates, CheckpointError> {
        let client_tls = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some(ClientTlsConfig {
                client_cert: certificates_in("cert_file", certificate)?,
                client_key: read("key_file", key)?,
            }),
            (Some(file), None) => {
                return Err(refused("cert_file", file, "is of no use without its key; write key_file, too"));
            }
            (None, Some(file)) => {
                let reason = "is of no use without its certificate; write cert_file, too";
                return Err(refused("key_file", file, reason));
            }
            (None, None) => None,
        };
        let root_cert = self.authorities.map(|file| certificates_in("ca_file", file)).transpose()?;
        Ok(TlsCertificates { client_tls, root_cert })
    }
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
    use super::{super::config::RedisConfig, *};

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
