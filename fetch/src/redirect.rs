//! Where a redirect leads (RFC 9110 section 15.4, RFC 3986 section 5.2).
//!
//! Followed here and not by the HTTP client: that reads the redirect's own body to its end first, which a bad server need
//! never send.

use ureq::http::Uri;

/// The absolute URL of a `Location` in the answer from `base`; `None` if it leads nowhere on the web.
pub(crate) fn resolve(base: &str, location: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, rest) = base.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let url = if has_scheme(location) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let path = rest.split('?').next()?;
        let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
        format!("{scheme}://{folder}/{location}")
    };
    let parsed: Uri = url.parse().ok()?;
    let is_web = matches!(parsed.scheme_str(), Some("http" | "https"));
    let has_host = parsed.host().is_some_and(|host| !host.is_empty());
    (is_web && has_host).then_some(url)
}

/// Whether a URL asks for TLS.
pub(crate) fn is_https(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("https")
}

/// Whose a URL is, to be shown: what stands behind the host may be signed, and good for whoever reads it.
pub(crate) fn host_of(url: &str) -> String {
    let parsed: Option<Uri> = url.parse().ok();
    let host = parsed.as_ref().and_then(|it| it.host()).unwrap_or_default();
    host.chars().take(100).collect()
}

fn has_scheme(location: &str) -> bool {
    location.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'+')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_against_where_it_was_said() {
        let base = "https://a.example/x/y?z=/1";
        for (location, expected) in [
            (
                "https://b.example/f?sig=1#here",
                "https://b.example/f?sig=1",
            ),
            ("http://b.example/f", "http://b.example/f"),
            ("//b.example/f", "https://b.example/f"),
            (
                "/api/f?u=https://c.example/",
                "https://a.example/api/f?u=https://c.example/",
            ),
            ("f", "https://a.example/x/f"),
        ] {
            assert_eq!(resolve(base, location).as_deref(), Some(expected));
        }
        for location in [
            "file:///etc/passwd",
            "ftp://b.example/f",
            "https://",
            "http:// b/",
        ] {
            assert_eq!(resolve(base, location), None, "{location:?}");
        }
    }
}
