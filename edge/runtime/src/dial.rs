//! Connections to other hosts, never to a blocked network.
//!
//! A name is resolved once, here; what is checked is what is connected to. So a name that answers with another address
//! a moment later (DNS rebinding) reaches nothing that its first answer could not.

use std::{io, net::SocketAddr, time::Duration};

use manifest::BlockedNetworks;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The name has no address.
    #[error("the name `{host}` has no address")]
    Unknown {
        host: String,
        #[source]
        cause: io::Error,
    },
    /// Every address is in a network that the operator blocked.
    #[error("`{host}` is in a blocked network")]
    Blocked { host: String },
    /// Nobody accepted.
    #[error("`{host}` refused the connection")]
    Refused {
        host: String,
        #[source]
        cause: io::Error,
    },
    /// The wait was too long.
    #[error("`{host}` did not answer in time")]
    Timeout { host: String },
}

/// Connects to `host`, a name or an address (IPv6 with or without brackets), within `limit` in all.
pub(crate) async fn dial(
    host: &str,
    port: u16,
    blocked: &BlockedNetworks,
    limit: Duration,
) -> Result<TcpStream, DialError> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let shown = || host.to_owned();
    let connecting = async {
        let found = lookup_host((host, port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|cause| DialError::Unknown { host: shown(), cause })?.collect();
        let allowed = found.iter().filter(|address| !blocked.blocks(address.ip()));
        let allowed: Vec<SocketAddr> = allowed.copied().collect();
        if allowed.is_empty() && !found.is_empty() {
            tracing::warn!(host, "connection refused: every address is in a blocked network");
            return Err(DialError::Blocked { host: shown() });
        }
        let stream = TcpStream::connect(allowed.as_slice())
            .await
            .map_err(|cause| DialError::Refused { host: shown(), cause })?;
        // Without it a small request may wait 40 ms for the answer to the one before.
        stream.set_nodelay(true).map_err(|cause| DialError::Refused { host: shown(), cause })?;
        Ok(stream)
    };
    timeout(limit, connecting).await.map_err(|_| DialError::Timeout { host: shown() })?
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn blocked(entries: &[&str]) -> BlockedNetworks {
        BlockedNetworks::parse(entries.iter().copied()).expect("the entries are good")
    }

    #[tokio::test]
    async fn connects_to_addresses_and_names_unless_they_lead_into_a_blocked_network() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let port = listener.local_addr().expect("has an address").port();
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
            assert!(dial(host, port, &BlockedNetworks::default(), LIMIT).await.is_ok(), "{host}");
            for entries in [&["private"][..], &["127.0.0.0/8", "::1/128"][..]] {
                let refused = dial(host, port, &blocked(entries), LIMIT).await;
                assert!(matches!(refused, Err(DialError::Blocked { .. })), "{host}: {refused:?}");
            }
        }
    }

    #[tokio::test]
    async fn says_whether_nobody_listens_or_nobody_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let port = listener.local_addr().expect("has an address").port();
        drop(listener);
        let refused = dial("127.0.0.1", port, &BlockedNetworks::default(), LIMIT).await;
        assert!(matches!(refused, Err(DialError::Refused { .. })), "{refused:?}");
        let unknown = dial("nobody.invalid", 1, &BlockedNetworks::default(), LIMIT).await;
        assert!(
            matches!(unknown, Err(DialError::Unknown { .. } | DialError::Timeout { .. })),
            "{unknown:?}"
        );
    }
}
