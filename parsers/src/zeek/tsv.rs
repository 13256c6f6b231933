//! Reads Zeek's TSV logs row by row.
//!
//! Names are resolved to slots once per header; a row then costs one search per wanted column. Cells are split before
//! they are unescaped, and compared with the markers of nothing before too (the writer escapes the first byte of a value
//! that equals one). Values are those of the JSON writer: `T`/`F` are booleans, counts and times numbers,
//! sets and vectors several values, an unset cell no field at all.

use super::cells::Cells;
use super::columns::{ColumnType, Layout, Scalar, is_number, layout_of};
use super::header::{Header, blank_parts, is_plain_names, is_usual_option, split};
use super::{escape, nanos, path_of_file, route};
use crate::framing::BOM;
use crate::{Outcome, Parser, StreamInfo};
use sigmund_engine::{EventTime, FieldTable, Fields, Kind, Record, Route, Slot, Store, TimeSource};
use std::sync::Arc;

/// Cells beyond the last column are kept under this name.
pub(super) const SURPLUS: &str = "_extra";

/// Times before 1971 stand for none, as in every other format: traffic without a clock, 0.
const FIRST_TIME: i64 = 365 * 86_400 * 1_000_000_000;

/// A cell as its columns read it.
#[derive(Debug)]
struct Cell {
    slot: Option<Slot>,
    of: ColumnType,
    /// Further columns in the same cell (see [`super::header::Column::joined`]).
    joined: Vec<(Option<Slot>, ColumnType)>,
}

impl Cell {
    fn is_wanted(&self) -> bool {
        self.slot.is_some() || self.joined.iter().any(|(slot, _)| slot.is_some())
    }

    /// Its column, if it is one.
    fn only(&self) -> Option<(Slot, ColumnType)> {
        Some((self.slot?, self.of)).filter(|_| self.joined.is_empty())
    }
}

/// The cells of a header's rows for one table of wanted names.
#[derive(Debug, Default)]
struct Plan {
    /// Whose slots these are; `None` if nothing is planned.
    table: Option<Arc<FieldTable>>,
    cells: Vec<Cell>,
    /// The cells that are wanted; `None` if all are, and those beyond the last column too.
    wanted: Option<Vec<Wanted>>,
    surplus: Option<Slot>,
}

/// A cell that is wanted.
#[derive(Debug)]
struct Wanted {
    number: usize,
    /// What it fills, where it is one column.
    column: Option<(Slot, ColumnType)>,
}

impl Plan {
    fn new(fields: &mut Fields, header: &Header) -> Self {
        let mut cells: Vec<Cell> = Vec::with_capacity(header.columns.len());
        for column in &header.columns {
            let slot = fields.slot(&column.name);
            match cells.last_mut() {
                Some(cell) if column.joined => cell.joined.push((slot, column.of)),
                _ => cells.push(Cell { slot, of: column.of, joined: Vec::new() }),
            }
        }
        // Asked for last, and only when the whole event is collected: it is no field that rules know.
        let surplus = fields.find(SURPLUS);
        let wanted = match surplus.is_some() || fields.collects() {
            true => None,
            false => {
                let wanted = cells.iter().enumerate().filter(|(_, cell)| cell.is_wanted());
                let wanted = wanted.map(|(number, cell)| Wanted { number, column: cell.only() });
                Some(wanted.collect())
            }
        };
        Self { table: Some(Arc::clone(fields.table())), cells, wanted, surplus }
    }

    fn fits(&self, fields: &Fields) -> bool {
        self.table.as_ref().is_some_and(|table| Arc::ptr_eq(table, fields.table()))
    }
}

/// The reader of one stream.
#[derive(Debug)]
pub(super) struct Reader {
    info: StreamInfo,
    header: Header,
    /// Which log the file name says this is.
    file_path: Option<Box<str>>,
    plan: Plan,
    /// The same for a record that collects all names: its table is nobody else's, so that it stands for the slots that it has given.
    whole: Plan,
    /// Of the row at hand.
    cells: Cells,
    route: Option<Arc<Route>>,
    conditional: bool,
    time_cell: Option<usize>,
}

