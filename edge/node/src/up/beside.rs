//! The listeners beside the one for clients: for operators, and for who asks over plain HTTP.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;

use super::Failure;
use crate::{
    cli::Up,
    operation::{self, Guard, Listener, Redirect, Redirecting},
    serve::Node,
};

/// Who may operate the node, and where; read before anything is bound.
pub(super) struct Operators(Option<(SocketAddr, Guard)>);

impl Operators {
    /// Decides who may operate the node, if anybody may over TCP.
    pub(super) fn read(options: &Up) -> anyhow::Result<Self> {
        let operation = &options.server.operation;
        let Some(address) = operation.admin else { return Ok(Self(None)) };
        let guard = Guard::new(address, operation.admin_token_file.as_deref())?;
        Ok(Self(Some((address, guard))))
    }
}

/// The listeners, until they are dropped.
pub(super) struct Beside {
    operators: Option<Listener>,
    redirect: Option<Redirect>,
    redirecting: Option<Redirecting>,
}

impl Beside {
    /// Starts to answer operators, before clients are: whoever watches sees the node begin. Takes the other ports.
    pub(super) async fn bind(
        options: &Up,
        operators: Operators,
        node: &Arc<Node>,
    ) -> Result<Self, Failure> {
        let redirect = match options.server.operation.redirect_http {
            Some(address) => {
                let bound = Redirect::bind(address).await;
                let bound = bound.with_context(|| format!("listen for plain HTTP on {address}"));
                Some(bound.map_err(Failure::Other)?)
            }
            None => None,
        };
        let operators = match operators.0 {
            Some((address, guard)) => {
                let started = operation::start(address, guard, Arc::clone(node)).await;
                let started = started.with_context(|| format!("listen for operators on {address}"));
                Some(started.map_err(Failure::Other)?)
            }
            None => None,
        };
        Ok(Self { operators, redirect, redirecting: None })
    }

    /// Starts the others, now that clients are served on `address`, and says to clients what else there is.
    pub(super) fn start(&mut self, options: &Up, node: &Node, address: SocketAddr) {
        let operation = &options.server.operation;
        let port = operation.public_port.unwrap_or_else(|| address.port());
        if operation.http3 {
            node.operation.offer_http3(port);
        }
        self.redirecting = self.redirect.take().map(|redirect| redirect.start(port));
    }

    /// Returns where they listen, each with a word for what it is.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let redirecting = self.redirecting.as_ref().map(|one| ("redirecting", one.address));
        let operators = self.operators.as_ref().map(|one| ("operators", one.address));
        redirecting.into_iter().chain(operators)
    }
}
