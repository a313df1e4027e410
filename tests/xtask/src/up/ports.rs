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
    /// Whether there are a second origin and three database servers: their ports are the origin's and 2 to 5.
    pub(crate) has_cluster: bool,
}

/// One free port for each process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) edge: u16,
    pub(crate) origin: u16,
    pub(crate) payments: u16,
    pub(crate) cluster: Option<ClusterPorts>,
}

/// Those of a shop on a PostgreSQL cluster besides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClusterPorts {
    pub(crate) second_origin: u16,
    pub(crate) databases: [u16; 3],
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
        // All are held until all are known, so that they differ.
        let edge = bind(wishes.edge, "edge", wishes.edge_option)?;
        let origin = bind(wishes.origin, "origin", "--origin-port")?;
        let payments = bind(payments, "payments", "--payments-port")?;
        let cluster = if wishes.has_cluster { Some(bind_cluster(wishes.origin)?) } else { None };
        Ok(Self {
            edge: port(&edge)?,
            origin: port(&origin)?,
            payments: port(&payments)?,
            cluster: cluster.as_ref().map(ports_of_cluster).transpose()?,
        })
    }
}

/// Takes the ports behind the payments'.
fn bind_cluster(origin: u16) -> Result<[TcpListener; 4]> {
    let bind_next = |distance: u16, role: &str| {
        let wish = match origin {
            0 => 0,
            _ => origin.checked_add(distance).with_context(|| {
                format!("--origin-port {origin} leaves no port for the {role}: choose a lower one")
            })?,
        };
        bind(wish, role, "--origin-port")
    };
    Ok([
        bind_next(2, "second origin")?,
        bind_next(3, "first database server")?,
        bind_next(4, "second database server")?,
        bind_next(5, "third database server")?,
    ])
}

fn ports_of_cluster([origin, one, two, three]: &[TcpListener; 4]) -> Result<ClusterPorts> {
    let databases = [port(one)?, port(two)?, port(three)?];
    Ok(ClusterPorts { second_origin: port(origin)?, databases })
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
    use std::collections::BTreeSet;

    use super::{Ports, Wishes, bind};

    fn wishes(origin: u16, has_cluster: bool) -> Wishes {
        Wishes { edge: 0, edge_option: "--edge-port", origin, payments: Some(0), has_cluster }
    }

    #[test]
    fn every_process_of_a_cluster_has_a_port_of_its_own() {
        let ports = Ports::choose(&wishes(0, true)).unwrap();
        let cluster = ports.cluster.unwrap();
        let mut all = BTreeSet::from(cluster.databases);
        all.extend([ports.edge, ports.origin, ports.payments, cluster.second_origin]);
        assert_eq!(all.len(), 7, "{ports:?}");
        assert!(Ports::choose(&wishes(0, false)).unwrap().cluster.is_none());
    }

    #[test]
    fn a_port_that_leaves_none_for_the_others_is_refused() {
        let error = Ports::choose(&wishes(65_533, true)).unwrap_err().to_string();
        assert!(error.contains("--origin-port 65533"), "{error}");
    }

    #[test]
    fn a_port_in_use_is_named_with_the_option_that_changes_it() {
        let taken = bind(0, "edge", "--edge-port").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(port, "edge", "--edge-port").unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--edge-port"), "{error}");
        assert!(!error.contains('\n'));
    }
}
