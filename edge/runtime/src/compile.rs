//! Compiling in a process of its own: whatever a component does to the compiler, the node keeps its memory and its cores.
//!
//! The node starts its own program as `vitrine-edge compile`, gives it the wasm on standard input and takes the machine
//! code from standard output. The kernel bounds the child's memory and processor time, the node its wall-clock time. A
//! thread could not be stopped, and memory that the compiler asks for in vain would end the node.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::Engine;

use crate::{Limits, engine};

/// What one compilation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileBounds {
    /// Processor seconds, of all threads together.
    pub cpu_s: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

impl CompileBounds {
    /// Bounds for a file of `bytes`: honest code takes time in proportion to its size.
    pub(crate) fn of(bytes: usize, limits: &Limits) -> Self {
        const MIB: u128 = 1024 * 1024;
        let for_size = limits.compile_bytes_per_byte.saturating_mul(bytes);
        let memory_bytes = limits.compile_bytes_max.saturating_add(for_size);
        let bytes = u128::try_from(bytes).unwrap_or(u128::MAX);
        let for_size = limits.compile_cpu_per_mib.as_millis().saturating_mul(bytes) / MIB;
        let cpu_ms = limits.compile_cpu.as_millis().saturating_add(for_size);
        Self {
            cpu_s: u64::try_from(cpu_ms.div_ceil(1000)).unwrap_or(u64::MAX),
            memory_bytes: u64::try_from(memory_bytes).unwrap_or(u64::MAX),
        }
    }
}

/// The child's work: bounds itself, compiles what comes from `wasm`, and writes the machine code.
///
/// # Errors
/// If the bounds cannot be set or the component cannot be compiled; the text is what the parent reports.
pub fn compile_bounded(
    bounds: CompileBounds,
    mut wasm: impl Read,
    mut compiled: impl Write,
) -> Result<(), String> {
    let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
    // The first limit ends it with a signal of its own, the second as anybody could.
    let cpu = Rlimit { current: Some(bounds.cpu_s), maximum: Some(bounds.cpu_s.saturating_add(1)) };
    // Data, not addresses: what is only set aside costs nothing.
    setrlimit(Resource::Data, limit(bounds.memory_bytes))
        .and_then(|()| setrlimit(Resource::Cpu, cpu))
        .and_then(|()| setrlimit(Resource::Core, limit(0)))
        .map_err(|error| format!("bound the compiler: {error}"))?;
    let mut bytes = Vec::new();
    wasm.read_to_end(&mut bytes).map_err(|error| format!("read the component: {error}"))?;
    let told = |error: wasmtime::Error| format!("{error:#}").replace('\n', " ");
    let engine = Engine::new(&engine::config()).map_err(told)?;
    let code = engine.precompile_component(&bytes).map_err(told)?;
    compiled
        .write_all(&code)
        .and_then(|()| compiled.flush())
        .map_err(|error| format!("hand over the code: {error}"))
}

/// Has `program compile` compile `wasm`; in error says what stopped it.
pub(crate) fn compile_apart(
    program: &Path,
    wasm: &[u8],
    limits: &Limits,
) -> Result<Vec<u8>, String> {
    let bounds = CompileBounds::of(wasm.len(), limits);
    let mut child = Command::new(program)
        .arg("compile")
        .args(["--cpu-s", &bounds.cpu_s.to_string()])
        .args(["--memory-bytes", &bounds.memory_bytes.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("start the compiler: {error}"))?;
    let outcome =
        std::thread::scope(|scope| converse(scope, &mut child, wasm, limits.compile_timeout));
    let ended = child.wait().map_err(|error| format!("wait for the compiler: {error}"))?;
    match outcome {
        Some((code, _)) if ended.success() => Ok(code),
        Some((_, said)) => Err(blame(ended, &said, bounds)),
        None => Err(format!("compiling took more than {} s", limits.compile_timeout.as_secs())),
    }
}

/// Feeds the child and reads what it says; kills it when the time is over.
fn converse<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    child: &mut Child,
    wasm: &'scope [u8],
    time: Duration,
) -> Option<(Vec<u8>, String)> {
    let (input, output, errors) = (child.stdin.take()?, child.stdout.take()?, child.stderr.take()?);
    let (done, heard) = mpsc::sync_channel(1);
    scope.spawn(move || {
        let mut input = input;
        // A child that ended early says why on its own.
        let _ = input.write_all(wasm);
    });
    let said = scope.spawn(move || read_most(errors, SAID_BYTES_MAX));
    scope.spawn(move || {
        // Nobody listens if the time is over.
        let _ = done.send(read_most(output, COMPILED_BYTES_MAX));
    });
    let code = heard.recv_timeout(time).ok();
    if code.is_none() {
        // It may have ended in this very moment.
        let _ = child.kill();
    }
    let said = said.join().unwrap_or_default();
    Some((code?, String::from_utf8_lossy(&said).trim().to_owned()))
}

/// Longest machine code that is taken: 1 GiB, sixteen times the largest component.
const COMPILED_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Longest text of a refusal: 4 KiB.
const SAID_BYTES_MAX: u64 = 4096;

fn read_most(from: impl Read, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What could not be read is missing at the end, and found there.
    let _ = from.take(bytes_max).read_to_end(&mut bytes);
    bytes
}

/// Says in one sentence why the child failed.
fn blame(ended: std::process::ExitStatus, said: &str, bounds: CompileBounds) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGABRT: i32 = 6;
    const SIGXCPU: i32 = 24;
    let CompileBounds { cpu_s, memory_bytes } = bounds;
    match ended.signal() {
        Some(SIGXCPU) => format!(
            "compiling took more than {cpu_s} s of processor time, which honest code of this size does not"
        ),
        // A program of ours ends so when it gets no memory.
        Some(SIGABRT) => {
            format!("compiling took more than {} MiB of memory", memory_bytes / (1024 * 1024))
        }
        Some(_) => format!("the compiler ended with {ended}"),
        None if said.is_empty() => format!("the compiler ended with {ended}"),
        None => said.replace('\n', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_a_component_time_and_memory_in_proportion_to_its_size() {
        let limits = Limits::default();
        const KIB: usize = 1024;
        for (kib, cpu_s, memory_mib) in
            [(0, 2, 1536), (100, 3, 1540), (KIB, 12, 1584), (64 * KIB, 642, 4608)]
        {
            let bounds = CompileBounds::of(kib * KIB, &limits);
            let found = (bounds.cpu_s, bounds.memory_bytes / (1024 * 1024));
            assert_eq!(found, (cpu_s, memory_mib), "{kib} KiB");
        }
    }

    #[test]
    fn what_is_compiled_apart_can_be_run_here() {
        let pooled = engine::Ticking::new(&Limits::default(), 2).expect("is made");
        let apart = Engine::new(&engine::config()).expect("is made");
        let code = apart.precompile_component(b"\0asm\x0d\0\x01\0").expect("is compiled");
        assert!(Engine::detect_precompiled(&code).is_some());
        let hash = |engine: &Engine| {
            use std::hash::{Hash as _, Hasher as _};
            let mut hasher = std::hash::DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&pooled.engine), hash(&apart));
    }
}
