//! Aliases: Sigma names for native fields, computed only when a rule asks.
//!
//! A native name always works; an alias only adds (law 4). Each format has its tables in the parsers;
//! users add their own. One lookup rule for all: the native field of that name if the event
//! has it, else the alias. An alias of alternates that has the native field of its own name first widens
//! that field ([`Alias::widens`]): it holds although the event has the field.

use std::borrow::Cow;

/// Where an alias takes its value from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The value(s) of a native field.
    Field(Cow<'static, str>),
    /// Computed from the first text of each of these fields.
    Computed {
        /// Native fields.
        from: &'static [&'static str],
        /// Writes the value; `false` if there is none. Texts are in the order of `from`.
        compute: fn(&[Option<&str>], &mut String) -> bool,
        /// What it does, for `explain`, e.g. "path of uri".
        what: &'static str,
    },
    /// One of the values of a native field.
    Element {
        /// The native field.
        field: &'static str,
        /// Which of its values.
        which: Which,
    },
}

/// One of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// By its number, from 0.
    Number(usize),
    /// The first for which another field, of as many values, has this text at the same place (letters of ASCII in any case).
    Beside {
        /// The other field.
        names: &'static str,
        /// Its text.
        name: &'static str,
    },
}

impl Source {
    /// The native fields that it reads.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::Field(field) => vec![field],
            Self::Computed { from, .. } => from.to_vec(),
            Self::Element { field, which: Which::Number(_) } => vec![field],
            Self::Element { field, which: Which::Beside { names, .. } } => vec![field, names],
        }
    }
}

/// How several sources of one alias go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The first source that is present is the value.
    First,
    /// All present sources are candidates: a test holds if it holds for any; `null` and `exists` look
    /// at the first source only. The elements are then treated like those of a multi-valued field.
    Alternates,
}

/// One Sigma name.
#[derive(Clone, Debug)]
pub struct Alias {
    /// The Sigma name.
    pub name: Cow<'static, str>,
    /// In order.
    pub sources: Cow<'static, [Source]>,
    /// How they go together.
    pub pick: Pick,
}

impl Alias {
    /// Another name for one native field, or for the first present of several.
    #[must_use]
    pub fn to(name: &'static str, fields: &[&'static str]) -> Self {
        Self::with(name, Pick::First, fields.iter().map(|field| Source::Field((*field).into())))
    }

    /// Alternates over native fields.
    #[must_use]
    pub fn any(name: &'static str, fields: &[&'static str]) -> Self {
        Self::with(
            name,
            Pick::Alternates,
            fields.iter().map(|field| Source::Field((*field).into())),
        )
    }

    /// Whether it adds candidates to the native field of its own name: alternates of which that field is the first.
    #[must_use]
    pub fn widens(&self) -> bool {
        let own = |source: &Source| matches!(source, Source::Field(field) if *field == self.name);
        self.pick == Pick::Alternates
            && self.sources.len() > 1
            && self.sources.first().is_some_and(own)
    }

    /// From any sources.
    #[must_use]
    pub fn with(name: &'static str, pick: Pick, sources: impl IntoIterator<Item = Source>) -> Self {
        Self { name: name.into(), sources: sources.into_iter().collect::<Vec<_>>().into(), pick }
    }
}

/// The aliases of one kind of event. The first alias of a name counts.
#[derive(Clone, Debug, Default)]
pub struct AliasTable {
    aliases: Vec<Alias>,
}

impl AliasTable {
    /// From aliases; of several with one name the first counts.
    #[must_use]
    pub fn new(aliases: impl IntoIterator<Item = Alias>) -> Self {
        let mut table = Self::default();
        for alias in aliases {
            if table.get(&alias.name).is_none() {
                table.aliases.push(alias);
            }
        }
        table
    }

    /// The alias of that Sigma name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Alias> {
        self.aliases.iter().find(|alias| alias.name == name)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Alias> {
        self.aliases.iter()
    }
}
