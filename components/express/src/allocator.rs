//! The allocator of components that ask for it: with the default one, a tenth of a small answer's time in components
//! went into finding and joining free blocks.

#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
