//! Who may ask.
//!
//! A page of any site can make a browser send requests to this machine, and a name that its owner
//! points to 127.0.0.1 after the page was loaded (DNS rebinding) makes them look like requests of
//! the same origin. So the name in `Host` must be one that nobody else can point here, and what
//! comes from another origin is refused.

use std::net::IpAddr;

use hyper::{HeaderMap, header};

use crate::error::Refusal;

/// The rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    /// Names under which the explorer may be asked, beside `localhost` and addresses in numbers.
    pub(crate) hosts: Vec<String>,
    /// What everybody must know, where there is a token.
    pub(crate) token: Option<String>,
}

/// Cookie that holds the token.
const COOKIE: &str = "hsets-token";

impl Guard {
    /// Refuses what comes by a foreign name or from a foreign page.
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = text(headers, header::HOST.as_str())
            .ok_or_else(|| Refusal::bad("a request without Host"))?;
        let name = name_of(host);
        let is_number = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let is_known = name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !(is_number || is_known) {
            return Err(Refusal::forbidden(format!(
                "asked as '{}', a name that is not known here; start with --allow-host if it is yours",
                name.chars().take(80).collect::<String>()
            )));
        }
        let Some(origin) = text(headers, header::ORIGIN.as_str()) else { return Ok(()) };
        let from = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
        if from.is_some_and(|from| from.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        Err(Refusal::forbidden("asked by a page of another site"))
    }

    /// Refuses questions that a browser says another site is behind.
    pub(crate) fn check_site(headers: &HeaderMap) -> Result<(), Refusal> {
        match text(headers, "sec-fetch-site") {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => Err(Refusal::forbidden("asked by a page of another site")),
        }
    }

    /// Refuses whoever does not know the token. Gives the cookie to set, if the token came with the
    /// address.
    pub(crate) fn check_token(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Option<String>, Refusal> {
        let Some(token) = &self.token else { return Ok(None) };
        let mut asked = query.unwrap_or_default().split('&');
        if let Some(given) = asked.find_map(|pair| pair.strip_prefix("token="))
            && same(given, token)
        {
            return Ok(Some(format!("{COOKIE}={token}; HttpOnly; SameSite=Strict")));
        }
        let bearer = text(headers, header::AUTHORIZATION.as_str());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let cookies = text(headers, header::COOKIE.as_str()).unwrap_or_default();
        let cookie = |pair: &str| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE).then(|| same(value, token))
        };
        let known = bearer.is_some_and(|given| same(given, token))
            || cookies.split(';').filter_map(cookie).any(|known| known);
        if known {
            return Ok(None);
        }
        let message = "open the whole address that `hsets serve` printed: it holds the token";
        Err(Refusal::new(hyper::StatusCode::UNAUTHORIZED, message))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The host without its port.
fn name_of(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Compares in a time that does not tell where they differ.
fn same(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == token.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn may(guard: &Guard, pairs: &[(&'static str, &str)]) -> bool {
        guard.check_origin(&headers(pairs)).is_ok()
    }

    #[test]
    fn only_names_that_nobody_else_can_point_here() {
        let guard = Guard { hosts: vec!["box.example".into()], token: None };
        for host in ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.0.7", "BOX.example"]
        {
            assert!(may(&guard, &[("host", host)]), "{host}");
        }
        for host in ["evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io", "", "[x]"] {
            assert!(!may(&guard, &[("host", host)]), "{host}");
        }
        assert!(!may(&guard, &[]));
    }

    #[test]
    fn only_pages_of_its_own() {
        let guard = Guard::default();
        let host = ("host", "localhost:8000");
        assert!(may(&guard, &[host, ("origin", "http://localhost:8000")]));
        assert!(may(&guard, &[host, ("origin", "https://localhost:8000")]));
        for origin in ["http://evil.example", "http://localhost:9000", "null", "file://"] {
            assert!(!may(&guard, &[host, ("origin", origin)]), "{origin}");
        }
        let site = |value| Guard::check_site(&headers(&[("sec-fetch-site", value)])).is_ok();
        assert!(site("same-origin") && site("none"));
        assert!(!site("cross-site") && !site("same-site"));
    }

    #[test]
    fn only_those_who_know_the_token() {
        let guard = Guard { hosts: vec![], token: Some("0123456789abcdef".into()) };
        let check =
            |pairs: &[(&'static str, &str)], query| guard.check_token(&headers(pairs), query).ok();
        assert!(check(&[], None).is_none());
        assert!(check(&[], Some("token=0123456789abcdee")).is_none());
        assert!(check(&[], Some("token=0123456789abcdef0")).is_none());
        let cookie = check(&[], Some("x=1&token=0123456789abcdef")).unwrap().unwrap();
        assert!(cookie.starts_with("hsets-token=0123456789abcdef; HttpOnly; SameSite=Strict"));
        let known = "a=b; hsets-token=0123456789abcdef";
        assert_eq!(check(&[("cookie", known)], None), Some(None));
        assert_eq!(check(&[("authorization", "Bearer 0123456789abcdef")], None), Some(None));
        assert!(check(&[("cookie", "hsets-token=")], None).is_none());
    }
}
