//! The host side of the WIT interfaces that are not plain WASI; WIT types stop here.

wasmtime::component::bindgen!({
    path: "../../components/wit",
    world: "vitrine:edge/host",
    imports: {
        "spin:key-value/key-value.[method]store.get-keys": async | store | trappable,
        "spin:sqlite/sqlite.[method]connection.execute-async": async | store | trappable,
        "spin:sqlite/sqlite.[method]connection.execute": async | trappable,
        "wasi:keyvalue/store.[method]bucket.get": async | trappable,
        "wasi:keyvalue/store.[method]bucket.set": async | trappable,
        "wasi:keyvalue/store.[method]bucket.delete": async | trappable,
        "wasi:keyvalue/store.[method]bucket.exists": async | trappable,
        "wasi:keyvalue/store.[method]bucket.list-keys": async | trappable,
        "wasi:keyvalue/atomics.increment": async | trappable,
        "wasi:keyvalue/atomics.swap": async | trappable,
        "wasi:keyvalue/atomics.[static]cas.new": async | trappable,
        "wasi:keyvalue/batch": async | trappable,
        default: trappable,
    },
    with: {
        "spin:key-value/key-value.store": crate::capability::key_value::OpenStore,
        "spin:sqlite/sqlite.connection": crate::capability::sqlite::OpenDatabase,
        "spin:redis/redis.connection": crate::capability::redis_interface::OpenRedis,
        "wasi:keyvalue/store.bucket": crate::capability::key_value::OpenStore,
        "wasi:keyvalue/atomics.cas": crate::capability::key_value::OpenCas,
    },
});