impl Reader {
    pub(super) fn new(info: &StreamInfo) -> Self {
        Self {
            info: info.clone(),
            header: Header::default(),
            file_path: path_of_file(&info.file_name).map(Into::into),
            plan: Plan::default(),
            whole: Plan::default(),
            cells: Cells::default(),
            route: None,
            conditional: !info.routing.condition_fields().is_empty(),
            time_cell: None,
        }
    }

    fn header_changed(&mut self) {
        (self.plan, self.whole) = (Plan::default(), Plan::default());
        self.route = None;
        let cells = self.header.columns.iter().filter(|column| !column.joined);
        self.time_cell = cells.clone().position(|column| &*column.name == "ts").or_else(|| {
            // Tests of Zeek and its users' own logs call it otherwise.
            let first = cells.clone().next()?;
            (first.of.scalar == Scalar::Time || &*first.name == "t").then_some(0)
        });
    }

    /// Finds columns for a row that no header came before.
    fn assume_columns(&mut self, line: &[u8]) -> bool {
        if is_plain_names(line) {
            return false;
        }
        let cells: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
        if cells.len() < 5 || !is_number(cells[0]) {
            return false;
        }
        let known = self.header.path.as_deref().or(self.file_path.as_deref());
        let layout = known
            .and_then(|path| layout_of(Some(path), &cells))
            .or_else(|| layout_of(None, &cells));
        let Some(layout) = layout else { return false };
        self.header = Header { path: Some(layout.path.into()), ..Header::default() };
        self.header.columns = columns_of(layout);
        self.header_changed();
        true
    }

    fn row(&mut self, line: &[u8], record: &mut Record) {
        let plan = match record.fields.collects() {
            true => &mut self.whole,
            false => &mut self.plan,
        };
        if !plan.fits(&record.fields) {
            *plan = Plan::new(&mut record.fields, &self.header);
        }
        let plan = &*plan;
        let mut writer =
            Row { header: &self.header, line, fields: &mut record.fields, may_have_escapes: true };
        match self.header.separator.as_slice() {
            [separator] if u32::try_from(line.len()).is_ok() => {
                self.cells.split(line, *separator);
                writer.may_have_escapes = self.cells.has_backslashes;
                let mut write = |number, column: Option<(Slot, ColumnType)>| {
                    // The row may be too short.
                    let Some((start, end)) = self.cells.get(number, line.len()) else { return };
                    match column {
                        Some((slot, of)) => writer.column(slot, of, start, end),
                        None => writer.cell(plan, number, start, end),
                    }
                };
                match &plan.wanted {
                    Some(wanted) => wanted.iter().for_each(|one| write(one.number, one.column)),
                    None => (0..self.cells.count()).for_each(|number| write(number, None)),
                }
            }
            separator => {
                let mut start = 0;
                for (number, cell) in split(separator, line).enumerate() {
                    let is_wanted = match &plan.wanted {
                        Some(wanted) => {
                            wanted.binary_search_by_key(&number, |one| one.number).is_ok()
                        }
                        None => true,
                    };
                    if is_wanted {
                        writer.cell(plan, number, start, start + cell.len());
                    }
                    start += cell.len() + separator.len();
                }
            }
        }
    }

    fn time(&self, line: &[u8]) -> Option<EventTime> {
        let cell = split(&self.header.separator, line).nth(self.time_cell?)?;
        let nanos = nanos(std::str::from_utf8(cell).ok()?)?;
        if nanos < FIRST_TIME {
            return None;
        }
        Some(EventTime {
            nanos,
            source: TimeSource::Field("ts"),
            year_inferred: false,
            zone_assumed: false,
        })
    }

    fn route(&mut self, line: &[u8], fields: &Fields) -> Arc<Route> {
        if let Some(route) = self.route.as_ref().filter(|_| !self.conditional) {
            return Arc::clone(route);
        }
        let path = self.header.path.as_deref().or(self.file_path.as_deref()).unwrap_or("unknown");
        let field = |name: &str| {
            let value = fields.first(fields.find(name)?)?;
            Some(String::from_utf8_lossy(fields.bytes(line, value)).into_owned())
        };
        let route = route::route(&self.info.routing, path, &field);
        self.route = Some(Arc::clone(&route));
        route
    }
}

