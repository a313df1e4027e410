//! Taking a port.

use std::{io, net::SocketAddr};

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::threads;

/// How many ports are tried with `--find-free-port`, as in Spin.
const PORTS_MAX: u16 = 10;

/// Listens on `address` with `count` listeners, or where that is taken and `find_free_port` is set, on one of the next
/// ports.
pub(crate) async fn bind(
    address: SocketAddr,
    find_free_port: bool,
    count: usize,
) -> anyhow::Result<Vec<TcpListener>> {
    if !find_free_port {
        let bound = threads::listen(address, count).await;
        return bound.with_context(|| format!("listen on {address}"));
    }
    for port in candidates(address.port()) {
        match threads::listen(SocketAddr::new(address.ip(), port), count).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound.with_context(|| format!("listen on {}:{port}", address.ip())),
        }
    }
    let last = candidates(address.port()).last().unwrap_or_else(|| address.port());
    anyhow::bail!("no port from {} to {last} is free", address.port())
}

fn candidates(first: u16) -> impl Iterator<Item = u16> {
    first..=first.saturating_add(PORTS_MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_ten_ports_and_none_that_does_not_exist() {
        assert_eq!(candidates(3000).collect::<Vec<_>>(), (3000..3010).collect::<Vec<_>>());
        assert_eq!(candidates(65530).last(), Some(65535));
    }

    #[tokio::test]
    async fn takes_another_port_only_if_told() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = taken.local_addr().expect("has an address");
        let refused = bind(address, false, 2).await.expect_err("is taken");
        assert!(format!("{refused:#}").contains(&address.to_string()), "{refused:#}");
        // The ports behind it may be taken too, by whatever else runs here: then it says so.
        match bind(address, true, 2).await {
            Ok(others) => {
                assert_ne!(others[0].local_addr().expect("has one").port(), address.port());
            }
            Err(error) => assert!(error.to_string().contains("is free"), "{error}"),
        }
    }
}
