//! Asks a running service over HTTP.

use crate::args::Connect;
use anyhow::{Context as _, anyhow, bail};
use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;
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
    agent: Agent,
}

impl Service {
    pub(crate) fn new(connect: &Connect) -> anyhow::Result<Self> {
        let url = connect.url.trim_end_matches('/').to_owned();
        if url.starts_with("https:") {
            bail!(
                "`{url}`: this command speaks HTTP without TLS, on the machine of the service; run it there, or forward its port: `ssh -L 9464:127.0.0.1:9464 HOST`"
            );
        }
        if !url.starts_with("http://") {
            bail!("`{url}` is not an address; write for example `http://127.0.0.1:9464`");
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // It is near.
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(Duration::from_secs(10)))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("sigmund/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { url, token: connect.token.clone(), agent: config.into() })
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
            Error::Timeout(_) => anyhow!(
                "`{url}` does not answer in time; look at the log of the service, or try again"
            ),
            Error::HostNotFound => anyhow!("`{url}`: there is no such host; check `--url`"),
            Error::BadUri(_) | Error::Http(_) => {
                anyhow!("`{url}` is not an address; write for example `http://127.0.0.1:9464`")
            }
            error => anyhow!("`{url}` does not answer as a sigmund service does: {error}"),
        }
    }
}