/// A row without its line end.
fn line_of(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn columns_of(layout: &Layout) -> Vec<super::header::Column> {
    let column = |(name, of): &(&'static str, ColumnType)| super::header::Column {
        name: (*name).into(),
        of: *of,
        joined: false,
    };
    layout.columns.iter().map(column).collect()
}

/// Writes the cells of one row.
struct Row<'a> {
    header: &'a Header,
    line: &'a [u8],
    fields: &'a mut Fields,
    /// Whether there is a backslash anywhere in the line.
    may_have_escapes: bool,
}

impl Row<'_> {
    #[inline(never)]
    fn cell(&mut self, plan: &Plan, column: usize, start: usize, end: usize) {
        let Some(cell) = plan.cells.get(column) else {
            self.surplus(plan, start, end);
            return;
        };
        if cell.joined.is_empty() {
            if let Some(slot) = cell.slot {
                self.column(slot, cell.of, start, end);
            }
            return;
        }
        let base = self.line.as_ptr() as usize;
        let columns = std::iter::once((cell.slot, cell.of)).chain(cell.joined.iter().copied());
        for ((slot, of), (part, _)) in columns.zip(blank_parts(&self.line[start..end])) {
            if let Some(slot) = slot {
                let start = part.as_ptr() as usize - base;
                self.column(slot, of, start, start + part.len());
            }
        }
    }

    #[cold]
    fn surplus(&mut self, plan: &Plan, start: usize, end: usize) {
        let slot = match self.fields.collects() {
            true => self.fields.slot(SURPLUS),
            false => plan.surplus,
        };
        if let Some(slot) = slot {
            self.scalar(slot, Scalar::Text, start, end);
        }
    }

    #[inline(always)]
    fn column(&mut self, slot: Slot, of: ColumnType, start: usize, end: usize) {
        let cell = &self.line[start..end];
        if is_marker(cell, &self.header.unset) {
            return;
        }
        match (of.multi, is_marker(cell, &self.header.empty)) {
            (false, false) => self.scalar(slot, of.scalar, start, end),
            (false, true) => self.fields.push(slot, Kind::Text, Store::Record, start, start),
            (true, false) => self.elements(slot, of.scalar, start, end),
            (true, true) => self.fields.push(slot, Kind::Empty, Store::Record, start, start),
        }
    }

    #[inline(never)]
    fn elements(&mut self, slot: Slot, of: Scalar, start: usize, end: usize) {
        let mut from = start;
        loop {
            let rest = &self.line[from..end];
            let at = match self.header.set_separator.as_slice() {
                [] => None,
                [separator] => memchr::memchr(*separator, rest),
                separator => memchr::memmem::find(rest, separator),
            };
            let to = at.map_or(end, |at| from + at);
            let element = &self.line[from..to];
            if element == self.header.unset {
                self.fields.push(slot, Kind::Null, Store::Record, from, from);
            } else if element == self.header.empty {
                self.fields.push(slot, Kind::Text, Store::Record, from, from);
            } else {
                self.scalar(slot, of, from, to);
            }
            if to == end {
                return;
            }
            from = to + self.header.set_separator.len();
        }
    }

    #[inline(always)]
    fn scalar(&mut self, slot: Slot, of: Scalar, start: usize, end: usize) {
        let text = &self.line[start..end];
        let kind = match of {
            Scalar::Text | Scalar::Address => Kind::Text,
            Scalar::Bool => match text {
                b"T" => Kind::True,
                b"F" => Kind::False,
                _ => Kind::Text,
            },
            Scalar::Number | Scalar::Time if is_number(text) => Kind::Number,
            Scalar::Number | Scalar::Time => Kind::Text,
        };
        if kind == Kind::Text && self.may_have_escapes && memchr::memchr(b'\\', text).is_some() {
            self.escaped(slot, start, end);
        } else {
            self.fields.set_first(slot, kind, (start, end));
        }
    }

    #[cold]
    fn escaped(&mut self, slot: Slot, start: usize, end: usize) {
        let scratch = self.fields.scratch();
        let from = scratch.len();
        escape::decode(&self.line[start..end], scratch);
        let to = scratch.len();
        self.fields.push(slot, Kind::Text, Store::Scratch, from, to);
    }
}

