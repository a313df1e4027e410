//! Where a component may send requests: `scheme://host[:port]` with wildcards.

use crate::Network;

/// The hosts one component may reach. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<HostPattern>);

impl AllowedHosts {
    /// Collects patterns.
    #[must_use]
    pub fn new(patterns: Vec<HostPattern>) -> Self {
        Self(patterns)
    }

    /// Whether a request to `scheme://host:port` may leave. Without a port the scheme's own counts.
    #[must_use]
    pub fn allows(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        self.0.iter().any(|pattern| pattern.allows(scheme, host, port))
    }

    /// Whether requests without a host, meant for this very application, may be sent.
    #[must_use]
    pub fn allows_self(&self, scheme: &str) -> bool {
        self.0.iter().any(|pattern| {
            pattern.allows_scheme(scheme) && matches!(pattern.host, Host::Any | Host::ToSelf)
        })
    }

    /// Whether nothing may be reached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One entry of `allowed_outbound_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// `None` is any.
    scheme: Option<String>,
    host: Host,
    port: Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    /// Holds the suffix with its leading dot.
    Subdomain(String),
    Exact(String),
    Network(Network),
    ToSelf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Any,
    One(u16),
    /// From the first up to, without, the second.
    Range(u16, u16),
}

impl HostPattern {
    /// Reads `scheme://host[:port|:*|:a..b]`; host is a name, `*`, `*.domain`, `self`, an address or a network.
    ///
    /// # Errors
    /// With the reason as a sentence that holds `entry`.
    pub fn parse(entry: &str) -> Result<Self, String> {
        let entry = entry.trim();
        let broken = |reason: &str| format!("`{entry}` {reason}");
        let Some((scheme, rest)) = entry.split_once("://") else {
            return Err(broken("has no scheme, as in `https://example.com`"));
        };
        if scheme != "*" && !scheme.chars().all(char::is_alphabetic) || scheme.is_empty() {
            return Err(broken("has a scheme that is neither letters nor `*`"));
        }
        let (host, port) = split_port(rest);
        let port = match port {
            Some("*") => Port::Any,
            Some(port) => parse_port(port).ok_or_else(|| broken("has a port that is no number"))?,
            None => match default_port(scheme) {
                Some(port) => Port::One(port),
                None => return Err(broken("needs a port: its scheme has no known one")),
            },
        };
        let host = parse_host(host).map_err(broken)?;
        let scheme = (scheme != "*").then(|| scheme.to_owned());
        Ok(Self { scheme, host, port })
    }

    fn allows(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        self.allows_scheme(scheme)
            && self.allows_host(host)
            && self.allows_port(port.or_else(|| default_port(scheme)))
    }

    fn allows_scheme(&self, scheme: &str) -> bool {
        self.scheme.as_deref().is_none_or(|allowed| allowed == scheme)
    }

    fn allows_host(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match &self.host {
            Host::Any => true,
            Host::ToSelf => false,
            Host::Exact(allowed) => allowed.eq_ignore_ascii_case(bare),
            Host::Subdomain(suffix) => {
                bare.to_ascii_lowercase().ends_with(&suffix.to_ascii_lowercase())
            }
            Host::Network(network) => bare.parse().is_ok_and(|address| network.contains(address)),
        }
    }

    fn allows_port(&self, port: Option<u16>) -> bool {
        match (self.port, port) {
            (Port::Any, _) => true,
            (_, None) => false,
            (Port::One(allowed), Some(port)) => allowed == port,
            (Port::Range(from, to), Some(port)) => (from..to).contains(&port),
        }
    }
}

/// Splits `host:port`, leaving IPv6 in brackets and a single slash at the end alone.
fn split_port(rest: &str) -> (&str, Option<&str>) {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && !port.is_empty() => (host, Some(port)),
        _ => (rest, None),
    }
}

fn parse_port(port: &str) -> Option<Port> {
    match port.split_once("..") {
        Some((from, to)) => Some(Port::Range(from.parse().ok()?, to.parse().ok()?)),
        None => port.parse().ok().map(Port::One),
    }
}

