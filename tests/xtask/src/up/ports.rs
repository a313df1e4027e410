//! Which ports the shop listens on, checked before anything takes time.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, Result, bail};

/// What somebody asked for; 0 is any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    pub(crate) edge: u16,
    /// The option that chooses the edge's port, for the error that names it.
    pub(crate) edge_option: &'static str,
    pub(crate) origin: u16,
    /// Nothing is the origin's and one.
    pub(crate) payments: Option<u16>,
}

/// One free port for each process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) edge: u16,
    pub(crate) origin: u16,
    pub(crate) payments: u16,
}

impl Ports {
    /// Takes the wished ports if all are free, and any free one for a 0.
    pub(crate) fn choose(wishes: &Wishes) -> Result<Self> {
        let payments = match (wishes.payments, wishes.origin) {
            (Some(port), _) => port,
            (None, 0) => 0,
            (None, origin) => origin.checked_add(1).context(
                "--origin-port 65535 leaves no port for the payments: give --payments-port",
            )?,
        };
        // All three are held until all are known, so that they differ.
        let edge = bind(wishes.edge, "edge", wishes.edge_option)?;
        let origin = bind(wishes.origin, "origin", "--origin-port")?;
        let payments = bind(payments, "payments", "--payments-port")?;
        Ok(Self { edge: port(&edge)?, origin: port(&origin)?, payments: port(&payments)? })
    }
}

fn bind(port: u16, role: &str, option: &str) -> Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "port {port} (for the {role}) is in use: end what listens there, or choose another with {option}"
        ),
        Err(error) => Err(error).with_context(|| format!("listen on port {port} for the {role}")),
    }
}

fn port(listener: &TcpListener) -> Result<u16> {
    Ok(listener.local_addr().context("read a listener's address")?.port())
}

#[cfg(test)]
mod tests {
    use super::bind;

    #[test]
    fn a_port_in_use_is_named_with_the_option_that_changes_it() {
        let taken = bind(0, "edge", "--edge-port").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(port, "edge", "--edge-port").unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--edge-port"), "{error}");
        assert!(!error.contains('\n'));
    }
}