/// Whether a cell is what a header says stands for nothing: nearly always one byte, or longer than most cells.
#[inline(always)]
fn is_marker(cell: &[u8], marker: &[u8]) -> bool {
    match marker {
        [byte] => cell == [*byte],
        marker => cell == marker,
    }
}

impl Parser for Reader {
    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome {
        let line = line_of(bytes);
        // Of a file that was appended to another.
        let line = match line.strip_prefix(BOM) {
            Some(rest) if rest.starts_with(b"#") || is_plain_names(rest) => rest,
            _ => line,
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            return Outcome::Skip("empty line");
        }
        let indented = matches!(line[0], b' ' | b'\t') && is_usual_option(line);
        let is_meta =
            line.first() == self.header.meta.first() && line.starts_with(&self.header.meta);
        if is_meta || indented || line[0] == b'#' {
            if let Some(changed) = self.header.read(line) {
                if changed {
                    self.header_changed();
                }
                return Outcome::Skip("header");
            }
        } else if self.header.columns.is_empty()
            && super::header::separator_line(line).is_some()
            && self.header.read(line).is_some()
        {
            self.header_changed();
            return Outcome::Skip("header");
        }
        let first_name = |header: &Header| header.columns.first().map(|column| column.name.clone());
        let names_again = self.header.plain
            && first_name(&self.header).is_some_and(|name| line.starts_with(name.as_bytes()));
        if (self.header.columns.is_empty() || names_again) && is_plain_names(line) {
            self.header.path = self.header.path.take().or_else(|| self.file_path.clone());
            self.header.read_plain(line);
            self.header_changed();
            return Outcome::Skip("header");
        }
        if self.header.columns.is_empty() && !self.assume_columns(line) {
            return Outcome::Foreign;
        }
        // A row that was cut off in its first cell still looks like one; anything else was mixed in.
        let begins_otherwise = || match self.header.columns[0].of.scalar {
            Scalar::Time => !is_number(line),
            _ => matches!(line[0], b'{' | b'<'),
        };
        let has_separator = match self.header.separator.as_slice() {
            [separator] => memchr::memchr(*separator, line).is_some(),
            separator => memchr::memmem::find(line, separator).is_some(),
        };
        if self.header.columns.len() > 2 && !has_separator && begins_otherwise() {
            return Outcome::Foreign;
        }
        self.row(line, record);
        if record.wants_time {
            record.time = self.time(line);
        }
        record.route = Some(self.route(line, &record.fields));
        Outcome::Event
    }

    fn time_of(&mut self, bytes: &[u8], _: &Record) -> Option<Option<EventTime>> {
        Some(self.time(line_of(bytes)))
    }

