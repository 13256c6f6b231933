//! Parts of request targets and URLs, as web and proxy rules name them.
//!
//! Nothing is decoded: rules look for percent-encoded text as it went over the wire. All functions are made for
//! [`sigmund_engine::alias::Source::Computed`].

/// `scheme://authority` and the rest of an absolute URL; `None` for a path or `host:port`.
fn absolute(target: &str) -> Option<(&str, &str)> {
    let scheme_end = target.find("://")?;
    let scheme = &target[..scheme_end];
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+')
    {
        return None;
    }
    let after = &target[scheme_end + 3..];
    let authority_end = after.find(['/', '?', '#']).unwrap_or(after.len());
    Some(target.split_at(scheme_end + 3 + authority_end))
}

/// Whether a URL says its scheme.
pub(crate) fn is_absolute(url: &str) -> bool {
    absolute(url).is_some()
}

/// The host of an absolute URL, without user and port.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let (begin, _) = absolute(url)?;
    let (_, authority) = begin.split_once("://")?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // IPv6 addresses have colons in brackets.
    let end = authority.find(']').map_or(0, |at| at + 1);
    let end = authority[end..].find(':').map_or(authority.len(), |at| end + at);
    Some(&authority[..end])
}

/// The path and query of a request target: all of it, but without scheme and host.
pub(crate) fn path_and_query_of(target: &str) -> &str {
    absolute(target).map_or(target, |(_, rest)| rest)
}

/// The path: up to `?`.
pub(crate) fn path_of(target: &str) -> &str {
    let rest = path_and_query_of(target);
    rest.split_once('?').map_or(rest, |(path, _)| path)
}

/// The query, without `?`.
pub(crate) fn query_of(target: &str) -> Option<&str> {
    path_and_query_of(target).split_once('?').map(|(_, query)| query)
}

/// The lower-case ending of the last path segment, without the dot.
pub(crate) fn extension_of(target: &str) -> Option<String> {
    let path = path_of(target);
    if !path.starts_with('/') {
        return None;
    }
    let segment = path.rsplit('/').next().unwrap_or_default();
    let (_, extension) = segment.rsplit_once('.')?;
    (!extension.is_empty()).then(|| extension.to_lowercase())
}

/// The full URL of a request: absolute targets and `host:port` (CONNECT) as they are.
pub(crate) fn url_of(host: &str, target: &str, out: &mut String) {
    if !target.starts_with('/') || host.is_empty() {
        out.push_str(target);
        return;
    }
    out.push_str("http://");
    out.push_str(host);
    out.push_str(target);
}

/// Whether a field says that there was nothing: absent, empty or `-`.
pub(crate) fn is_nothing(text: Option<&str>) -> bool {
    matches!(text, None | Some("" | "-"))
}

/// [`path_of`] the first field.
pub(crate) fn path(fields: &[Option<&str>], out: &mut String) -> bool {
    let Some(Some(target)) = fields.first() else { return false };
    out.push_str(path_of(target));
    true
}

/// [`query_of`] the first field; none without `?`.
pub(crate) fn query(fields: &[Option<&str>], out: &mut String) -> bool {
    let Some(query) = fields.first().copied().flatten().and_then(query_of) else { return false };
    out.push_str(query);
    true
}

/// [`path_and_query_of`] the first field.
pub(crate) fn path_and_query(fields: &[Option<&str>], out: &mut String) -> bool {
    let Some(Some(target)) = fields.first() else { return false };
    out.push_str(path_and_query_of(target));
    true
}

/// [`extension_of`] the first field.
pub(crate) fn extension(fields: &[Option<&str>], out: &mut String) -> bool {
    let extension = fields.first().copied().flatten().and_then(extension_of);
    extension.is_some_and(|extension| {
        out.push_str(&extension);
        true
    })
}

/// [`url_of`] host and request target.
pub(crate) fn url(fields: &[Option<&str>], out: &mut String) -> bool {
    let [host, Some(target)] = fields else { return false };
    url_of(host.unwrap_or_default(), target, out);
    true
}

