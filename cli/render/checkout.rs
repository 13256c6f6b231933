//! Files as code hosts know them: by their path in the repository.

use std::env::{current_dir, var_os};
use std::path::{Component, Path, PathBuf};

/// The folder that paths of annotations begin in.
#[derive(Debug)]
pub(crate) struct Checkout {
    root: PathBuf,
    current: PathBuf,
}

impl Checkout {
    /// What GitHub Actions calls the workspace, or else the current folder.
    pub(crate) fn here() -> Self {
        // Without a current folder relative paths stay as they are.
        let current = current_dir().unwrap_or_default();
        let workspace = var_os("GITHUB_WORKSPACE").filter(|path| !path.is_empty());
        Self { root: workspace.map_or_else(|| current.clone(), PathBuf::from), current }
    }

    /// The path of a file within it. What lies elsewhere keeps its path.
    pub(crate) fn path(&self, path: &str) -> String {
        if path.is_empty() {
            return String::new();
        }
        let file = plain(&self.current.join(path));
        let within = |file: &Path, root: &Path| file.strip_prefix(root).map(shown).ok();
        within(&file, &plain(&self.root))
            // One of them may have been reached through a link.
            .or_else(|| within(&file.canonicalize().ok()?, &self.root.canonicalize().ok()?))
            .unwrap_or_else(|| shown(&plain(Path::new(path))))
    }
}

/// Without `.`, and without `..` where something can be taken back.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match (part, plain.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                plain.pop();
            }
            (part, _) => plain.push(part),
        }
    }
    plain
}

/// With `/` between the parts on all systems.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    if cfg!(windows) { text.replace('\\', "/") } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_in_the_repository() {
        let checkout = |root: &str, current: &str| Checkout {
            root: PathBuf::from(root),
            current: PathBuf::from(current),
        };
        let here = checkout("/home/ann/repo", "/home/ann/repo");
        for (path, expected) in [
            ("./a.yml", "a.yml"),
            ("rules/./a.yml", "rules/a.yml"),
            ("rules/../a.yml", "a.yml"),
            ("/home/ann/repo/rules/a.yml", "rules/a.yml"),
            ("/home/ann/repository/a.yml", "/home/ann/repository/a.yml"),
            ("../a.yml", "../a.yml"),
            ("./../x/a.yml", "../x/a.yml"),
            ("", ""),
        ] {
            assert_eq!(here.path(path), expected, "{path}");
        }
        // Run in a folder of the repository.
        let below = checkout("/home/ann/repo/", "/home/ann/repo/rules/windows");
        assert_eq!(below.path("./a.yml"), "rules/windows/a.yml");
        assert_eq!(below.path("../b.yml"), "rules/b.yml");
        let elsewhere = checkout("/home/ann/repo", "/home/ann/other");
        assert_eq!(elsewhere.path("./a.yml"), "a.yml");
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_the_same_repository() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let real = folder.path().join("real");
        std::fs::create_dir(&real)?;
        std::fs::write(real.join("a.yml"), "")?;
        std::os::unix::fs::symlink(&real, folder.path().join("link"))?;
        let checkout = Checkout { root: folder.path().join("link"), current: real };
        assert_eq!(checkout.path("a.yml"), "a.yml");
        Ok(())
    }
}