    fn knows(&self, line: &[u8]) -> bool {
        let cells = self.header.columns.iter().filter(|column| !column.joined).count();
        cells > 1 && split(&self.header.separator, line).count() == cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zeek::tests::info;

    /// Field, kind and text of every value of an event.
    pub(in crate::zeek) fn values(record: &Record, line: &[u8]) -> Vec<(String, Kind, String)> {
        let fields = &record.fields;
        let of = |slot| fields.values(slot).map(move |value| (slot, value));
        let text = |value| String::from_utf8_lossy(fields.bytes(line, value)).into_owned();
        fields
            .present()
            .flat_map(of)
            .map(|(slot, value)| (fields.name(slot).to_owned(), value.kind, text(value)))
            .collect()
    }

    fn events(file_name: &str, log: &[u8]) -> Vec<Vec<(String, Kind, String)>> {
        let mut reader = Reader::new(&info(file_name));
        let mut record = Record::collecting();
        let mut events = Vec::new();
        for line in log.split(|byte| *byte == b'\n') {
            record.clear();
            if reader.parse(line, &mut record) == Outcome::Event {
                events.push(values(&record, line));
            }
        }
        events
    }

    const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n";

    fn value(name: &str, kind: Kind, text: &str) -> (String, Kind, String) {
        (name.to_owned(), kind, text.to_owned())
    }

    #[test]
    fn cells_have_the_values_that_the_json_writer_gives_them() {
        let log = format!(
            "{HEADER}#fields\tts\tproto\tn\tlocal\tset\tnone\tvec\tempty\ttext\n#types\ttime\tenum\tcount\tbool\tset[string]\tset[string]\tvector[string]\tstring\tstring\n\
            1.000500\ttcp\t7\tT\ta\\x2cb,c\t(empty)\t-,(empty)\t(empty)\t\\x2d\n"
        );
        let events = events("x.log", log.as_bytes());
        assert_eq!(
            events[0],
            [
                value("ts", Kind::Number, "1.000500"),
                value("proto", Kind::Text, "tcp"),
                value("n", Kind::Number, "7"),
                value("local", Kind::True, "T"),
                value("set", Kind::Text, "a,b"),
                value("set", Kind::Text, "c"),
                value("none", Kind::Empty, ""),
                value("vec", Kind::Null, ""),
                value("vec", Kind::Text, ""),
                value("empty", Kind::Text, ""),
                value("text", Kind::Text, "-"),
            ]
        );
    }

    #[test]
    fn the_time_of_a_row_needs_no_other_cell() {
        let mut reader = Reader::new(&info("x.log"));
        let mut record = Record::collecting();
        record.wants_time = false;
        let log =
            format!("{HEADER}#fields\tuid\tts\n#types\tstring\ttime\nC1\t1700000000.5\r\nC2\t-\n");
        let mut told = Vec::new();
        for line in log.split_terminator('\n').map(str::as_bytes) {
            record.clear();
            if reader.parse(line, &mut record) == Outcome::Event {
                let time = reader.time_of(line, &record);
                assert_eq!(time, Some(reader.event(line, &mut Record::collecting()).time));
                told.push(time.flatten().map(|time| time.nanos));
            }
        }
        assert_eq!(told, [Some(1_700_000_000_500_000_000), None]);
    }

    #[test]
    fn nothing_may_be_written_as_nothing() {
        let log = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t\n#path\thttp\n\
            #fields\tts\thost\turi\tset\n#types\ttime\tstring\tstring\tset[string]\n1.000500\t\t-\t\n";
        assert_eq!(
            events("x.log", log.as_bytes())[0],
            [value("ts", Kind::Number, "1.000500"), value("uri", Kind::Text, "-")]
        );
    }

    #[test]
    fn a_second_file_may_begin_with_a_byte_order_mark() {
        let first = format!("{HEADER}#fields\tts\tuid\n#types\ttime\tstring\n1.5\tC1\n");
        let second = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n#fields\tts\tquery\n#types\ttime\tstring\n2.5\tq.example\n";
        let log = format!("{first}\u{feff}{second}");
        let found = events("x.log", log.as_bytes());
        let expected = [
            vec![value("ts", Kind::Number, "1.5"), value("uid", Kind::Text, "C1")],
            vec![value("ts", Kind::Number, "2.5"), value("query", Kind::Text, "q.example")],
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn unset_cells_are_absent_and_short_and_long_rows_are_events() {
        let log = format!(
            "{HEADER}#fields\ta\tb\tc\n#types\tstring\tstring\tstring\n-\tx\n1\t2\t3\t4\t5\n"
        );
        let events = events("x.log", log.as_bytes());
        assert_eq!(events[0], [value("b", Kind::Text, "x")]);
        assert_eq!(events[1].last(), Some(&value("_extra", Kind::Text, "5")));
        assert_eq!(events[1].len(), 5);
    }

    #[test]
    fn columns_may_change_in_the_middle() {
        let log = format!(
            "{HEADER}#fields\ta\tb\n#types\tcount\tstring\n1\tx\n#close\t2020-01-01-00-00-00\n\
            #separator |\n#path|dns\n#fields|b|a\n#types|string|count\nx|1\n"
        );
        let mut reader = Reader::new(&info("all.log"));
        let mut record = Record::collecting();
        let mut seen = Vec::new();
        for line in log.split('\n') {
            record.clear();
            if reader.parse(line.as_bytes(), &mut record) == Outcome::Event {
                let route = record.route.as_ref().expect("events have a route");
                seen.push((route.name.to_string(), values(&record, line.as_bytes())));
            }
        }
        assert_eq!(seen[0].0, "zeek conn");
        assert_eq!(seen[1].0, "zeek dns");
        assert_eq!(seen[0].1, [value("a", Kind::Number, "1"), value("b", Kind::Text, "x")]);
        assert_eq!(seen[1].1, [value("b", Kind::Text, "x"), value("a", Kind::Number, "1")]);
    }

    #[test]
    fn only_wanted_columns_are_filled_and_slots_follow_the_table() {
        let log = format!("{HEADER}#fields\ta\tb\tc\n#types\tstring\tstring\tstring\n1\t2\t3");
        let mut reader = Reader::new(&info(""));
        for wanted in [["b", "z"], ["z", "c"]] {
            let table = Arc::new(FieldTable::new(wanted));
            let mut record = Record::new(table);
            for line in log.split('\n') {
                record.clear();
                if reader.parse(line.as_bytes(), &mut record) == Outcome::Event {
                    let present: Vec<_> = values(&record, line.as_bytes());
                    let name = if wanted[0] == "z" { wanted[1] } else { wanted[0] };
                    assert_eq!(present.len(), 1);
                    assert_eq!(present[0].0, name);
                }
            }
        }
    }

    #[test]
    fn a_matched_row_can_be_read_again_in_full() {
        let log = format!("{HEADER}#fields\tts\tb\n#types\ttime\tstring\n1521911720.865716\tx");
        let mut reader = Reader::new(&info(""));
        let mut hot = Record::new(Arc::new(FieldTable::new(["b"])));
        let mut whole = Record::collecting();
        for line in log.split('\n') {
            hot.clear();
            if reader.parse(line.as_bytes(), &mut hot) == Outcome::Event {
                assert!(hot.time.is_none());
                for _ in 0..2 {
                    whole.clear();
                    assert_eq!(reader.parse(line.as_bytes(), &mut whole), Outcome::Event);
                    assert_eq!(values(&whole, line.as_bytes()).len(), 2);
                    assert_eq!(whole.time.map(|time| time.nanos), Some(1_521_911_720_865_716_000));
                }
            }
        }
    }

    #[test]
    fn rows_without_header_find_their_log() {
        let row = b"1300475168.853899\tC4J4Th3PJpwUYZZ6gc\t141.142.220.118\t43927\t141.142.2.2\t53\tudp\tdns\t0.000435\t38\t89\tSF\t-\t-\t0\tDd\t1\t66\t1\t117\t(empty)";
        let events = events("", row);
        assert!(events[0].contains(&value("conn_state", Kind::Text, "SF")));
        assert!(events[0].contains(&value("id.orig_p", Kind::Number, "43927")));
        let mut reader = Reader::new(&info("notes.txt"));
        let mut record = Record::collecting();
        assert_eq!(reader.parse(b"some\ttext", &mut record), Outcome::Foreign);
        assert_eq!(reader.parse(b"1.5\tsome\tother\ttabbed\ttext", &mut record), Outcome::Foreign);
    }

    #[test]
    fn a_plain_row_of_names_is_a_header() {
        let log = b"ts\tid.orig_h\tid.orig_p\tb\n1.5\t10.0.0.1\t80\tT\nts\tid.orig_h\tid.orig_p\tb\n1.5\t10.0.0.2\t80\tF\n";
        let events = events("conn.log", log);
        assert_eq!(events.len(), 2);
        assert_eq!(events[0][1], value("id.orig_h", Kind::Text, "10.0.0.1"));
        assert_eq!(events[0][2], value("id.orig_p", Kind::Number, "80"));
    }

    #[test]
    fn separators_of_several_bytes_and_joined_labels() {
        let log = b"#separator ||\n#set_separator||,\n#path||ssh\n#fields||a||b   label   detail\n#types||string||set[string]   string   string\nfa\\x7c\\x7cure||x,y   Malicious   C&C\n";
        let events = events("", log);
        assert_eq!(
            events[0],
            [
                value("a", Kind::Text, "fa||ure"),
                value("b", Kind::Text, "x"),
                value("b", Kind::Text, "y"),
                value("label", Kind::Text, "Malicious"),
                value("detail", Kind::Text, "C&C"),
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(log in proptest::collection::vec(proptest::sample::select(
            b"#separatofildsyx09\\| ,-()\t\n{}T1.\xff".to_vec()), 0..300)) {
            let mut head = HEADER.as_bytes().to_vec();
            events("conn.log", &log);
            head.extend_from_slice(b"#fields\ta\tb   c\n#types\tset[count]\ttime  x\n");
            head.extend_from_slice(&log);
            events("", &head);
        }
    }
}
