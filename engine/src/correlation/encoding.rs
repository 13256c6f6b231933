//! Numbers and texts as bytes: short, and read without trust. A length is held against what is there before memory is asked for.

use super::sighting::EventRef;
use super::window::Entry;

/// Appends.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    /// Seven bits a byte, the lowest first.
    pub(crate) fn number(&mut self, number: u64) {
        self.wide(u128::from(number));
    }

    fn wide(&mut self, mut number: u128) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// With its sign in the lowest bit.
    pub(crate) fn signed(&mut self, number: i64) {
        self.signed_wide(i128::from(number));
    }

    pub(crate) fn signed_wide(&mut self, number: i128) {
        self.wide(((number << 1) ^ (number >> 127)).cast_unsigned());
    }

    /// With its length before it.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn entry(&mut self, entry: Entry) {
        self.signed(entry.time);
        self.number(u64::from(entry.event.source));
        self.number(entry.event.record);
        self.number(u64::from(entry.rules));
    }

    /// One after the other, times and records as differences: mostly five bytes or less each.
    pub(crate) fn entries(&mut self, entries: impl ExactSizeIterator<Item = Entry>) {
        self.number(entries.len() as u64);
        let mut before = Entry::default();
        for entry in entries {
            self.signed_wide(i128::from(entry.time) - i128::from(before.time));
            self.number(u64::from(entry.event.source));
            self.signed(entry.event.record.wrapping_sub(before.event.record).cast_signed());
            self.number(u64::from(entry.rules));
            before = entry;
        }
    }
}

/// What is wrong with bytes.
pub(crate) type Broken = &'static str;

const SHORT: Broken = "it ends too early";
const LARGE: Broken = "a number is too large";

/// Reads from the front.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'b>(pub(crate) &'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], Broken> {
        let (first, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(first)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Broken> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N)?.try_into().map_err(|_| SHORT)
    }

    fn wide(&mut self) -> Result<u128, Broken> {
        let mut number = 0;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                return Err(LARGE);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(LARGE)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Broken> {
        self.wide()?.try_into().map_err(|_| LARGE)
    }

    pub(crate) fn small(&mut self) -> Result<u32, Broken> {
        self.wide()?.try_into().map_err(|_| LARGE)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Broken> {
        self.signed_wide()?.try_into().map_err(|_| LARGE)
    }

    pub(crate) fn signed_wide(&mut self) -> Result<i128, Broken> {
        let number = self.wide()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], Broken> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| LARGE)?)
    }

    pub(crate) fn text(&mut self) -> Result<&'b str, Broken> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8")
    }

    /// The length of a list whose members take at least so many bytes.
    pub(crate) fn length(&mut self, each: usize) -> Result<usize, Broken> {
        let length = usize::try_from(self.number()?).map_err(|_| LARGE)?;
        if length > self.0.len() / each {
            return Err("a list is longer than what is there");
        }
        Ok(length)
    }

    pub(crate) fn entry(&mut self) -> Result<Entry, Broken> {
        let time = self.signed()?;
        let event = EventRef { source: self.small()?, record: self.number()? };
        Ok(Entry { time, event, rules: self.small()? })
    }

    /// In order of time.
    pub(crate) fn entries(&mut self) -> Result<Vec<Entry>, Broken> {
        let mut entries: Vec<Entry> = Vec::with_capacity(self.length(4)?);
        let mut before = Entry::default();
        while entries.len() < entries.capacity() {
            let time = i128::from(before.time).checked_add(self.signed_wide()?).ok_or(LARGE)?;
            let time = i64::try_from(time).map_err(|_| LARGE)?;
            if !entries.is_empty() && time < before.time {
                return Err("hits are out of order");
            }
            let source = self.small()?;
            let record = before.event.record.wrapping_add(self.signed()?.cast_unsigned());
            before = Entry { time, event: EventRef { source, record }, rules: self.small()? };
            entries.push(before);
        }
        Ok(entries)
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Broken> {
        if self.0.is_empty() { Ok(()) } else { Err("something follows its end") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn are_read_as_written(number: u64, signed: i64, wide: i128, bytes: Vec<u8>, times: Vec<i64>) {
            let mut times = times;
            times.sort_unstable();
            let entries: Vec<Entry> = times
                .iter()
                .map(|time| Entry {
                    time: *time,
                    event: EventRef { source: *time as u32, record: time.cast_unsigned() },
                    rules: (*time >> 7) as u32,
                })
                .collect();
            let mut writer = Writer::default();
            writer.number(number);
            writer.signed(signed);
            writer.signed_wide(wide);
            writer.bytes(&bytes);
            writer.entries(entries.iter().copied());
            entries.iter().for_each(|entry| writer.entry(*entry));
            let mut reader = Reader(&writer.0);
            proptest::prop_assert_eq!(reader.number(), Ok(number));
            proptest::prop_assert_eq!(reader.signed(), Ok(signed));
            proptest::prop_assert_eq!(reader.signed_wide(), Ok(wide));
            proptest::prop_assert_eq!(reader.bytes(), Ok(&bytes[..]));
            proptest::prop_assert_eq!(reader.entries(), Ok(entries.clone()));
            for entry in &entries {
                proptest::prop_assert_eq!(reader.entry(), Ok(*entry));
            }
            proptest::prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn anything_can_be_read(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            while !reader.0.is_empty() {
                let before = reader.0.len();
                let _ = reader.clone().entries();
                let _ = reader.clone().text();
                let _ = reader.clone().signed();
                let _ = reader.signed_wide();
                proptest::prop_assert!(reader.0.len() < before);
            }
        }
    }

    #[test]
    fn lengths_are_not_believed() {
        let mut writer = Writer::default();
        writer.number(u64::MAX);
        writer.0.extend([0; 40]);
        assert!(Reader(&writer.0).entries().is_err());
        assert!(Reader(&writer.0).bytes().is_err());
        assert!(Reader(&[0xFF; 40]).number().is_err());
    }
}
