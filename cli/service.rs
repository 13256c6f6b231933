//! Asks a running service over HTTP.

use crate::args::Connect;
use anyhow::{Context as _, anyhow, bail};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use std::io::{self, BufRead, BufReader, Read};
use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, Error};

/// More is not a status.
const MAX_STATUS: u64 = 64 << 20;
/// Events are detections, which brokers take up to 1 MiB of.
const MAX_LINE: u64 = 8 << 20;
/// The service says something every five seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// A running service.
#[derive(Debug)]
pub(crate) struct Service {
    url: String,
    token: Option<String>,
    /// The file of those that vouch for it.
    authority: Option<PathBuf>,
    agent: Agent,
}

impl Service {
    pub(crate) fn new(connect: &Connect) -> anyhow::Result<Self> {
        let url = connect.url.trim_end_matches('/').to_owned();
        let is_secret = url.starts_with("https://");
        if !is_secret && !url.starts_with("http://") {
            bail!("`{url}` is not an address; write for example `http://127.0.0.1:9464`");
        }
        if !is_secret && connect.ca.is_some() {
            bail!("`--ca` is for an address that begins with `https://`, and `{url}` does not");
        }
        if connect.token.as_ref().is_some_and(|token| token.contains(char::is_control)) {
            bail!(
                "the token has a line break or another control character, which no token has; give that of `http.token` by `--token` or `SIGMUND_HTTP__TOKEN`"
            );
        }
        let tls = if is_secret { trusting(connect.ca.as_deref())? } else { TlsConfig::default() };
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            // It is near.
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(Duration::from_secs(10)))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("sigmund/", env!("CARGO_PKG_VERSION")))
            .build();
        let (token, authority) = (connect.token.clone(), connect.ca.clone());
        Ok(Self { url, token, authority, agent: config.into() })
    }

    /// A document.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<String> {
        let body = self.ask(path)?;
        let text = body.into_with_config().limit(MAX_STATUS).read_to_string();
        text.with_context(|| format!("`{}` does not answer in full", self.url))
    }

    /// Server-sent events: gives name and data of each, until `take` says that it is enough or the service ends.
    pub(crate) fn events(
        &self,
        path: &str,
        take: &mut dyn FnMut(&str, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut lines = BufReader::new(self.ask(path)?.into_reader());
        let (mut name, mut data) = (String::new(), String::new());
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line);
            let read = read.with_context(|| format!("`{}` was lost", self.url))?;
            if read == 0 {
                return Ok(());
            }
            if read as u64 == MAX_LINE {
                bail!("`{}` sends lines without an end: is it sigmund?", self.url);
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            if text.is_empty() {
                if !data.is_empty() {
                    take(&name, &data)?;
                }
                name.clear();
                data.clear();
            } else if let Some(value) = text.strip_prefix("event:") {
                value.trim_start().clone_into(&mut name);
            } else if let Some(value) = text.strip_prefix("data:") {
                data.push_str(value.strip_prefix(' ').unwrap_or(value));
            }
        }
    }

    fn ask(&self, path: &str) -> anyhow::Result<Body> {
        let url = format!("{}{path}", self.url);
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|error| self.unreachable(error))?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        if status == 200 {
            return Ok(body);
        }
        let said = body.with_config().limit(4096).read_to_string().unwrap_or_default();
        let said = said.trim();
        Err(match status {
            401 if self.token.is_some() => anyhow!(
                "`{}` has another token than the one that was given; give that of `http.token` by `--token` or `SIGMUND_HTTP__TOKEN`",
                self.url
            ),
            401 => anyhow!(
                "`{}` wants its token: give that of `http.token` by `--token` or `SIGMUND_HTTP__TOKEN`",
                self.url
            ),
            404 => anyhow!("`{url}` is not there: is `{}` a sigmund service?", self.url),
            _ => anyhow!("`{}` answers {status}: {said}", self.url),
        })
    }

    fn unreachable(&self, error: Error) -> anyhow::Error {
        let url = &self.url;
        let refused = matches!(&error, Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused)
            || matches!(error, Error::ConnectionFailed);
        if refused {
            return anyhow!(
                "nothing listens at `{url}`; is `sigmund run` running there? Its address is `http.listen` of its configuration: give it by `--url`"
            );
        }
        match error {
            Error::Rustls(error) => self.without_trust(&error),
            // It begins with the bytes of an answer, or of an alert.
            Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    Some(error) => self.without_trust(error),
                    None => anyhow!("`{url}` does not answer as a sigmund service does: {error}"),
                }
            }
            Error::Timeout(_) => anyhow!(
                "`{url}` does not answer in time; look at the log of the service, or try again"
            ),
            Error::HostNotFound => anyhow!("`{url}`: there is no such host; check `--url`"),
            Error::BadUri(_) | Error::Http(_) => {
                anyhow!("`{url}` is not an address; write for example `http://127.0.0.1:9464`")
            }
            Error::Io(_) if !self.has_host() => {
                anyhow!("`{url}`: there is no such host; check `--url`")
            }
            error if url.starts_with("http:") => anyhow!(
                "`{url}` does not answer as a sigmund service does: {error}; with `http.tls` in its configuration its address begins with `https://`"
            ),
            error => anyhow!("`{url}` does not answer as a sigmund service does: {error}"),
        }
    }

    /// Whether the host of the address has addresses. What the system says to a name that it does not know has no kind of its own.
    fn has_host(&self) -> bool {
        let url: Option<Uri> = self.url.parse().ok();
        let Some(host) = url.as_ref().and_then(Uri::host) else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (host, 0).to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some())
    }

    fn without_trust(&self, error: &rustls::Error) -> anyhow::Error {
        let url = &self.url;
        match error {
            rustls::Error::InvalidCertificate(why) => {
                let authority = self.authority.as_deref();
                anyhow!("the certificate of `{url}` is not trusted: {}", mistrust(why, authority))
            }
            rustls::Error::InvalidMessage(_) => anyhow!(
                "`{url}` does not speak TLS; without `http.tls` in the configuration of the service its address begins with `http://`"
            ),
            error => anyhow!("`{url}` does not agree on TLS: {error}"),
        }
    }
}

