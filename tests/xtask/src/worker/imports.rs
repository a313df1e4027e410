//! Reads what a WebAssembly module imports: enough of the format for that, and no more.

use anyhow::{Context as _, Result, bail};

const HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";
const IMPORT_SECTION: u8 = 2;
/// What wasm-bindgen's glue is called: a Worker has nothing else to import from.
const GLUE_PREFIX: &str = "./";

/// Refuses a module that imports anything but the glue's functions.
///
/// An import from `env` is C code, or Rust, that expects an operating system; the Worker would
/// fail to start with it, and only there.
pub(crate) fn require_glue_only(wasm: &[u8]) -> Result<usize> {
    let imports = imports(wasm)?;
    let foreign: Vec<String> = imports
        .iter()
        .filter(|(module, _)| !module.starts_with(GLUE_PREFIX))
        .map(|(module, name)| format!("{module}.{name}"))
        .collect();
    if !foreign.is_empty() {
        bail!("the Worker imports what no Worker has: {}", foreign.join(", "));
    }
    Ok(imports.len())
}

/// Module and name of every import.
pub(crate) fn imports(wasm: &[u8]) -> Result<Vec<(String, String)>> {
    let mut all = Reader { rest: wasm };
    if all.take(HEADER.len())? != HEADER {
        bail!("this is not a WebAssembly module");
    }
    while !all.rest.is_empty() {
        let section = all.byte()?;
        let size = all.size()?;
        let mut content = Reader { rest: all.take(size)? };
        if section == IMPORT_SECTION {
            return content.imports();
        }
    }
    Ok(Vec::new())
}

#[derive(Debug)]
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).context("a module cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1)?.first().copied().context("a module cut short")
    }

    /// An unsigned LEB128 number.
    fn number(&mut self) -> Result<u64> {
        let (mut value, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = self.byte()?;
            if shift > 56 {
                bail!("a number too long");
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    fn size(&mut self) -> Result<usize> {
        usize::try_from(self.number()?).context("a size too large")
    }

    fn name(&mut self) -> Result<String> {
        let size = self.size()?;
        Ok(String::from_utf8_lossy(self.take(size)?).into_owned())
    }

    fn imports(&mut self) -> Result<Vec<(String, String)>> {
        let count = self.number()?;
        let mut imports = Vec::new();
        for _ in 0..count {
            imports.push((self.name()?, self.name()?));
            self.skip_description()?;
        }
        Ok(imports)
    }

    fn skip_description(&mut self) -> Result<()> {
        match self.byte()? {
            // A function: its type.
            0 => self.number().map(|_| ()),
            // A table: the type of its references, its limits.
            1 => {
                self.skip_type()?;
                self.skip_limits()
            }
            // A memory: its limits.
            2 => self.skip_limits(),
            // A global: its type, whether it changes.
            3 => {
                self.skip_type()?;
                self.byte().map(|_| ())
            }
            // A tag: what it is for, its type.
            4 => {
                self.byte()?;
                self.number().map(|_| ())
            }
            other => bail!("an import of an unknown kind {other}"),
        }
    }

    /// A value type is one byte, or one and a heap type where it is a typed reference.
    fn skip_type(&mut self) -> Result<()> {
        if matches!(self.byte()?, 0x63 | 0x64) {
            self.number()?;
        }
        Ok(())
    }

    fn skip_limits(&mut self) -> Result<()> {
        let has_maximum = self.number()? & 1 == 1;
        self.number()?;
        if has_maximum {
            self.number()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADER, imports, require_glue_only};

    /// A module whose import section has these imports, each a module name and a description.
    fn module(list: &[(&str, &[u8])]) -> Vec<u8> {
        let mut section = vec![u8::try_from(list.len()).unwrap()];
        for (module, description) in list {
            section.push(u8::try_from(module.len()).unwrap());
            section.extend(module.as_bytes());
            section.extend([1, b'f']);
            section.extend(*description);
        }
        let mut wasm = HEADER.to_vec();
        // An empty custom section comes first, as a real one may.
        wasm.extend([0, 1, 0, 2, u8::try_from(section.len()).unwrap()]);
        wasm.extend(section);
        wasm
    }

    #[test]
    fn every_kind_of_import_is_read() {
        let list: [(&str, &[u8]); 5] = [
            ("./index_bg.js", &[0, 5]),
            ("./index_bg.js", &[1, 0x70, 1, 1, 2]),
            ("./index_bg.js", &[2, 0, 17]),
            ("./index_bg.js", &[3, 0x7f, 0]),
            ("./index_bg.js", &[4, 0, 3]),
        ];
        let wasm = module(&list);
        assert_eq!(imports(&wasm).unwrap().len(), list.len());
        assert_eq!(require_glue_only(&wasm).unwrap(), list.len());
    }

    #[test]
    fn an_import_from_env_is_refused_and_named() {
        let wasm = module(&[("./index_bg.js", &[0, 1]), ("env", &[0, 1])]);
        let error = require_glue_only(&wasm).unwrap_err().to_string();
        assert!(error.contains("env.f") && !error.contains("index_bg"), "{error}");
    }

    #[test]
    fn what_is_cut_short_is_an_error_and_no_panic() {
        let wasm = module(&[("env", &[0, 1])]);
        for end in 0..wasm.len() {
            let _ = imports(&wasm[..end]);
        }
        assert!(imports(b"\0asm").is_err());
        assert!(imports(&wasm[..wasm.len() - 1]).is_err());
        assert_eq!(imports(&HEADER).unwrap(), []);
    }
}
