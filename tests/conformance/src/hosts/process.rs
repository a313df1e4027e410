//! A host that is a process which listens.

use std::net::SocketAddr;

use anyhow::Result;
use harness::Process;

use crate::host::Driver;
use crate::wire::{self, Answer, Request};
use crate::world::{self, RUNTIME};

/// A running process, asked over TCP.
pub(crate) struct Listening {
    process: Process,
    /// A process that it needs beside it.
    beside: Option<Process>,
    address: SocketAddr,
    /// What stands before the host in production says this, whatever the client says.
    front: Vec<(&'static str, &'static str)>,
}

impl Listening {
    /// Takes a process that has said where it listens.
    pub(crate) fn new(process: Process) -> Result<Self> {
        let address = world::address(process.url())?;
        Ok(Self { process, beside: None, address, front: Vec::new() })
    }

    /// Keeps a process that it needs beside it.
    pub(crate) fn beside(mut self, other: Process) -> Self {
        self.beside = Some(other);
        self
    }

    /// Takes a process behind a front that this driver plays.
    pub(crate) fn behind(
        process: Process,
        address: SocketAddr,
        front: Vec<(&'static str, &'static str)>,
    ) -> Self {
        Self { process, beside: None, address, front }
    }
}

impl Driver for Listening {
    fn send(&mut self, request: &Request) -> Result<Answer> {
        let mut request = request.clone();
        for (name, value) in &self.front {
            request.headers.retain(|(one, _)| !one.eq_ignore_ascii_case(name));
            request.headers.push(((*name).to_owned(), (*value).to_owned()));
        }
        wire::send(self.address, &request)
    }

    fn log(&self) -> String {
        self.process.log()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _inside = RUNTIME.enter();
        // Reaped here, so that its folder can go. A process that is gone already is as good.
        let _gone = RUNTIME.block_on(self.process.kill());
        if let Some(other) = &mut self.beside {
            let _gone = RUNTIME.block_on(other.kill());
        }
    }
}
