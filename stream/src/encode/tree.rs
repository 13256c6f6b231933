//! Objects within objects, of which only those are written that have members.

use super::json;

/// Writes members of objects within an object. Members of the same object are written one after the other.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    open: Vec<&'static str>,
    out: &'a mut Vec<u8>,
}

/// Names of objects, and the name of a member of the innermost.
pub(super) type Place = &'static [&'static str];

impl<'a> Tree<'a> {
    /// Within the object that was begun last.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { open: Vec::new(), out }
    }

    /// A text, if there is one.
    pub(super) fn text(&mut self, place: Place, text: Option<&str>) {
        if let Some(text) = text {
            self.go_to(place);
            json::string(text, self.out);
        }
    }

    /// A number, if there is one.
    pub(super) fn number(&mut self, place: Place, number: Option<u64>) {
        if let Some(number) = number {
            self.go_to(place);
            self.out.extend_from_slice(number.to_string().as_bytes());
        }
    }

    /// A list of texts, if there are some.
    pub(super) fn texts<'t>(&mut self, place: Place, texts: impl Iterator<Item = &'t str>) {
        let mut texts = texts.peekable();
        if texts.peek().is_some() {
            self.go_to(place);
            json::list(texts, self.out);
        }
    }

    /// Ends all objects that it began.
    pub(super) fn close(mut self) {
        self.leave(0);
    }

    fn go_to(&mut self, place: Place) {
        let Some((name, objects)) = place.split_last() else { return };
        let shared = self.open.iter().zip(objects).take_while(|(open, name)| open == name).count();
        self.leave(shared);
        for object in &objects[shared..] {
            json::key(object, self.out);
            self.out.push(b'{');
            self.open.push(object);
        }
        json::key(name, self.out);
    }

    fn leave(&mut self, depth: usize) {
        let ended = self.open.len() - depth;
        self.out.extend(std::iter::repeat_n(b'}', ended));
        self.open.truncate(depth);
    }
}
