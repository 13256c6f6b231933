//! Which rules are wanted, by what their metadata say.

use globset::{Glob, GlobSet, GlobSetBuilder};
use sigmund_sigma::rule::{Level, Metadata, Status};

/// By level, tags and status.
#[derive(Debug)]
pub struct MetadataFilter {
    level: Option<Level>,
    tags: Option<GlobSet>,
    status: Vec<Status>,
}

impl MetadataFilter {
    /// Rules of at least this level, with one of these tags (patterns, in any case), of one of these statuses. What is empty asks for nothing.
    ///
    /// # Errors
    ///
    /// The tag that is not a pattern, with the reason.
    pub fn new(
        level: Option<Level>,
        tags: &[String],
        status: Vec<Status>,
    ) -> Result<Self, (&str, globset::Error)> {
        let mut globs = GlobSetBuilder::new();
        for tag in tags {
            globs.add(Glob::new(&tag.to_lowercase()).map_err(|error| (tag.as_str(), error))?);
        }
        let last = tags.last().map(String::as_str);
        let globs = last.map(|tag| globs.build().map_err(|error| (tag, error))).transpose()?;
        Ok(Self { level, tags: globs, status })
    }

    /// Whether a rule is wanted.
    #[must_use]
    pub fn wants(&self, metadata: &Metadata) -> bool {
        self.has_level(metadata) && self.has_status(metadata) && self.has_tag(metadata)
    }

    /// Whether the level of a rule is wanted.
    #[must_use]
    pub fn has_level(&self, metadata: &Metadata) -> bool {
        self.level.is_none_or(|least| metadata.level.is_some_and(|level| level >= least))
    }

    /// Whether the status of a rule is wanted.
    #[must_use]
    pub fn has_status(&self, metadata: &Metadata) -> bool {
        self.status.is_empty()
            || metadata.status.is_some_and(|status| self.status.contains(&status))
    }

    /// Whether a tag of a rule is wanted.
    #[must_use]
    pub fn has_tag(&self, metadata: &Metadata) -> bool {
        self.tags
            .as_ref()
            .is_none_or(|tags| metadata.tags.iter().any(|tag| tags.is_match(tag.to_lowercase())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_asked_for_must_hold() {
        let tags = ["attack.T1*".to_owned(), "car.*".to_owned()];
        let filter = MetadataFilter::new(Some(Level::Medium), &tags, vec![Status::Test]);
        let filter = filter.expect("patterns");
        let rule = |level, tag: &str, status| Metadata {
            level: Some(level),
            status: Some(status),
            tags: vec![tag.to_owned()],
            ..Metadata::default()
        };
        assert!(filter.wants(&rule(Level::High, "attack.t1059", Status::Test)));
        assert!(!filter.wants(&rule(Level::Low, "attack.t1059", Status::Test)));
        assert!(!filter.wants(&rule(Level::High, "attack.execution", Status::Test)));
        assert!(!filter.wants(&rule(Level::High, "attack.t1059", Status::Stable)));
        let all = MetadataFilter::new(None, &[], Vec::new()).expect("no patterns");
        assert!(all.wants(&Metadata::default()));
        let broken = ["a.[".to_owned()];
        let error = MetadataFilter::new(None, &broken, Vec::new()).expect_err("no pattern");
        assert_eq!(error.0, "a.[");
    }
}