/// The field unless it says that there was nothing.
pub(crate) fn something(fields: &[Option<&str>], out: &mut String) -> bool {
    let Some(Some(text)) = fields.first() else { return false };
    if is_nothing(Some(text)) {
        return false;
    }
    out.push_str(text);
    true
}

/// The empty text if the first field says that there was nothing, though there was a request: one of the others (method, target).
/// A response alone, or HTTP/2's settings, tells nothing of what the client sent.
pub(crate) fn nothing(fields: &[Option<&str>], _out: &mut String) -> bool {
    fields.split_first().is_some_and(|(field, request)| {
        is_nothing(*field) && request.iter().any(|part| !is_nothing(*part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn computed(f: fn(&[Option<&str>], &mut String) -> bool, fields: &[&str]) -> Option<String> {
        let fields: Vec<Option<&str>> = fields.iter().map(|field| Some(*field)).collect();
        let mut out = String::new();
        f(&fields, &mut out).then_some(out)
    }

    #[test]
    fn targets_are_split_without_decoding() {
        assert_eq!(path_of("/a%20b/c.php?x=1?y"), "/a%20b/c.php");
        assert_eq!(query_of("/a?x=1?y"), Some("x=1?y"));
        assert_eq!(query_of("/a"), None);
        assert_eq!(query_of("/a?"), Some(""));
        assert_eq!(path_of("http://h:80/p?q"), "/p");
        assert_eq!(path_and_query_of("https://h?q"), "?q");
        assert_eq!(path_of("/redirect/http://other/x"), "/redirect/http://other/x");
        assert_eq!(path_of("host:443"), "host:443");
        assert_eq!(path_of("*"), "*");
    }

    #[test]
    fn extensions_are_those_of_the_last_segment() {
        assert_eq!(extension_of("/a.b/c.EXE?x=.dll").as_deref(), Some("exe"));
        assert_eq!(extension_of("/a.b/c"), None);
        assert_eq!(extension_of("/a."), None);
        assert_eq!(extension_of("example.com:443"), None);
        assert_eq!(extension_of("http://example.com"), None);
    }

    #[test]
    fn urls_are_made_whole() {
        assert_eq!(computed(url, &["h", "/p?q"]).as_deref(), Some("http://h/p?q"));
        assert_eq!(computed(url, &["h", "http://other/p"]).as_deref(), Some("http://other/p"));
        assert_eq!(computed(url, &["h:443", "h:443"]).as_deref(), Some("h:443"));
        let mut out = String::new();
        assert!(url(&[None, Some("/p")], &mut out));
        assert_eq!(out, "/p");
        assert!(!url(&[Some("h"), None], &mut out));
    }

    #[test]
    fn hosts_have_no_user_and_no_port() {
        for (url, host) in [
            ("http://h/p", Some("h")),
            ("https://u:p@h:8443?q", Some("h")),
            ("http://[2001:db8::1]:80/", Some("[2001:db8::1]")),
            ("http://[2001:db8::1]", Some("[2001:db8::1]")),
            ("http://", Some("")),
            ("h/p", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }

    #[test]
    fn nothing_is_absent_empty_or_a_dash() {
        for text in [None, Some(""), Some("-")] {
            let mut out = String::new();
            for (request, expected) in [
                ([Some("GET"), Some("/")], true),
                ([None, Some("/")], true),
                ([Some("GET"), None], true),
                ([None, None], false),
                ([Some("-"), Some("")], false),
            ] {
                let fields = [&[text][..], &request].concat();
                assert_eq!(nothing(&fields, &mut out), expected, "{fields:?}");
            }
            assert!(!something(&[text], &mut out));
            assert_eq!(out, "");
        }
        assert_eq!(computed(something, &["curl"]).as_deref(), Some("curl"));
        assert_eq!(computed(nothing, &["curl", "GET", "/"]), None);
    }
}
