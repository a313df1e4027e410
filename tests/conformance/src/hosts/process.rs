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
    address: SocketAddr,
}

impl Listening {
    /// Takes a process that has said where it listens.
    pub(crate) fn new(process: Process) -> Result<Self> {
        let address = world::address(process.url())?;
        Ok(Self { process, address })
    }
}

impl Driver for Listening {
    fn send(&mut self, request: &Request) -> Result<Answer> {
        wire::send(self.address, request)
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
    }
}
