//! Sends single records on the side, outside transactions.

use super::client::Clients;
use super::forsaken;
use super::outbox::{Context, Outgoing, record};
use anyhow::{Context as _, bail};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use std::fmt;
use std::time::{Duration, Instant};

/// A producer without transactions.
pub struct Publisher {
    clients: Clients,
    name: String,
    producer: BaseProducer<Context>,
    context: Context,
    timeout: Duration,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

impl Publisher {
    /// Makes the producer. `name` is what it is for.
    ///
    /// # Errors
    ///
    /// The client cannot be made.
    pub fn new(clients: &Clients, name: &str) -> anyhow::Result<Self> {
        let context = Context::new(clients.troubles());
        let mut config = clients.aside(name);
        config.set("enable.idempotence", "true");
        config.set("message.timeout.ms", clients.timeout().as_millis().to_string());
        let producer =
            config.create_with_context(context.clone()).context("cannot make a Kafka producer")?;
        let (clients, name, timeout) = (clients.clone(), name.to_owned(), clients.timeout());
        Ok(Self { clients, name, producer, context, timeout })
    }

    /// Sends records and waits until the brokers have all of them.
    ///
    /// # Errors
    ///
    /// One of them was not taken. Others may have been.
    pub fn send(&mut self, outgoing: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        let sent = self.send_with(outgoing);
        if sent.is_err() {
            // This client may be `Forsaken`.
            let other = Self::new(&self.clients, &self.name)?;
            forsaken::leave(std::mem::replace(self, other));
        }
        sent
    }

    fn send_with(&self, outgoing: impl IntoIterator<Item = Outgoing>) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.timeout + Duration::from_secs(1);
        for outgoing in outgoing {
            let mut next = record(&outgoing);
            loop {
                match self.producer.send(next) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                        if Instant::now() < deadline =>
                    {
                        next = back;
                        self.producer.poll(Duration::from_millis(10));
                    }
                    Err((error, _)) => bail!("cannot send to `{}`: {error}", outgoing.topic),
                }
            }
        }
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::from_millis(10));
            if Instant::now() > deadline {
                bail!("the brokers do not take records in time");
            }
        }
        match self.context.take() {
            Some(problem) => bail!("{problem}"),
            None => Ok(()),
        }
    }
}
