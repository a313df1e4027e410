//! The drawing as a table: pure, so that every rule has a test.

/// How far from the world a crate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    Words,
    Ports,
    Core,
    Adapter,
    Shell,
    Binary,
    Dev,
}

impl Layer {
    pub(crate) const NAMES: &'static str = "words, ports, core, adapter, shell, binary, dev";

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "words" => Self::Words,
            "ports" => Self::Ports,
            "core" => Self::Core,
            "adapter" => Self::Adapter,
            "shell" => Self::Shell,
            "binary" => Self::Binary,
            "dev" => Self::Dev,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Ports => "ports",
            Self::Core => "core",
            Self::Adapter => "adapter",
            Self::Shell => "shell",
            Self::Binary => "binary",
            Self::Dev => "dev",
        }
    }
}

/// One of our crates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) layer: Layer,
    /// The top folder: `components`, `edge`, `origin` or `tests`.
    pub(crate) side: String,
}

/// What a crate imports.
#[derive(Debug)]
pub(crate) enum Import<'a> {
    Ours(&'a Package),
    /// A crate of somebody else.
    Outside(&'a str),
}

/// Adapters that import an adapter: the arrows that the drawing has sideways.
const SIDEWAYS: [(&str, &str); 9] = [
    // Towards origins it is a client.
    ("cdn", "http1"),
    // A port asks by a question where a request is served in the express lane.
    ("spin-ports", "express"),
    ("runtime", "replica"),
    ("origin-http", "app"),
    ("jobs", "app"),
    ("app", "store"),
    ("app", "documents"),
    ("app", "providers"),
    ("app", "media"),
];

/// Pure crates that more than a shell may import, with the reason.
const SHARED_CORES: [(&str, &str); 6] = [
    // What may be cached and whom to ask is the same on every host (ADR 0026).
    ("cdn", "cache-core"),
    ("cdn", "pool-core"),
    // The shop's own origins too, from the component and from the Worker (ADR 0011).
    ("origin-client", "pool-core"),
    // Both sides of the express lane speak one layout.
    ("runtime", "express-wire"),
    // The gateway signs who asks and the origin checks it: one crate, or they drift apart.
    ("gateway-core", "origin-client"),
    ("origin-http", "origin-client"),
];

/// Pure crates whose settings the node's command line makes.
const NODES_RULES: [&str; 2] = ["cache-core", "pool-core"];

/// The edge application on workerd: a program of `edge/` over the pure crates of `components/`.
const WORKER: &str = "edge-worker";

/// Says what is wrong with an import, or nothing.
pub(crate) fn judge(from: &Package, import: &Import<'_>, is_dev: bool) -> Option<String> {
    match import {
        Import::Ours(to) => judge_ours(from, to, is_dev),
        Import::Outside(name) => judge_outside(from, name, is_dev),
    }
}

fn judge_ours(from: &Package, to: &Package, is_dev: bool) -> Option<String> {
    // Tests may also reach the harness, the fakes, whatever lies beside them, and what both sides share.
    let is_shared = SHARED_CORES.iter().any(|(_, core)| *core == to.name);
    let for_tests = is_dev
        && (matches!(to.layer, Layer::Dev | Layer::Ports) || from.side == to.side || is_shared);
    if from.layer == Layer::Dev || for_tests || is_downwards(from, to) {
        return None;
    }
    Some(format!(
        "{} ({}, {}) → {} ({}, {}): {}",
        from.name,
        from.layer.name(),
        from.side,
        to.name,
        to.layer.name(),
        to.side,
        way_out(from, to)
    ))
}

fn is_downwards(from: &Package, to: &Package) -> bool {
    let pair = (from.name.as_str(), to.name.as_str());
    let same_side = from.side == to.side;
    match (from.layer, to.layer) {
        (Layer::Dev, _) | (_, Layer::Words) => true,
        (Layer::Core | Layer::Adapter | Layer::Shell, Layer::Ports)
        | (Layer::Shell, Layer::Core) => true,
        (Layer::Adapter, Layer::Core) => same_side || SHARED_CORES.contains(&pair),
        (Layer::Core, Layer::Core) => SHARED_CORES.contains(&pair),
        (Layer::Adapter, Layer::Adapter) => SIDEWAYS.contains(&pair),
        (Layer::Shell, Layer::Adapter) => matches!(to.name.as_str(), "spin-ports" | "express"),
        // The Worker stands where the components' shells stand: no runtime of ours is below it.
        (Layer::Binary, Layer::Ports | Layer::Core) if from.name == WORKER => true,
        // The node says by which rules its adapters decide.
        (Layer::Binary, Layer::Core)
            if from.name == "node" && NODES_RULES.contains(&to.name.as_str()) =>
        {
            true
        }
        (Layer::Binary, _) => same_side && to.layer != Layer::Dev,
        (
            Layer::Words | Layer::Ports,
            Layer::Ports | Layer::Core | Layer::Adapter | Layer::Shell | Layer::Binary | Layer::Dev,
        )
        | (Layer::Core, Layer::Adapter | Layer::Shell | Layer::Binary | Layer::Dev)
        | (Layer::Adapter | Layer::Shell, Layer::Shell | Layer::Binary | Layer::Dev) => false,
    }
}

fn way_out(from: &Package, to: &Package) -> &'static str {
    match (from.layer, to.layer) {
        (_, Layer::Dev) => {
            "nothing that ships imports tests/; make it a dev-dependency, or move the code"
        }
        (_, Layer::Shell | Layer::Binary) => {
            "nothing imports a shell or a program; move the shared code into a core or an adapter"
        }
        (Layer::Core, Layer::Core) => {
            "two cores never import each other; they meet at a route, or move the shared type to `domain`"
        }
        (Layer::Adapter, Layer::Adapter) => {
            "no such arrow sideways in the drawing; let the program wire the two together"
        }
        (Layer::Words | Layer::Ports | Layer::Core, _) => {
            "imports go down only; move the shared type to `domain`, or take the value as an argument"
        }
        _ => "not in the drawing; move the shared type to `domain`, or draw the arrow with an ADR",
    }
}