/// Why a certificate is not trusted by those of a file or of the system, and what to do.
fn mistrust(why: &CertificateError, authority: Option<&Path>) -> String {
    match why {
        CertificateError::UnknownIssuer => match authority {
            Some(file) => format!(
                "no certificate in `{}` vouches for it; give the file of those that do by `--ca`",
                file.display()
            ),
            None => "the system does not know who vouches for it; give the file of those that do by `--ca`".to_owned(),
        },
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "{why}; ask by a name that is in it, or make one with `-addext subjectAltName=DNS:NAME` (`IP:ADDRESS`)"
        ),
        // The reason is of a type of another library.
        CertificateError::Other(reason) if format!("{reason:?}").contains("CaUsedAsEndEntity") => {
            "it is that of an authority (`CA:TRUE`, as `openssl req -x509` makes them), which no service may show; make one with `-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:NAME` (`IP:ADDRESS`), or let the authority sign another".to_owned()
        }
        why if authority.is_some() => why.to_string(),
        why => format!("{why}; give the file of those that vouch for it by `--ca`"),
    }
}

/// TLS that trusts these certificates, or those of the system.
fn trusting(file: Option<&Path>) -> anyhow::Result<TlsConfig> {
    let certificates: Vec<Certificate<'static>> = match file {
        Some(path) => {
            let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
            let read: Result<Vec<_>, pem::Error> = read();
            let read = read.with_context(|| format!("`--ca`: `{}` is not read", path.display()))?;
            if read.is_empty() {
                bail!("`--ca`: there is no certificate in `{}`", path.display());
            }
            read.iter().map(|one| Certificate::from_der(one).to_owned()).collect()
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                bail!(
                    "no certificates of the system are found; give the file of those that vouch for the service by `--ca`"
                );
            }
            found.certs.iter().map(|one| Certificate::from_der(one).to_owned()).collect()
        }
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&certificates))
        .build())
}
