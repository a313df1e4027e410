//! Making an instance: store, grants, limits.

use std::{
    future::{Future as _, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task,
    time::Instant,
};

use tokio::time::timeout_at;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{
    FsPerms, ResourceTable, WasiCtx,
    cli::{IsTerminal, StdoutStream},
};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::{
    InvokeError, engine,
    guest::Running,
    host::{Alive, Host, Passage},
    meter::Meter,
    outbound::Outbound,
    output::{Printer, Stream},
    pool::{Blueprint, Pool},
};

/// A running copy of a component.
pub(super) struct Instance {
    pub(super) store: Store<Host>,
    pub(super) guest: Running,
    pub(super) meter: Arc<Meter>,
}

impl Instance {
    /// Guests of WASI 0.2 expect a fresh instance for each request.
    pub(super) const fn is_spent_by_one(&self) -> bool {
        matches!(self.guest, Running::Incoming(_))
    }
}

/// Makes an instance within the time that the request for it has.
pub(super) async fn make(pool: &Pool, passage: &Passage) -> Result<Instance, InvokeError> {
    let blueprint = &pool.blueprint;
    let started = Instant::now();
    let refused = |reason| InvokeError::Instantiate { component: pool.component(), reason };
    let meter = Arc::new(Meter::new(blueprint.limits.cpu_budget));
    let mut store =
        store(blueprint, passage, &meter).map_err(|error| refused(format!("{error:#}")))?;
    store.set_epoch_deadline(1);
    let tick = blueprint.limits.tick;
    store.epoch_deadline_callback(move |context| {
        let meter = &context.data().meter;
        if meter.is_over_budget() {
            return Err(wasmtime::Error::msg("the processor time is used up"));
        }
        if meter.is_long(tick) {
            engine::hurry();
        }
        // Sockets and timers of this thread are looked at before it goes on; after a plain yield they would not be as
        // long as there is a task to run, and this is one.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    meter.reset();
    let made = {
        let mut making = pin!(blueprint.guest.instantiate(&mut store));
        let metered = poll_fn(|cx| {
            meter.enter();
            let polled = making.as_mut().poll(cx);
            meter.leave();
            polled
        });
        timeout_at(passage.deadline, metered).await
    };
    match made {
        Ok(Ok(guest)) => {
            made_in(blueprint, started);
            Ok(Instance { store, guest, meter })
        }
        Ok(Err(_)) if meter.was_over_budget() => {
            Err(InvokeError::CpuBudget { component: pool.component() })
        }
        Ok(Err(error)) => Err(refused(format!("{error:#}"))),
        Err(_) => Err(InvokeError::Timeout { component: pool.component() }),
    }
}

/// Says in the log how long making an instance took.
pub(crate) fn made_in(blueprint: &Blueprint, started: Instant) {
    let instantiate_us = started.elapsed().as_secs_f64() * 1e6;
    tracing::debug!(component.id = %blueprint.component, instantiate_us, "instance made");
}

/// Makes a store with the grants of a component and under its limits; ticks are the caller's.
pub(crate) fn store(
    blueprint: &Blueprint,
    passage: &Passage,
    meter: &Arc<Meter>,
) -> wasmtime::Result<Store<Host>> {
    let host = host(blueprint, passage, meter)?;
    let mut store = Store::new(blueprint.guest.engine(), host);
    store.limiter(|host| host);
    Ok(store)
}

fn host(blueprint: &Blueprint, passage: &Passage, meter: &Arc<Meter>) -> wasmtime::Result<Host> {
    Ok(Host {
        wasi: wasi(blueprint)?,
        http: WasiHttpCtx::new(),
        table: resources(blueprint.limits.resources_max),
        outbound: Outbound::new(
            blueprint.grants.allowed_outbound_hosts.clone(),
            blueprint.ways.clone(),
            Arc::clone(&blueprint.limits),
            passage,
        ),
        capabilities: Arc::clone(&blueprint.capabilities),
        next: blueprint.next.clone(),
        passage: passage.clone(),
        meter: Arc::clone(meter),
        memory_bytes_max: blueprint.limits.memory_bytes_max,
        table_entries_max: blueprint.limits.table_entries_max,
        _alive: Alive::new(&blueprint.alive),
    })
}

/// What the guest holds in the node takes the node's memory, which no limit of the guest's own memory counts.
fn resources(entries_max: usize) -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(entries_max);
    table
}

/// Clocks and randomness for all; files and environment as granted; no sockets.
fn wasi(blueprint: &Blueprint) -> wasmtime::Result<WasiCtx> {
    let mut wasi = WasiCtx::builder();
    for (name, value) in &blueprint.grants.environment {
        wasi.env(name, value);
    }
    for mount in &blueprint.grants.files {
        let source = blueprint.base_dir.join(&mount.source);
        wasi.preopened_dir(source, &mount.destination, FsPerms::ReadOnly)?;
    }
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    wasi.stdout(GuestLog { printer: Arc::clone(&blueprint.printer), stream: Stream::Stdout });
    wasi.stderr(GuestLog { printer: Arc::clone(&blueprint.printer), stream: Stream::Stderr });
    Ok(wasi.build())
}

/// What a guest prints to.
struct GuestLog {
    printer: Arc<Printer>,
    stream: Stream,
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        let printer = Arc::clone(&self.printer);
        Box::new(GuestLines { printer, stream: self.stream, line: Vec::new() })
    }
}

/// Hands bytes on, and collects them to lines of the node's log.
struct GuestLines {
    printer: Arc<Printer>,
    stream: Stream,
    line: Vec<u8>,
}

/// Longest printed line: 4 KiB. Beyond it the line is split.
const LINE_BYTES_MAX: usize = 4096;

impl GuestLines {
    fn flush_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let words = String::from_utf8_lossy(&self.line);
        let (id, stream) = (&self.printer.component, self.stream.name());
        tracing::info!(component.id = %id, stream, "{words}");
        self.line.clear();
    }
}

impl Drop for GuestLines {
    fn drop(&mut self) {
        self.flush_line();
    }
}

impl tokio::io::AsyncWrite for GuestLines {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        self.printer.print(self.stream, bytes);
        let echoed = if self.printer.is_echoed { bytes } else { &[] };
        for byte in echoed {
            if *byte == b'\n' || self.line.len() >= LINE_BYTES_MAX {
                self.flush_line();
            }
            if *byte != b'\n' {
                self.line.push(*byte);
            }
        }
        task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        _cx: &mut task::Context<'_>,
    ) -> task::Poll<io::Result<()>> {
        self.flush_line();
        task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        _cx: &mut task::Context<'_>,
    ) -> task::Poll<io::Result<()>> {
        self.flush_line();
        task::Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_holds_as_many_resources_as_it_may_and_then_none_more() {
        let mut table = resources(2);
        let first = table.push(1).expect("has room");
        assert!(table.push(2).is_ok());
        assert!(table.push(3).is_err());
        assert!(table.delete(first).is_ok());
        assert!(table.push(3).is_ok());
    }
}