/// Crates of others that only some of ours may import: name or `prefix*`, who, in words.
const GUARDED: [(&[&str], Who, &str); 9] = [
    (&["wasmtime*"], Who::Named(&["runtime"]), "only `runtime` knows wasmtime"),
    (
        &["hyper*", "h2", "rustls*"],
        Who::Named(&["node", "cdn", "server", "replica", "runtime", "providers", "store"]),
        "only the listeners, and the adapters that call out, speak raw HTTP",
    ),
    (
        &["axum*", "tower-http"],
        Who::Named(&["origin-http", "server"]),
        "only `origin-http` and `server` know axum",
    ),
    // Before the drivers: types of a protocol, with no engine behind them.
    (
        &["libsql-hrana"],
        Who::Named(&["edge-worker", "runtime"]),
        "only the Worker and `runtime` speak Hrana",
    ),
    (
        &[
            "rusqlite",
            "libsql*",
            "libsqlite3-sys",
            "tokio-postgres",
            "postgres*",
            "sqlx*",
            "diesel*",
        ],
        Who::Named(&["store", "replica", "runtime"]),
        "only `store`, `replica` and `runtime` know SQL drivers",
    ),
    (
        &["spin-sdk", "wasip3", "wit-bindgen*"],
        Who::SpinGuests,
        "only `express`, `spin-ports` and the component shells know the SDK",
    ),
    (
        &["worker", "wasm-bindgen*", "js-sys", "web-sys"],
        Who::Named(&["edge-worker"]),
        "only the Worker knows workerd",
    ),
    (
        &["tokio*"],
        Who::NativeAdapters,
        "tokio is for native adapters and programs; below components/ nothing has a runtime",
    ),
    (
        &["anyhow", "eyre", "color-eyre"],
        Who::Programs,
        "libraries have typed errors (thiserror); anyhow is for programs and tests",
    ),
];

/// What a core or a word may not use to speak JSON, with its exceptions: the wire types, and the feed's translator, whose
/// work is to turn one JSON text into another, and a codec of somebody else's JSON.
const JSON: (&str, [&str; 3]) = ("serde_json", ["api-types", "feed-core", "upstash"]);

#[derive(Debug)]
enum Who {
    Named(&'static [&'static str]),
    SpinGuests,
    NativeAdapters,
    Programs,
}

impl Who {
    fn includes(&self, package: &Package) -> bool {
        match self {
            Self::Named(names) => names.contains(&package.name.as_str()),
            Self::SpinGuests => {
                matches!(package.name.as_str(), "express" | "spin-ports")
                    || package.layer == Layer::Shell
            }
            Self::NativeAdapters => {
                matches!(package.layer, Layer::Adapter | Layer::Binary)
                    && package.side != "components"
            }
            Self::Programs => package.layer == Layer::Binary,
        }
    }
}

