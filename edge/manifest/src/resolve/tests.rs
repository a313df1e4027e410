//! Each rule with a manifest that breaks it.

use super::*;
use crate::spin_rules;

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
fn refuses_every_broken_rule_with_one_sentence() {
    for (from, to) in [
        ("spin_manifest_version = 2", "spin_manifest_version = 1"),
        ("name = \"shop\"", "name = \"shop\"\nnmae = \"shop\""),
        ("name = \"shop\"", ""),
        ("authors = [\"a\"]", "[application.trigger.http]\nbase = \"/x\""),
        ("route = \"/up\"", "route = \"/up\"\nmethods = [\"GET\"]"),
        ("route = \"/up\"", "route = \"/.well-known/spin/up\""),
        ("route = \"/up\"", "route = \"/up\"\ncomponent = \"api\""),
        ("route = \"/up\"", "route = \"/a/:/b\""),
        ("{ private = true }", "{ private = false }"),
        ("status_code = 204", "status_code = 99"),
        ("x-up = \"yes\"", "\"x up\" = \"yes\""),
        ("x-up = \"yes\"", "x-up = \"a\\r\\nb\""),
        ("component = \"gate\"", "component = \"gone\""),
        ("component = \"api\"\ndep", "component = \"gone\"\ndep"),
        ("inherit_configuration = true", "inherit_configuration = [\"soul\"]"),
        ("source = \"gate.wasm\"", "source = \"gate.wasm\"\nkey_value_stores = [\"default\"]"),
        ("source = \"gate.wasm\"", "source = \"gate.wasm\"\nfoo = 1"),
        ("[component.gate]", "[component.gate_keeper]"),
        ("[\"default\"]", "[\"b@d\"]"),
        ("{{ origin }}", "{{ orgin }}"),
        ("{{ origin }}", "a.example"),
        ("Bearer {{ token }}", "Bearer {{ token"),
        ("bearer =", "Bearer ="),
        ("required = true", "required = false"),
        ("{ required = true, secret = true }", "{ required = true, default = \"x\" }"),
        ("{ default = \"http://127.0.0.1:3000\" }", "{ default = 3000 }"),
        ("command = \"cargo build\"", "comand = \"cargo build\""),
        ("[[trigger.http]]\nroute = \"/up\"", "[[trigger.redis]]\nroute = \"/up\""),
        ("destination = \"/\"", "destination = \"here\""),
        ("source = \"gate.wasm\"", "source = { url = \"https://a\", digest = \"sha256:0\" }"),
    ] {
        let broken = GOOD.replace(from, to);
        assert_ne!(broken, GOOD, "{from} is not in the manifest");
        let error = resolve(&broken, &[("token", "s3cret")]).expect_err(to).to_string();
        assert!(!error.contains('\n') && !error.contains("s3cret"), "{error}");
    }
    assert!(resolve(GOOD, &[("token", "t"), ("tokn", "t")]).is_err());
}

#[test]
fn lists_what_plain_spin_would_object_to() {
    assert_eq!(spin_rules(GOOD), Ok(Vec::new()));
    let odd = GOOD.replace("[\"default\"]", "[\"cache\"]").replace("\"/up\"", "\"/api/...\"");
    let odd = format!("{odd}[component.idle]\nsource = \"idle.wasm\"\n");
    assert_eq!(spin_rules(&odd).map(|objections| objections.len()), Ok(3));
}
