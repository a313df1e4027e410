//! Every bound on what components may take, with its default.

use std::time::Duration;

/// Bounds for one application. Reaching one costs the request that did, never the node.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest time from a request's arrival to the head of its answer. Default 10 s; beyond it the answer is 504.
    pub request_timeout: Duration,
    /// Longest time for the body after the head. Default 60 s; beyond it the connection is cut. A slow reader whose
    /// answer has no room in `parked_bytes_max` holds its instances for that long at most.
    pub stream_timeout: Duration,
    /// Bytes that wait in memory for slow readers, all answers together and beside 1 MiB for each. Default 256 MiB:
    /// 85 models on their way to slow phones. Beyond it an answer holds its instances while it is read.
    pub parked_bytes_max: usize,
    /// Processor time for one request in one component. Default 2 s; beyond it the answer is 504.
    pub cpu_budget: Duration,
    /// Processor time of one call in the express lane. Default 10 ms: such a call holds its thread, and with it the other
    /// requests there; common ones take some microseconds. Beyond it the answer is 504.
    pub express_budget: Duration,
    /// How often a running component is looked at. Default 5 ms: a component that loops delays others by this much, once.
    pub tick: Duration,
    /// How often while some component has been running for longer than a tick. Default 1 ms: from then on it delays
    /// others by this much. Always that often would cost some 2 % of a core.
    pub tick_busy: Duration,
    /// Linear memory of one instance. Default 128 MiB; beyond it allocation fails, which is usually a trap: 500.
    pub memory_bytes_max: usize,
    /// Entries in the tables of one instance. Default 100 000: function tables of large guests have some thousand.
    pub table_entries_max: usize,
    /// Things that one instance may hold in the node at once: open stores, statements, requests, header lists. Default
    /// 10 000, where a request takes some ten; beyond it the instance traps: 500.
    pub resources_max: usize,
    /// Instances of one component (per chain of middleware). Default 64: at 128 MiB each 8 GiB in the worst case.
    pub instances_max: usize,
    /// Instances of all components and versions together, for which addresses are set aside at the start. Default
    /// 4 096: each takes 4 to 5 GiB of address space, of which only what it touches is memory. Room for 28 chains in both
    /// lanes: three versions of an application like ours at once, which a deployment needs.
    pub instances_total_max: usize,
    /// Requests that wait for an instance of one component. Default 128; beyond it the answer is 503.
    pub queue_max: usize,
    /// Longest wait for an instance. Default 1 s; beyond it the answer is 503.
    pub queue_timeout: Duration,
    /// How long an instance lives without a request. Default 30 s.
    pub idle_timeout: Duration,
    /// Requests one instance serves before a fresh one takes its place. Default 100 000, against slow leaks.
    pub requests_per_instance_max: u64,
    /// Longest wait for a connection to another host. Default 400 ms, one round trip to the other side of the world.
    /// Shorter than the 500 ms after which `origin-client` takes an origin for silent: a request that was never sent
    /// must end as "not sent", or what may not be sent twice would not be sent to the second origin.
    pub connect_timeout: Duration,
    /// Longest wait for the head of another host's answer. Default 9 s, below `request_timeout`, so that a guest can
    /// still say what happened. The guest may ask for less.
    pub first_byte_timeout: Duration,
    /// Open connections to Redis that one component may hold through `spin:redis`, all instances together. Default 64,
    /// one per instance; beyond it opening another fails.
    pub redis_connections_max: usize,
    /// Bytes of keys and values in one key-value store in memory. Default 64 MiB; beyond it the least recently used go.
    pub store_bytes_max: usize,
    /// Entries in one key-value store in memory. Default 100 000; beyond it the least recently used go.
    pub store_entries_max: usize,
    /// Bytes of one component's wasm file. Default 64 MiB: a whole CPython in a component has 40. Beyond it the
    /// component is refused.
    pub component_bytes_max: usize,
    /// Functions in one component. Default 200 000: a JavaScript engine has some 30 000. Beyond it the component is
    /// refused.
    pub component_functions_max: usize,
    /// Modules and components within one component. Default 1 000; beyond it the component is refused.
    pub component_parts_max: usize,
    /// Bytes of one function. Default 1 MiB: the compiler's time grows faster than a function's length, and an
    /// interpreter's largest has some 100 KiB. Beyond it the component is refused.
    pub function_bytes_max: usize,
    /// Processor time for compiling a component of any size. Default 2 s; `compile_cpu_per_mib` comes on top.
    pub compile_cpu: Duration,
    /// Processor time for compiling, for each MiB of wasm. Default 10 s, eight times what our components take. Beyond
    /// both together the component is refused.
    pub compile_cpu_per_mib: Duration,
    /// Longest time for compiling one component. Default 600 s, for a machine that is busy with other things: what bounds
    /// a bomb is processor time. Beyond it the component is refused.
    pub compile_timeout: Duration,
    /// Memory for compiling a component of any size. Default 1.5 GiB, of which the allocator sets 1 GiB aside at its
    /// start; `compile_bytes_per_byte` comes on top.
    pub compile_bytes_max: usize,
    /// Memory for compiling, for each byte of wasm. Default 48, where 35 were seen. Beyond both together the component
    /// is refused.
    pub compile_bytes_per_byte: usize,
    /// Connections to one database. Default 8: reads are short and the machine's cores are few.
    pub database_connections_max: usize,
    /// Longest time of one statement. Default 1 s; beyond it the statement fails.
    pub statement_timeout: Duration,
    /// Rows of one answer. Default 10 000; beyond it the statement fails.
    pub rows_max: usize,
    /// Bytes of one answer's values. Default 16 MiB; beyond it the statement fails.
    pub row_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            request_timeout: Duration::from_secs(10),
            stream_timeout: Duration::from_secs(60),
            parked_bytes_max: 256 * MIB,
            cpu_budget: Duration::from_secs(2),
            express_budget: Duration::from_millis(10),
            tick: Duration::from_millis(5),
            tick_busy: Duration::from_millis(1),
            memory_bytes_max: 128 * MIB,
            table_entries_max: 100_000,
            resources_max: 10_000,
            instances_max: 64,
            instances_total_max: 4096,
            queue_max: 128,
            queue_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(30),
            requests_per_instance_max: 100_000,
            connect_timeout: Duration::from_millis(400),
            first_byte_timeout: Duration::from_secs(9),
            redis_connections_max: 64,
            store_bytes_max: 64 * MIB,
            store_entries_max: 100_000,
            component_bytes_max: 64 * MIB,
            component_functions_max: 200_000,
            component_parts_max: 1000,
            function_bytes_max: MIB,
            compile_cpu: Duration::from_secs(2),
            compile_cpu_per_mib: Duration::from_secs(10),
            compile_timeout: Duration::from_secs(600),
            compile_bytes_max: 1536 * MIB,
            compile_bytes_per_byte: 48,
            database_connections_max: 8,
            statement_timeout: Duration::from_secs(1),
            rows_max: 10_000,
            row_bytes_max: 16 * MIB,
        }
    }
}
