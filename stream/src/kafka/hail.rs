//! Whether any broker answers.

use super::client::Clients;
use super::reader::Hearing;
use anyhow::Context as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::fmt;
use std::time::Duration;

/// Asks for a broker.
pub struct Hail {
    client: BaseConsumer<Hearing>,
    clients: Clients,
}

impl fmt::Debug for Hail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hail").finish_non_exhaustive()
    }
}

impl Hail {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn new(clients: &Clients) -> anyhow::Result<Self> {
        let hearing = Hearing(clients.troubles().clone());
        let client = clients
            .aside("reach")
            .create_with_context(hearing)
            .context("cannot make a Kafka client")?;
        Ok(Self { client, clients: clients.clone() })
    }

    /// Whether one answers within a second.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        // Passwords are checked and errors told while it is asked.
        self.client.poll(Duration::ZERO);
        let is_answered = self.client.fetch_metadata(Some(""), Duration::from_secs(1)).is_ok();
        if is_answered {
            self.clients.troubles().reached();
        }
        is_answered
    }
}
