//! Looks at a wasm file before any compiler does: is it a component, whole, and of a size that can be compiled?
//!
//! Only the frame is read here, in one pass and without keeping anything; the compiler checks the rest. What it costs is
//! measured in `edge/node/tests/it/load.rs`.

use wasmparser::{Encoding, Parser, Payload};

use crate::Limits;

/// Refuses what is no component or larger than the limits; the reason is a sentence's end.
pub(crate) fn check(wasm: &[u8], limits: &Limits) -> Result<(), String> {
    check_size(u64::try_from(wasm.len()).unwrap_or(u64::MAX), limits)?;
    if wasm.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if !wasm.starts_with(b"\0asm") {
        return Err("the file is no WebAssembly".to_owned());
    }
    let mut frame = Frame::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload =
            payload.map_err(|error| format!("the file is malformed: {}", error.message()))?;
        frame.add(payload, limits)?;
    }
    if frame.depth != 0 {
        return Err("the file is malformed: it breaks off".to_owned());
    }
    Ok(())
}

/// Refuses a file that is too large to be read at all.
pub(crate) fn check_size(bytes: u64, limits: &Limits) -> Result<(), String> {
    if usize::try_from(bytes).is_ok_and(|bytes| bytes <= limits.component_bytes_max) {
        return Ok(());
    }
    Err(format!("the file has {bytes} bytes, and at most {} are read", limits.component_bytes_max))
}

/// What has been seen so far.
#[derive(Default)]
struct Frame {
    /// Modules and components that have begun and not ended.
    depth: usize,
    parts: usize,
    functions: usize,
}

impl Frame {
    fn add(&mut self, payload: Payload<'_>, limits: &Limits) -> Result<(), String> {
        match payload {
            Payload::Version { encoding, .. } => {
                if self.depth == 0 && encoding == Encoding::Module {
                    return Err("it is a core module, and not a component".to_owned());
                }
                self.depth = self.depth.saturating_add(1);
                self.parts = self.parts.saturating_add(1);
                bounded("modules and components", self.parts, limits.component_parts_max)
            }
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(())
            }
            Payload::CodeSectionStart { count, .. } => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                self.functions = self.functions.saturating_add(count);
                bounded("functions", self.functions, limits.component_functions_max)
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                let bytes =
                    usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
                bounded("bytes in one function", bytes, limits.function_bytes_max)
            }
            _ => Ok(()),
        }
    }
}

fn bounded(what: &str, found: usize, max: usize) -> Result<(), String> {
    if found > max {
        return Err(format!("it has {found} {what}, and at most {max} are compiled"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that holds the core module `module`.
    fn component(module: &[u8]) -> Vec<u8> {
        let mut wasm = b"\0asm\x0d\0\x01\0\x01".to_vec();
        leb(&mut wasm, module.len());
        wasm.extend(module);
        wasm
    }

    /// A core module of `count` functions, each with `bytes` of `nop`.
    fn module(count: usize, bytes: usize) -> Vec<u8> {
        let mut wasm = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0".to_vec();
        let mut types = Vec::new();
        leb(&mut types, count);
        types.extend(vec![0; count]);
        section(&mut wasm, 3, &types);
        let mut code = Vec::new();
        leb(&mut code, count);
        for _ in 0..count {
            leb(&mut code, bytes + 2);
            code.push(0);
            code.extend(vec![1; bytes]);
            code.push(0x0b);
        }
        section(&mut wasm, 10, &code);
        wasm
    }

    fn section(wasm: &mut Vec<u8>, id: u8, content: &[u8]) {
        wasm.push(id);
        leb(wasm, content.len());
        wasm.extend(content);
    }

    fn leb(wasm: &mut Vec<u8>, mut number: usize) {
        while number > 127 {
            wasm.push(u8::try_from(number & 127).expect("fits") | 128);
            number >>= 7;
        }
        wasm.push(u8::try_from(number).expect("fits"));
    }

    fn check(wasm: &[u8], refusal: &str) {
        let limits = Limits {
            component_bytes_max: 10_000,
            component_functions_max: 100,
            function_bytes_max: 1000,
            component_parts_max: 3,
            ..Limits::default()
        };
        match super::check(wasm, &limits) {
            Ok(()) => assert_eq!(refusal, ""),
            Err(reason) => assert!(!refusal.is_empty() && reason.contains(refusal), "{reason}"),
        }
    }

    #[test]
    fn refuses_each_thing_that_is_no_component_in_its_own_words() {
        check(&component(&module(3, 10)), "");
        check(b"", "is empty");
        check(b"#!/bin/sh", "no WebAssembly");
        check(b"\0asm", "malformed");
        check(&module(3, 10), "core module");
        check(&vec![0; 10_001], "has 10001 bytes");
        let whole = component(&module(3, 10));
        for length in 9..whole.len() {
            check(&whole[..length], "malformed");
        }
    }

    #[test]
    fn refuses_what_is_too_large_to_compile() {
        check(&component(&module(101, 1)), "101 functions");
        check(&component(&module(1, 1000)), "1002 bytes in one function");
        let mut many = component(&module(60, 1));
        many.extend(&component(&module(60, 1))[8..]);
        check(&many, "120 functions");
        for _ in 0..2 {
            many = component(&module(1, 1));
            many.extend(&component(&module(1, 1))[8..]);
            many.extend(&component(&module(1, 1))[8..]);
        }
        check(&many, "4 modules and components");
    }
}
