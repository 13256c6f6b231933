//! TLS of the HTTP server: its certificate, which is read again when its files change.
//!
//! Certificates are renewed while a service runs for months. What cannot be read then is told, and the one before stays.

use crate::config::Tls;
use anyhow::{Context as _, anyhow, bail};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio_rustls::TlsAcceptor;

/// The files are looked at so often.
const LOOK: Duration = Duration::from_secs(60);

/// When the certificate and the key were written; `None` if that cannot be told.
type Written = [Option<SystemTime>; 2];

/// The certificate of the server.
pub(super) struct Certificate {
    files: Tls,
    written: Written,
    looked: Instant,
    acceptor: TlsAcceptor,
}

impl Certificate {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// The files are not there, are not PEM, or do not belong together.
    pub(super) fn read(files: &Tls) -> anyhow::Result<Self> {
        let written = written(files);
        let acceptor = acceptor(files)?;
        Ok(Self { files: files.clone(), written, looked: Instant::now(), acceptor })
    }

    /// What makes TLS of a connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Reads it again if the files have changed since. They are looked at once a minute.
    pub(super) fn renew(&mut self) {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.look();
        }
    }

    fn look(&mut self) {
        let written = written(&self.files);
        if written == self.written {
            return;
        }
        self.written = written;
        match acceptor(&self.files) {
            Ok(acceptor) => {
                self.acceptor = acceptor;
                tracing::info!("the certificate of `http.tls` was read again");
            }
            Err(error) => tracing::error!(
                "{error:#}; connections go on with the certificate from before, until the files are right"
            ),
        }
    }
}

fn written(files: &Tls) -> Written {
    [&files.certificate, &files.key]
        .map(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

fn acceptor(files: &Tls) -> anyhow::Result<TlsAcceptor> {
    let chain = chain(&files.certificate)
        .with_context(|| format!("`http.tls.certificate`: `{}`", files.certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unread(&error, "key"));
    let key = key.with_context(|| format!("`http.tls.key`: `{}`", files.key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("`http.tls`")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => anyhow!(
                "`http.tls.key`: `{}` is not the key of the first certificate in `{}`",
                files.key.display(),
                files.certificate.display()
            ),
            error => anyhow!(
                "`http.tls`: `{}` with `{}` cannot be used: {error}",
                files.certificate.display(),
                files.key.display()
            ),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// All certificates of a file, the server's own first.
fn chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, pem::Error>>();
    let chain = read().map_err(|error| unread(&error, "certificate"))?;
    if chain.is_empty() {
        bail!("there is no certificate in it; it should have `-----BEGIN CERTIFICATE-----`");
    }
    Ok(chain)
}

fn unread(error: &pem::Error, what: &str) -> anyhow::Error {
    match error {
        pem::Error::Io(error) => anyhow!("cannot be read: {error}"),
        pem::Error::NoItemsFound => {
            let kind = if what == "key" { "PRIVATE KEY" } else { "CERTIFICATE" };
            anyhow!("there is no {what} in it; it should have `-----BEGIN {kind}-----`")
        }
        error => anyhow!("is not in PEM: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn files(certificate: &str, key: &str) -> Tls {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kafka/tls");
        Tls { certificate: folder.join(certificate), key: folder.join(key) }
    }

    fn refused(files: &Tls) -> String {
        let error = Certificate::read(files).err().expect("it is refused");
        let folder = format!("{}/../tests/kafka/tls/", env!("CARGO_MANIFEST_DIR"));
        format!("{error:#}").replace(&folder, "")
    }

    #[test]
    fn what_is_wrong_with_files_is_said() {
        assert!(Certificate::read(&files("client.pem", "client.key")).is_ok());
        assert_eq!(
            refused(&files("nowhere.pem", "client.key")),
            "`http.tls.certificate`: `nowhere.pem`: cannot be read: No such file or directory (os error 2)"
        );
        assert_eq!(
            refused(&files("README.md", "client.key")),
            "`http.tls.certificate`: `README.md`: there is no certificate in it; it should have `-----BEGIN CERTIFICATE-----`"
        );
        assert_eq!(
            refused(&files("client.pem", "client.pem")),
            "`http.tls.key`: `client.pem`: there is no key in it; it should have `-----BEGIN PRIVATE KEY-----`"
        );
        assert_eq!(
            refused(&files("client.pem", "expired.key")),
            "`http.tls.key`: `expired.key` is not the key of the first certificate in `client.pem`"
        );
    }

    #[test]
    fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let copy = |from: &str, to: &str| {
            std::fs::copy(files(from, "").certificate, path(to)).expect("a copy");
        };
        copy("client.pem", "tls.pem");
        copy("client.key", "tls.key");
        let ours = Tls { certificate: path("tls.pem"), key: path("tls.key") };
        let mut certificate = Certificate::read(&ours).expect("it is right");
        let kept = |certificate: &Certificate| Arc::as_ptr(certificate.acceptor.config());
        let first = kept(&certificate);
        certificate.look();
        assert_eq!(kept(&certificate), first);
        let mut moment = SystemTime::now();
        let mut touch = |name: &str| {
            moment += Duration::from_secs(2);
            let file = std::fs::File::options().append(true).open(path(name)).expect("a file");
            file.set_modified(moment).expect("a time");
        };
        // The key is to follow.
        copy("expired.pem", "tls.pem");
        touch("tls.pem");
        certificate.look();
        assert_eq!(kept(&certificate), first);
        copy("expired.key", "tls.key");
        touch("tls.key");
        certificate.look();
        assert_ne!(kept(&certificate), first);
    }
}
