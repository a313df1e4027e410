//! Each rule with a manifest that breaks it.

mod documented;
mod refusals;

use super::*;
use crate::{FilesEntry, Inherit, Middleware, Mount, Target, spin_rules};

const GOOD: &str = r#"
spin_manifest_version = 2
[application]
name = "shop"
version = "1.0.0"
authors = ["a"]
[application.tool.vitrine.replica]
database = "default"
[variables]
origin = { default = "http://127.0.0.1:3000" }
token = { required = true, secret = true }
[[trigger.http]]
route = "/api/..."
component = "api"
dependencies.middleware = [{ component = "gate", inherit_configuration = true }]
[[trigger.http]]
route = "/up"
static_response = { status_code = 204, headers = { x-up = "yes" } }
[[trigger.http]]
route = { private = true }
component = "api"
[component.api]
source = "api.wasm"
allowed_outbound_hosts = ["{{ origin }}"]
key_value_stores = ["default"]
variables = { bearer = "Bearer {{ token }}" }
files = [{ source = "assets", destination = "/" }]
[component.api.build]
command = "cargo build"
[component.gate]
source = "gate.wasm"
"#;

fn resolve(text: &str, values: &[(&str, &str)]) -> Result<App, ManifestError> {
    let sources = VariableSources::new().with_command_line(values.iter().copied());
    Manifest::parse(text)?.resolve(&sources)
}

fn good() -> App {
    resolve(GOOD, &[("token", "s3cret")]).expect("the manifest is good")
}

#[test]
fn resolves_a_whole_application() {
    let app = good();
    let api = app.component("api").expect("exists");
    assert!(api.grants.allowed_outbound_hosts.allows("http", "127.0.0.1", Some(3000)));
    assert_eq!(api.grants.variables.get("bearer").map(Secret::expose), Some("Bearer s3cret"));
    assert!(app.tool("vitrine").is_some_and(|table| table.contains_key("replica")));
    let (route, found) = app.route("/api/x").expect("matches");
    assert_eq!(found.path_info, "/x");
    let gate = Middleware { component: "gate".to_owned(), inherit: Inherit::Everything };
    assert_eq!(route.middleware, [gate]);
    assert!(app.route("/nowhere").is_none());
    assert_eq!(app.fill("{{ token }}", "test").map(|value| value.expose().len()), Ok(6));
}

#[test]
fn prints_no_secret() {
    let printed = format!("{:?}", good());
    assert!(!printed.contains("s3cret"), "{printed}");
}

#[test]
fn prefers_command_line_over_environment_over_default() {
    let text = GOOD.replace("{ required = true, secret = true }", "{ default = \"d\" }");
    let bearer = |sources: &VariableSources| {
        let app = Manifest::parse(&text).and_then(|manifest| manifest.resolve(sources));
        app.expect("is good").fill("{{ token }}", "test").expect("is filled").expose().to_owned()
    };
    let environment = [("SPIN_VARIABLE_TOKEN", "e"), ("TOKEN", "x")];
    assert_eq!(bearer(&VariableSources::new()), "d");
    assert_eq!(bearer(&VariableSources::new().with_environment(environment)), "e");
    let both =
        VariableSources::new().with_environment(environment).with_command_line([("token", "c")]);
    assert_eq!(bearer(&both), "c");
}

#[test]
fn takes_the_strongest_source_that_has_a_value() {
    let text = GOOD.replace("{ required = true, secret = true }", "{ default = \"d\" }");
    let manifest = Manifest::parse(&text).expect("is good");
    let environment = [("SPIN_VARIABLE_TOKEN", "e"), ("APP_TOKEN", "p3"), ("APP_token", "no")];
    let dotenv = [("SPIN_VARIABLE_TOKEN", "dotenv"), ("SPIN_VARIABLE_ORIGIN", "http://dot.env")];
    let weakest = VariableSources::new().with_environment(environment).with_environment(dotenv);
    let third = weakest.clone().with_environment_provider("APP", environment);
    let second = weakest.clone().with_provider([("token", "p1")]).with_provider([("token", "p2")]);
    let first = second.clone().with_command_line_file([("token", "f"), ("of_another_app", "x")]);
    let typed = first.clone().with_command_line([("token", "c")]);
    let typed_before_file = VariableSources::new()
        .with_command_line([("token", "c")])
        .with_command_line_file([("token", "f")]);
    for (sources, expected) in [
        (&weakest, "e"),
        (&third, "p3"),
        (&second, "p1"),
        (&first, "f"),
        (&typed, "c"),
        (&typed_before_file, "f"),
    ] {
        let app = manifest.clone().resolve(sources).expect("is good");
        assert_eq!(app.fill("{{ token }}", "test").expect("is filled").expose(), expected);
    }
    let app = manifest.resolve(&weakest).expect("is good");
    assert_eq!(app.fill("{{ origin }}", "test").expect("is filled").expose(), "http://dot.env");
}

