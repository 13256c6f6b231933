//! What a lane does with the records that it reads.

use crate::kafka::{Member, Outgoing, TopicPartition};
use rdkafka::message::BorrowedMessage;
use std::collections::BTreeMap;

/// What a lane does with records.
pub trait Stage {
    /// More records are not taken for one transaction, whatever the configuration says, nor more bytes of them.
    const MAX_RECORDS: usize;
    /// See [`MAX_RECORDS`](Self::MAX_RECORDS).
    const MAX_BYTES: usize;
    /// How what it sends is compressed, unless the configuration says otherwise: a value of Kafka's `compression.type`.
    const COMPRESSION: &'static str;

    /// These partitions are ours now: gets all that is needed to go on with them.
    ///
    /// # Errors
    ///
    /// What is needed cannot be got; the lane ends.
    fn assigned(&mut self, member: &Member, partitions: &[TopicPartition]) -> anyhow::Result<()>;

    /// These partitions are ours no more: forgets all that is about them, and what was to be sent for them.
    fn revoked(&mut self, partitions: &[TopicPartition]);

    /// A record of a partition. One that it holds back comes again, and nothing else of its partition before it.
    ///
    /// # Errors
    ///
    /// The stage cannot go on; the lane ends.
    fn record(
        &mut self,
        partition: &TopicPartition,
        message: &BorrowedMessage<'_>,
    ) -> anyhow::Result<Taken>;

    /// Whether so much is to be sent that no more records should be taken for this transaction.
    fn has_enough(&self) -> bool {
        false
    }

    /// Whether a partition goes on, a record of which was held back. Asked between transactions.
    fn goes_on(&mut self, partition: &TopicPartition) -> bool;

    /// The records of this transaction are here, perhaps none. Gives all that is to be sent.
    ///
    /// # Errors
    ///
    /// The stage cannot go on; the lane ends.
    fn finish(&mut self) -> anyhow::Result<Batch>;

    /// What `finish` gave is visible; it is time to take over other rules.
    fn committed(&mut self, member: &Member);

    /// What `finish` gave was taken back, and the records since the last commit come again: forgets them.
    ///
    /// # Errors
    ///
    /// The state before cannot be got; the lane ends.
    fn aborted(&mut self, member: &Member) -> anyhow::Result<()>;
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is part of the work.
    Done,
    /// Its time has not come: its partition stands still.
    Held,
}

/// What is made visible at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// To be sent, in this order.
    pub outgoing: Vec<Outgoing>,
    /// Says that all of that was sent, in this order: without transactions it is sent when brokers have the rest, or work would be done of which nobody
    /// was told.
    pub state: Vec<Outgoing>,
    /// Partitions whose state goes with it without a record: their offsets are committed too, so that a lane that lost them
    /// is refused.
    pub touched: BTreeMap<TopicPartition, i64>,
    /// There is more to be sent than fits: what comes next needs no records.
    pub more: bool,
}
