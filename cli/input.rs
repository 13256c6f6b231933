//! Logs: files, directories, globs, stdin.