#[test]
fn takes_environment_variables_in_upper_case_only() {
    let odd =
        [("SPIN_VARIABLE_token", "x"), ("spin_variable_token", "x"), ("SPIN_VARIABLETOKEN", "x")];
    let sources = VariableSources::new().with_environment(odd);
    assert!(Manifest::parse(GOOD).and_then(|manifest| manifest.resolve(&sources)).is_err());
}

#[test]
fn names_the_missing_variable_and_how_to_set_it() {
    let error = resolve(GOOD, &[]).expect_err("the token is missing").to_string();
    assert!(error.contains("`token`") && error.contains("SPIN_VARIABLE_TOKEN"), "{error}");
}

#[test]
fn gives_a_middleware_what_it_inherits_and_no_more() {
    let app = good();
    let grants = &app.component("api").expect("exists").grants;
    assert!(grants.inherited(&Inherit::Nothing).key_value_stores.is_empty());
    assert!(!grants.inherited(&Inherit::Everything).variables.is_empty());
    let some = grants.inherited(&Inherit::Only(BTreeSet::from(["variables".to_owned()])));
    assert!(!some.variables.is_empty() && some.key_value_stores.is_empty());
}

#[test]
fn lists_what_plain_spin_would_object_to() {
    assert_eq!(spin_rules(GOOD), Ok(Vec::new()));
    let odd = GOOD.replace("[\"default\"]", "[\"cache\"]").replace("\"/up\"", "\"/api/...\"");
    let odd = format!("{odd}[component.idle]\nsource = \"idle.wasm\"\n");
    assert_eq!(spin_rules(&odd).map(|objections| objections.len()), Ok(3));
}

#[test]
fn writes_shorthands_out() {
    let text = GOOD
        .replace("component = \"api\"\ndep", "component = { source = \"in.wasm\" }\ndep")
        .replace(
            "[{ component = \"gate\", inherit",
            "[{ path = \"mw.wasm\" }, { path = \"mw.wasm\", inherit",
        );
    let app = resolve(&text, &[("token", "t")]).expect("is good");
    let route = &app.routes()[0];
    let Target::Component(primary) = &route.target else { panic!("is a component") };
    assert_eq!(primary, "http-trigger1-component");
    assert_eq!(app.component(primary).expect("exists").source, "in.wasm");
    let [first, second] = route.middleware.as_slice() else { panic!("has two") };
    assert_eq!(first.component, second.component);
    assert_eq!(app.component(&first.component).expect("exists").source, "mw.wasm");
    assert_eq!((&first.inherit, &second.inherit), (&Inherit::Nothing, &Inherit::Everything));
}

#[test]
fn applies_a_profile_and_refuses_one_that_nobody_has() {
    let text = format!(
        "{GOOD}[component.api.profile.debug]\nsource = \"debug.wasm\"\nenvironment = {{ LEVEL = \"debug\" }}\n\
         build.command = \"cargo build\"\n"
    );
    let manifest = Manifest::parse(&text).expect("is good");
    let sources = VariableSources::new().with_command_line([("token", "t")]);
    let source = |manifest: Manifest| {
        let app = manifest.resolve(&sources).expect("is good");
        let api = app.component("api").expect("exists");
        (api.source.clone(), api.grants.environment.get("LEVEL").cloned())
    };
    assert_eq!(source(manifest.clone()), ("api.wasm".to_owned(), None));
    let debug = manifest.clone().with_profile("debug").expect("exists");
    assert_eq!(source(debug), ("debug.wasm".to_owned(), Some("debug".to_owned())));
    let error = manifest.with_profile("test").expect_err("does not exist").to_string();
    assert!(error.contains("`test`"), "{error}");
}

