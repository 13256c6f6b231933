//! Partitions that a group has given to nobody.
//!
//! A cooperative rebalance moves a partition in two steps: who has it gives it back and joins again, and only then is it given away. A static member
//! (KIP-345) that dies between them and comes back before it is missed is given what the group has for it, which is without that partition, and
//! nobody begins the second step. So members look whether all is given away. A rebalance is begun by a member that comes and goes: the library does
//! not begin one when it is asked to, and brokers do not when a member joins again that they know.

use super::TopicPartition;
use super::client::Clients;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What the members of a group have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// By topic.
    pub(super) partitions: BTreeMap<String, BTreeSet<i32>>,
    /// The first of the members by name, which does what one of them is to do.
    pub(super) first: String,
}

impl Given {
    /// What is not given away of partitions.
    pub(super) fn without(&self, all: Vec<TopicPartition>) -> BTreeSet<TopicPartition> {
        let is_given = |at: &TopicPartition| {
            self.partitions.get(&*at.topic).is_some_and(|given| given.contains(&at.partition))
        };
        all.into_iter().filter(|at| !is_given(at)).collect()
    }
}

/// What the members of a group of the classic protocol have. `None` while it is being shared out, or where brokers do not say.
pub(super) fn given<C: rdkafka::consumer::ConsumerContext>(
    consumer: &BaseConsumer<C>,
    group: &str,
) -> Option<Given> {
    let groups = consumer.fetch_group_list(Some(group), Duration::from_secs(5)).ok()?;
    let found = groups.groups().iter().find(|found| found.name() == group)?;
    if found.state() != "Stable" {
        return None;
    }
    let first = found.members().iter().map(|member| member.client_id()).min()?.to_owned();
    let mut given = Given { first, ..Given::default() };
    for member in found.members() {
        read(member.assignment()?, &mut given.partitions)?;
    }
    Some(given)
}

/// Adds what an assignment says (`ConsumerProtocolAssignment`: version, topics with partitions, and what its maker wants to remember).
fn read(mut bytes: &[u8], into: &mut BTreeMap<String, BTreeSet<i32>>) -> Option<()> {
    if bytes.is_empty() {
        return Some(());
    }
    let input = &mut bytes;
    let _version = i16::from_be_bytes(take(input)?);
    for _ in 0..i32::from_be_bytes(take(input)?) {
        let length = usize::try_from(i16::from_be_bytes(take(input)?)).ok()?;
        let (topic, rest) = input.split_at_checked(length)?;
        *input = rest;
        let partitions = into.entry(std::str::from_utf8(topic).ok()?.to_owned()).or_default();
        for _ in 0..i32::from_be_bytes(take(input)?) {
            partitions.insert(i32::from_be_bytes(take(input)?));
        }
    }
    Some(())
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*first)
}

/// Begins a rebalance of the group of a stage: joins it for a topic that nobody reads there, and leaves it.
///
/// # Errors
///
/// There is no thread for it.
pub(super) fn rebalance(clients: &Clients, stage: &str, lane: usize) -> std::io::Result<()> {
    let (config, topic) = clients.guest(stage, lane);
    let thread = std::thread::Builder::new().name("guest".to_owned());
    thread.spawn(move || {
        let Ok(consumer): Result<BaseConsumer, _> = config.create() else { return };
        if consumer.subscribe(&[&topic]).is_err() {
            return;
        }
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end && consumer.assignment().is_ok_and(|own| own.count() == 0) {
            consumer.poll(Duration::from_millis(100));
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_nobody_has_is_found() {
        let mut given = Given::default();
        let bytes = b"\0\x01\0\0\0\x02\0\x03raw\0\0\0\x02\0\0\0\x01\0\0\0\x03\0\x01b\0\0\0\0\xff\xff\xff\xff";
        assert_eq!(read(bytes, &mut given.partitions), Some(()));
        assert_eq!(read(b"", &mut given.partitions), Some(()));
        let all = |topic: &str| {
            let topic: Arc<str> = topic.into();
            (0..4)
                .map(|partition| TopicPartition { topic: Arc::clone(&topic), partition })
                .collect()
        };
        let left: Vec<i32> = given.without(all("raw")).iter().map(|at| at.partition).collect();
        assert_eq!(left, [0, 2]);
        assert_eq!(given.without(all("b")).len(), 4);
        for end in 1..bytes.len() - 4 {
            assert_eq!(read(&bytes[..end], &mut BTreeMap::new()), None, "{end}");
        }
        assert_eq!(read(b"\0\x01\0\0\0\x01\xff\xffx", &mut BTreeMap::new()), None);
    }
}