fn parse_host(host: &str) -> Result<Host, &'static str> {
    match host {
        "*" => return Ok(Host::Any),
        "self" | "self.alt" => return Ok(Host::ToSelf),
        "" => return Err("has no host"),
        _ => {}
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Some(network) = Network::parse(bare) {
        return Ok(Host::Network(network));
    }
    if bare.contains('/') {
        return Err("has a path, or a network that is none");
    }
    if let Some(domain) = host.strip_prefix("*.") {
        if domain.contains('*') || domain.is_empty() {
            return Err("has a wildcard that is not the first label");
        }
        return Ok(Host::Subdomain(format!(".{domain}")));
    }
    if host.contains('*') {
        return Err("has a wildcard that is not a whole first label");
    }
    if host.contains(['{', '}', '@', '?', '#']) {
        return Err("has a host with characters that no host has");
    }
    Ok(Host::Exact(host.to_owned()))
}

/// The port that a scheme implies.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "postgres" => Some(5432),
        "mysql" => Some(3306),
        "redis" => Some(6379),
        "mqtt" => Some(1883),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_what_the_entry_says_and_nothing_else() {
        for (entry, scheme, host, port, expected) in [
            ("https://a.example", "https", "a.example", None, true),
            ("https://a.example", "https", "A.Example", Some(443), true),
            ("https://a.example", "http", "a.example", None, false),
            ("https://a.example", "https", "a.example", Some(8443), false),
            ("https://a.example", "https", "b.example", None, false),
            ("https://a.example", "https", "a.example.evil", None, false),
            ("http://a.example:81", "http", "a.example", Some(81), true),
            ("http://a.example:*", "http", "a.example", Some(9), true),
            ("http://a.example:80..90", "http", "a.example", Some(89), true),
            ("http://a.example:80..90", "http", "a.example", Some(90), false),
            ("https://*.a.example", "https", "x.a.example", None, true),
            ("https://*.a.example", "https", "a.example", None, false),
            ("https://*.a.example", "https", "xa.example", None, false),
            ("*://*:*", "http", "anything", Some(1), true),
            ("http://10.0.0.0/8:*", "http", "10.1.2.3", Some(9), true),
            ("http://10.0.0.0/8:*", "http", "11.1.2.3", Some(9), false),
            ("http://10.0.0.0/8:*", "http", "ten.example", Some(9), false),
            ("http://0.0.0.0/0:*", "http", "11.1.2.3", Some(9), true),
            ("http://127.0.0.1:*", "http", "127.0.0.1", Some(3000), true),
            ("http://127.0.0.1:*", "http", "127.0.0.2", Some(3000), false),
            ("http://[::1]:3000", "http", "[::1]", Some(3000), true),
            ("http://[fd00::]/8:*", "http", "[fd12::1]", Some(3000), false),
            ("http://a.example/", "http", "a.example", None, true),
            ("http://self", "http", "a.example", None, false),
        ] {
            let Ok(pattern) = HostPattern::parse(entry) else {
                assert!(!expected, "{entry} was refused");
                continue;
            };
            let hosts = AllowedHosts::new(vec![pattern]);
            assert_eq!(hosts.allows(scheme, host, port), expected, "{entry} {host} {port:?}");
        }
    }

    #[test]
    fn allows_itself_only_where_granted() {
        let of = |entry| AllowedHosts::new(vec![HostPattern::parse(entry).expect("is good")]);
        assert!(of("http://self").allows_self("http"));
        assert!(of("*://*:*").allows_self("http"));
        assert!(!of("https://self").allows_self("http"));
        assert!(!of("http://a.example").allows_self("http"));
        assert!(!AllowedHosts::default().allows("http", "a.example", None));
    }

    #[test]
    fn refuses_entries_that_mean_nothing() {
        for entry in [
            "",
            "*",
            "a.example",
            "ftp://a.example",
            "http://",
            "http://a.example/path",
            "http://a.*.example",
            "http://*a.example",
            "http://a.example:port",
            "http://a.example:1..x",
            "h2://a.example:1",
            "http://10.0.0.0/33:1",
            "http://user@a.example",
        ] {
            assert!(HostPattern::parse(entry).is_err(), "{entry}");
        }
    }
}