#[test]
fn makes_a_manifest_around_one_component() {
    let manifest = Manifest::of_component("a \"b\"", "dir/a\\b.wasm").expect("is good");
    let app = manifest.resolve(&VariableSources::new()).expect("is good");
    assert_eq!(app.name(), "a \"b\"");
    let (route, _) = app.route("/x/y").expect("matches");
    let Target::Component(id) = &route.target else { panic!("is a component") };
    assert_eq!(app.component(id).expect("exists").source, "dir/a\\b.wasm");
}

#[test]
fn mounts_only_what_needs_no_look_at_the_disk() {
    let files = |list: &str| {
        let text = GOOD.replace("files = [{ source = \"assets\", destination = \"/\" }]", list);
        let app = resolve(&text, &[("token", "t")]).expect("is good");
        app.component("api").expect("exists").clone()
    };
    let placed = |source: &str, destination: &str| Mount {
        source: source.to_owned(),
        destination: destination.to_owned(),
    };
    let plain = files("files = [{ source = \"../a\", destination = \"b\" }]");
    assert_eq!(plain.grants.files, [placed("../a", "/b")]);
    let mixed = files("files = [\"a/*.txt\", { source = \"a\", destination = \"/b\" }]");
    assert_eq!(mixed.grants.files, []);
    let pattern = FilesEntry::Pattern("a/*.txt".to_owned());
    assert_eq!(mixed.files.entries, [pattern, FilesEntry::Placed(placed("a", "/b"))]);
    let excluding =
        files("files = [{ source = \"a\", destination = \"/\" }]\nexclude_files = [\"a/secret\"]");
    assert_eq!(excluding.grants.files, []);
    assert_eq!(excluding.files.exclude, ["a/secret"]);
}

#[test]
fn gives_every_component_the_environment_of_the_command_line() {
    let mut app = resolve(
        &GOOD.replace(
            "[component.api.build]",
            "environment = { A = \"1\", B = \"1\" }\n[component.api.build]",
        ),
        &[("token", "t")],
    )
    .expect("is good");
    app.extend_environment(&[("B".to_owned(), "2".to_owned()), ("C".to_owned(), "2".to_owned())]);
    let environment = |id| app.component(id).expect("exists").grants.environment.clone();
    let pairs = |list: &[(&str, &str)]| {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(environment("api"), pairs(&[("A", "1"), ("B", "2"), ("C", "2")]));
    assert_eq!(environment("gate"), pairs(&[("B", "2"), ("C", "2")]));
}

#[test]
fn accepts_every_key_that_spin_has_for_http() {
    let text = r#"
spin_manifest_version = 2
[application]
name = "maximal"
version = "9"
description = "d"
authors = ["a"]
targets = ["spin-up:4.1", { url = "https://a.example/t.toml" }]
[application.trigger.http]
base = "/"
[application.tool.lint]
level = "savage"
[variables]
one = { default = "1", description = "d", secret = false }
[[trigger.http]]
id = "t"
route = "/a/:b/..."
component = "max"
executor = { type = "http" }
[[trigger.http]]
route = { private = true }
component = { source = "inline.wasm" }
executor = { type = "spin" }
[component.max]
source = "max.wasm"
description = "d"
targets = ["spin-up:4.1"]
environment = { A = "b" }
files = ["a/*", { source = "a", destination = "/" }]
exclude_files = ["**/secret"]
allowed_outbound_hosts = ["https://a.example", "http://{{ one }}.example:81"]
key_value_stores = ["default"]
sqlite_databases = ["default"]
ai_models = []
variables = { v = "{{ one }}" }
dependencies_inherit_configuration = false
[component.max.build]
command = ["a", "b"]
workdir = "w"
watch = ["src/**/*.rs"]
[component.max.tool.clean]
command = "cargo clean"
[component.max.profile.debug]
source = "debug.wasm"
"#;
    assert_eq!(resolve(text, &[]).map(|app| app.name().to_owned()), Ok("maximal".to_owned()));
}
