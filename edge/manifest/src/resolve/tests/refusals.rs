//! Every rule with a change to a good manifest that breaks it, the line it is found in, and words of the sentence.

use proptest::{prelude::*, sample::Index};

use super::*;

/// What of the good manifest is replaced, by what, the line that is named, and what the sentence says.
type Case = (&'static str, &'static str, usize, &'static str);

const TEXT: [Case; 12] = [
    ("spin_manifest_version = 2", "spin_manifest_version = 1", 2, "and only 2 can be read"),
    ("spin_manifest_version = 2", "spin_manifest_version = \"2\"", 2, "is \"2\", and only 2"),
    ("spin_manifest_version = 2", "spin_version = \"1\"\ncolour = 1", 2, "is \"1\", and only 2"),
    ("spin_manifest_version = 2", "", 1, "`spin_manifest_version`"),
    ("name = \"shop\"", "name = \"shop\"\nnmae = \"shop\"", 5, "`nmae`"),
    ("name = \"shop\"", "", 3, "`name`"),
    ("name = \"shop\"", "name = shop", 4, ""),
    ("[component.gate]", "[component.api]", 30, "duplicate"),
    ("[component.gate]", "[component.gate", 30, ""),
    ("{ default = \"http://127.0.0.1:3000\" }", "{ default = 3000 }", 10, "integer"),
    ("command = \"cargo build\"", "comand = \"cargo build\"", 29, "`comand`"),
    ("source = \"gate.wasm\"", "source = \"gate.wasm\"\nfoo = 1", 32, "`foo`"),
];

const VARIABLES: [Case; 8] = [
    ("bearer =", "Bearer =", 26, "lower_snake_case"),
    ("origin = {", "or-igin = {", 10, "lower_snake_case"),
    ("required = true", "required = false", 11, "exactly one of"),
    (
        "{ required = true, secret = true }",
        "{ required = true, default = \"x\" }",
        11,
        "exactly one",
    ),
    ("{ required = true, secret = true }", "{ requierd = true }", 11, "`requierd`"),
    ("Bearer {{ token }}", "Bearer {{ token", 26, "`{{` without `}}`"),
    ("Bearer {{ token }}", "Bearer {{ tokn }}", 26, "`{{ tokn }}`"),
    ("Bearer {{ token }}", "Bearer {{ a b }}", 26, "only the name of a variable"),
];

const ROUTES: [Case; 28] = [
    ("authors = [\"a\"]", "[application.trigger.http]\nbase = \"/x\"", 6, "base is `/x`"),
    ("route = \"/up\"", "route = \"/up\"\nmethods = [\"GET\"]", 18, "`methods`"),
    ("route = \"/up\"", "route = \"/.well-known/spin/up\"", 17, "reserved"),
    ("route = \"/up\"", "route = \"/a/:/b\"", 17, "`/a/:/b`"),
    ("route = \"/up\"", "route = \"/up\"\ncomponent = \"api\"", 16, "exactly one of"),
    ("static_response = {", "other = {", 18, "`other`"),
    ("status_code = 204", "status_code = 99", 18, "between 200 and 999"),
    ("status_code = 204", "status_code = 1000", 18, "between 200 and 999"),
    ("status_code = 204", "statuscode = 204", 18, "`statuscode`"),
    ("x-up = \"yes\"", "\"x up\" = \"yes\"", 18, "name that is none"),
    ("x-up = \"yes\"", "x-up = \"a\\r\\nb\"", 18, "control characters"),
    ("x-up = \"yes\"", "Transfer-Encoding = \"chunked\"", 18, "the server decides"),
    ("x-up = \"yes\"", "content-length = \"5\"", 18, "not the length of its body"),
    ("{ private = true }", "{ private = false }", 20, "`{ private = true }`"),
    ("{ private = true }", "{ privat = true }", 20, "`privat`"),
    ("{ private = true }", "7", 20, "a string or a table"),
    ("component = \"api\"\ndep", "component = \"gone\"\ndep", 14, "component `gone`"),
    ("component = \"gate\"", "component = \"gone\"", 15, "component `gone`"),
    ("component = \"gate\"", "component = \"api\"", 15, "before itself"),
    ("component = \"gate\"", "url = \"https://a\", digest = \"sha256:0\"", 15, "by `url`"),
    ("component = \"gate\"", "package = \"a:b\", version = \"1.0.0\"", 15, "by `package`"),
    ("component = \"gate\"", "path = \"a.wasm\", component = \"gate\"", 15, "exactly one of"),
    ("component = \"gate\", inherit", "inherit", 15, "exactly one of"),
    ("inherit_configuration = true", "inherit_configuration = [\"soul\"]", 15, "`soul`"),
    (
        "inherit_configuration = true",
        "inherit_configuration = \"all\"",
        15,
        "true, false or a list",
    ),
    ("[[trigger.http]]\nroute = \"/up\"", "[[trigger.redis]]\nroute = \"/up\"", 16, "`redis`"),
    ("route = \"/up\"", "route = \"/up\"\nexecutor = { type = \"wagi\" }", 18, "wagi"),
    ("route = \"/up\"", "route = \"/up\"\ncomponents.x = \"api\"", 18, "`components`"),
];

const COMPONENTS: [Case; 20] = [
    ("[component.gate]", "[component.gate_keeper]", 30, "kebab-case"),
    ("[component.gate]", "[component.gateKeeper]", 30, "kebab-case"),
    ("source = \"gate.wasm\"", "", 30, "`source`"),
    ("source = \"gate.wasm\"", "source = 7", 31, "a string or a table"),
    (
        "source = \"gate.wasm\"",
        "source = { url = \"https://a\", digest = \"sha256:0\" }",
        31,
        "{ url, digest }",
    ),
    (
        "source = \"gate.wasm\"",
        "source = { package = \"a:b\", version = \"1\" }",
        31,
        "{ package, version }",
    ),
    ("source = \"gate.wasm\"", "source = { uri = \"https://a\" }", 31, "`uri`"),
    (
        "source = \"gate.wasm\"",
        "source = \"g\"\nkey_value_stores = [\"default\"]",
        30,
        "`key_value_stores`",
    ),
    ("source = \"gate.wasm\"", "source = \"g\"\nai_models = [\"llama2-chat\"]", 32, "`ai_models`"),
    (
        "source = \"gate.wasm\"",
        "source = \"g\"\nallowed_http_hosts = [\"a.example\"]",
        32,
        "`allowed_http_hosts`",
    ),
    (
        "source = \"gate.wasm\"",
        "source = \"g\"\ndependencies = { \"a:b\" = \">=1\" }",
        32,
        "`dependencies`",
    ),
    ("[\"default\"]", "[\"b@d\"]", 25, "`b@d`"),
    ("{{ origin }}", "{{ orgin }}", 24, "`{{ orgin }}`"),
    ("{{ origin }}", "a.example", 24, "has no scheme"),
    ("destination = \"/\"", "destination = \"/../here\"", 27, "has a `..`"),
    ("source = \"assets\"", "source = \"a/../../b\"", 27, "has a `..`"),
    ("{ source = \"assets\", destination = \"/\" }", "\"../*\"", 27, "has a `..`"),
    ("{ source = \"assets\", destination = \"/\" }", "\"/etc/*\"", 27, "not below the manifest"),
    ("{ source = \"assets\", destination = \"/\" }", "\"assets/.\"", 27, "ends in `.`"),
    ("{ source = \"assets\", destination = \"/\" }", "\"\"", 27, "is empty"),
];

#[test]
fn refuses_every_broken_rule_with_its_line_and_one_sentence() {
    for (from, to, line, words) in [&TEXT[..], &VARIABLES, &ROUTES, &COMPONENTS].concat() {
        let broken = GOOD.replacen(from, to, 1);
        assert_ne!(broken, GOOD, "{from} is not in the manifest");
        let error = resolve(&broken, &[("token", "s3cret")]).expect_err(to).to_string();
        let is_right = error.starts_with(&format!("line {line}: ")) && error.contains(words);
        assert!(is_right, "{to}: {error}");
        assert!(!error.contains('\n') && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn refuses_a_trigger_id_that_is_used_twice() {
    let twice = GOOD.replace("[[trigger.http]]", "[[trigger.http]]\nid = \"a\"");
    let error = resolve(&twice, &[("token", "t")]).expect_err("is used twice").to_string();
    assert_eq!(error, "line 18: trigger id `a` is used twice");
}

#[test]
fn refuses_values_for_variables_that_do_not_exist_only_where_they_were_typed() {
    assert!(resolve(GOOD, &[("token", "t"), ("tokn", "t")]).is_err());
    let file = VariableSources::new().with_command_line_file([("token", "t"), ("tokn", "t")]);
    assert!(Manifest::parse(GOOD).and_then(|manifest| manifest.resolve(&file)).is_ok());
}

#[test]
fn refuses_nesting_without_end() {
    for deep in ["[".repeat(100_000), "{a=".repeat(100_000), "a.".repeat(100_000)] {
        for text in [format!("x = {deep}"), format!("[component.{deep}]"), format!("{deep} = 1")] {
            assert!(resolve(&text, &[]).is_err());
        }
    }
}

/// Whatever is written, it is refused in one sentence or served; the shrunken text is printed with its seed.
fn judge(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = resolve(text, &[("token", "s3cret")]) {
        let error = error.to_string();
        prop_assert!(!error.contains('\n') && !error.contains("s3cret"), "{error}");
    }
    // Its errors are the same ones; what counts is that it returns.
    let _ = spin_rules(text);
    Ok(())
}

/// Words of manifests, to be strewn into one.
const WORDS: [&str; 24] = [
    "\"",
    "'",
    "=",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "{{",
    "}}",
    ".",
    ",",
    "\n",
    "#",
    "\\",
    "2",
    "true",
    "\u{0}",
    "é",
    "*",
    "/...",
    "../",
    ":",
    "component",
];

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        judge(&text)?;
    }

    #[test]
    fn no_change_of_a_good_manifest_makes_it_panic(
        changes in proptest::collection::vec((any::<Index>(), 0..12_usize, 0..WORDS.len()), 1..6)
    ) {
        let mut letters: Vec<char> = GOOD.chars().collect();
        for (at, cut, word) in changes {
            let at = at.index(letters.len());
            let end = at.saturating_add(cut).min(letters.len());
            letters.splice(at..end, WORDS[word].chars());
        }
        judge(&letters.into_iter().collect::<String>())?;
    }
}