fn judge_outside(from: &Package, name: &str, is_dev: bool) -> Option<String> {
    // Tests of a crate may drive it with what the crate itself must not know.
    if from.layer == Layer::Dev || is_dev {
        return None;
    }
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    };
    let guard = GUARDED.iter().find(|(patterns, _, _)| patterns.iter().any(|p| matches(p)));
    if let Some((_, who, words)) = guard
        && !who.includes(from)
    {
        return Some(format!(
            "{} ({}, {}) → {name}: {words}",
            from.name,
            from.layer.name(),
            from.side
        ));
    }
    let low = matches!(from.layer, Layer::Words | Layer::Ports | Layer::Core);
    (name == JSON.0 && low && !JSON.1.contains(&from.name.as_str())).then(|| {
        format!(
            "{} ({}, {}) → {name}: cores take and give typed values; put the JSON type into `api-types`",
            from.name,
            from.layer.name(),
            from.side
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{Import, Layer, Package, judge};

    fn package(text: &str) -> Package {
        let mut parts = text.split(' ');
        let mut next = || parts.next().unwrap().to_owned();
        let (side, layer, name) = (next(), next(), next());
        Package { name, layer: Layer::parse(&layer).unwrap(), side }
    }

    fn check(from: &str, to: &str, is_dev: bool, allowed: bool) {
        let (from, to) = (package(from), package(to));
        let verdict = judge(&from, &Import::Ours(&to), is_dev);
        assert_eq!(verdict.is_none(), allowed, "{} → {}: {verdict:?}", from.name, to.name);
    }

    #[test]
    fn our_crates_import_downwards_only() {
        let domain = "components words domain";
        let ports = "components ports ports";
        let gateway_core = "components core gateway-core";
        let gateway = "components shell gateway";
        let store = "origin adapter store";
        let app = "origin adapter app";
        let node = "edge binary node";
        for (from, to, allowed) in [
            (gateway_core, domain, true),
            (gateway_core, ports, true),
            (gateway, gateway_core, true),
            (gateway, "components adapter spin-ports", true),
            (app, store, true),
            ("origin adapter origin-http", "components core origin-client", true),
            ("components core origin-client", "components core pool-core", true),
            ("components core gateway-core", "components core pool-core", false),
            (node, "edge adapter runtime", true),
            (node, domain, true),
            ("edge binary edge-worker", gateway_core, true),
            ("edge binary edge-worker", ports, true),
            ("tests dev harness", node, true),
            (domain, ports, false),
            (ports, gateway_core, false),
            (gateway_core, "components core catalog-core", false),
            (store, app, false),
            (app, "components core catalog-core", false),
            (store, "edge adapter replica", false),
            (node, gateway_core, false),
            ("edge binary edge-worker", "components adapter spin-ports", false),
            ("edge binary edge-worker", gateway, false),
            (app, "tests dev harness", false),
            (store, "origin binary server", false),
            (gateway, store, false),
        ] {
            check(from, to, false, allowed);
        }
    }

    #[test]
    fn tests_may_reach_the_harness_the_fakes_and_their_own_side() {
        check("origin adapter store", "tests dev harness", true, true);
        check("components words domain", "components ports ports", true, true);
        check("edge adapter replica", "origin adapter store", true, false);
    }

    #[test]
    fn crates_of_others_stay_where_the_table_puts_them() {
        for (from, name, allowed) in [
            ("edge adapter runtime", "wasmtime-wasi", true),
            ("edge binary node", "wasmtime", false),
            ("origin adapter store", "rusqlite", true),
            ("origin adapter app", "rusqlite", false),
            ("components core ar-core", "tokio", false),
            ("components adapter spin-ports", "tokio", false),
            ("components adapter spin-ports", "spin-sdk", true),
            ("components core ar-core", "spin-sdk", false),
            ("origin adapter app", "anyhow", false),
            ("origin binary server", "anyhow", true),
            ("components core ar-core", "serde_json", false),
            ("components words api-types", "serde_json", true),
            ("components core upstash", "serde_json", true),
            ("edge binary edge-worker", "libsql-hrana", true),
            ("edge binary edge-worker", "libsql-rusqlite", false),
            ("edge adapter runtime", "libsql-hrana", true),
            ("edge adapter replica", "libsql-hrana", false),
            ("components core ar-core", "http", true),
            ("edge binary edge-worker", "worker", true),
            ("edge binary edge-worker", "web-sys", true),
            ("components core ar-core", "worker", false),
        ] {
            let verdict = judge(&package(from), &Import::Outside(name), false);
            assert_eq!(verdict.is_none(), allowed, "{from} → {name}: {verdict:?}");
        }
    }

    #[test]
    fn a_message_names_both_crates_and_the_way_out() {
        let (from, to) = (package("origin adapter store"), package("origin adapter app"));
        let message = judge(&from, &Import::Ours(&to), false).unwrap();
        assert!(message.contains("store") && message.contains("app") && message.contains("wire"));
    }
}
