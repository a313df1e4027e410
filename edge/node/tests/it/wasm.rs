//! Crafted wasm files, byte by byte: what no compiler of ours would make.

/// A component with `parts`, each a section.
pub(crate) fn component(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut wasm = b"\0asm\x0d\0\x01\0".to_vec();
    parts.iter().for_each(|part| wasm.extend(part));
    wasm
}

/// Imports of instances with one function `f` of no parameters, under `names`.
pub(crate) fn imports(names: &[&str]) -> Vec<u8> {
    // A type: an instance that declares a function type and exports it as `f`.
    let kind = b"\x01\x42\x02\x01\x40\0\x01\0\x04\0\x01f\x01\0";
    let mut section = section(7, kind);
    let mut list = leb(names.len());
    for name in names {
        list.push(0);
        list.extend(leb(name.len()));
        list.extend(name.as_bytes());
        // An instance of that type.
        list.extend([5, 0]);
    }
    section.extend(self::section(10, &list));
    section
}

/// An export of an empty instance under `name`.
pub(crate) fn export(name: &str) -> Vec<u8> {
    let mut sections = section(5, &[1, 1, 0]);
    let mut list = vec![1, 0];
    list.extend(leb(name.len()));
    list.extend(name.as_bytes());
    // Instance 0, with the type that it has.
    list.extend([5, 0, 0]);
    sections.extend(section(11, &list));
    sections
}

/// A core module with one function of `locals` locals and `code`.
pub(crate) fn module(locals: usize, code: &[u8]) -> Vec<u8> {
    let mut body = vec![1];
    body.extend(leb(locals));
    // 32-bit integers.
    body.push(0x7f);
    body.extend(code);
    body.push(0x0b);
    let mut list = vec![1];
    list.extend(leb(body.len()));
    list.extend(body);
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    wasm.extend(section(1, &[1, 0x60, 0, 0]));
    wasm.extend(section(3, &[1, 0]));
    wasm.extend(section(10, &list));
    wasm
}

/// A section of a component that holds a core module.
pub(crate) fn held(module: &[u8]) -> Vec<u8> {
    section(1, module)
}

/// Code that makes a compiler carry every local through every loop: its work is the product of the two, the file's size
/// their sum.
pub(crate) fn loops(depth: usize, locals: usize) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..depth {
        code.extend([0x03, 0x40]);
    }
    for local in 0..locals {
        code.push(0x20);
        code.extend(leb(local));
        code.extend([0x41, 1, 0x6a, 0x21]);
        code.extend(leb(local));
    }
    for outer in 0..depth {
        // Back to the loop that is `outer` further out.
        code.extend([0x20, 0, 0x0d]);
        code.extend(leb(outer));
    }
    code.extend(vec![0x0b; depth]);
    code
}

/// A section of a module or component.
pub(crate) fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut section = vec![id];
    section.extend(leb(content.len()));
    section.extend(content);
    section
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(u8::try_from(number & 127).expect("fits") | 128);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("fits"));
    bytes
}
