use super::*;

fn parse(text: &str) -> Result<RuntimeConfig, RuntimeConfigError> {
    RuntimeConfig::parse(text, Path::new("/etc/shop"))
}

#[test]
fn an_empty_file_is_as_no_file() {
    assert_eq!(parse("").expect("is good"), RuntimeConfig::default());
}

#[test]
fn reads_every_kind_of_table() {
    let config = parse(
        r#"
        state_dir = "state"
        log_dir = ""
        [key_value_store.default]
        type = "spin"
        path = "kv.db"
        [key_value_store.scratch]
        type = "spin"
        [key_value_store.shared]
        type = "redis"
        url = "redis://:hunter2@cache:6379/1"
        [sqlite_database.default]
        type = "spin"
        path = "data.db"
        [sqlite_database.remote]
        type = "libsql"
        url = "https://db.example"
        token = "t0ken"
        [outbound_networking]
        block_networks = ["169.254.0.0/16", "private"]
        [[variables_provider]]
        type = "static"
        values = { name = "value" }
        [[variables_provider]]
        type = "env"
        prefix = "SHOP"
        dotenv_path = ".env"
        "#,
    )
    .expect("is good");
    assert_eq!(config.state_dir(), &Directory::At("state".into()));
    assert_eq!(config.log_dir(), &Directory::Nowhere);
    let kept = KeyValueStore::Spin { path: Some("/etc/shop/kv.db".into()) };
    assert_eq!(config.key_value_store("default"), Some(&kept));
    assert_eq!(config.key_value_store("scratch"), Some(&KeyValueStore::Spin { path: None }));
    let redis = KeyValueStore::Redis { url: Secret::new("redis://:hunter2@cache:6379/1") };
    assert_eq!(config.key_value_store("shared"), Some(&redis));
    assert_eq!(config.key_value_store("other"), None);
    let file = SqliteDatabase::Spin { path: Some("data.db".into()) };
    assert_eq!(config.sqlite_database("default"), Some(&file));
    let (url, token) = ("https://db.example".to_owned(), Secret::new("t0ken"));
    let remote = SqliteDatabase::Libsql { url, token };
    assert_eq!(config.sqlite_database("remote"), Some(&remote));
    assert!(config.blocked_networks().blocks([127, 0, 0, 1].into()));
    let values = BTreeMap::from([("name".to_owned(), Secret::new("value"))]);
    let env =
        VariableProvider::Env { prefix: Some("SHOP".to_owned()), dotenv_path: Some(".env".into()) };
    assert_eq!(config.variable_providers(), [VariableProvider::Static(values), env]);
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("t0ken"), "{shown}");
}

#[test]
fn providers_have_an_old_name_too() {
    let old = "[[config_provider]]\ntype = 'env'";
    assert_eq!(parse(old).expect("is good").variable_providers().len(), 1);
    let both = "[[config_provider]]\ntype = 'env'\n[[variables_provider]]\ntype = 'env'";
    assert!(matches!(parse(both), Err(RuntimeConfigError::Shape { .. })));
}

#[test]
fn refuses_by_name_what_it_cannot_do() {
    for (text, expected) in [
        ("nonsense = 1", "`nonsense` is no key of a runtime-config file"),
        ("[llm_compute]\ntype = 'spin'", "`llm_compute` is not supported by this node"),
        ("[[client_tls]]\nhosts = ['a']", "`client_tls` is not supported by this node"),
        (
            "[key_value_store.a]\ntype = 'azure_cosmos'",
            "`key_value_store.a` has type `azure_cosmos`, and this node supports `spin` and `redis`",
        ),
        (
            "[sqlite_database.a]\ntype = 'oracle'",
            "`sqlite_database.a` has type `oracle`, and this node supports `spin` and `libsql`",
        ),
        (
            "[[variables_provider]]\ntype = 'vault'",
            "`variables_provider` has type `vault`, and this node supports `static` and `env`",
        ),
        ("[key_value_store.a]\npath = 'x'", "`key_value_store.a`: needs a `type`"),
        ("key_value_store = 1", "`key_value_store`: must be a table of tables"),
        (
            "[key_value_store.a]\ntype = 'redis'\nurl = 'http://u:p@a'",
            "`url` of `key_value_store.a` must start with `redis://`",
        ),
        (
            "[sqlite_database.a]\ntype = 'libsql'\nurl = 'libsql://a'\ntoken = 'x'",
            "`url` of `sqlite_database.a` must start with `http://` or `https://`",
        ),
        (
            "[outbound_networking]\nblock_networks = ['public']",
            "`public` of outbound_networking.block_networks is neither a network nor `private`",
        ),
        (
            "[outbound_networking]\nmax_total_connections = 5",
            "`outbound_networking.max_total_connections` is not supported by this node",
        ),
        ("state_dir = 1", "`state_dir`: must be a string"),
    ] {
        let refused = parse(text).expect_err(text);
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn refuses_keys_that_a_table_does_not_have() {
    for text in [
        "[key_value_store.a]\ntype = 'spin'\nfile = 'x'",
        "[key_value_store.a]\ntype = 'redis'",
        "[sqlite_database.a]\ntype = 'libsql'\nurl = 'http://a'",
        "[[variables_provider]]\ntype = 'static'",
        "[[variables_provider]]\ntype = 'env'\nsuffix = 'x'",
    ] {
        assert!(matches!(parse(text), Err(RuntimeConfigError::Shape { .. })), "{text}");
    }
}

#[test]
fn says_in_which_line_the_text_is_broken() {
    let refused = parse("state_dir = 'x'\n[key_value_store").expect_err("is broken");
    assert!(matches!(refused, RuntimeConfigError::Syntax { line: 2, .. }), "{refused}");
}

#[test]
fn no_error_repeats_a_secret() {
    for text in [
        "[sqlite_database.a]\ntype = 'libsql'\nurl = 'http://a'\ntoken = ['s3cret']",
        "[key_value_store.a]\ntype = 'redis'\nurl = 's3cret'",
        "[[variables_provider]]\ntype = 'static'\nvalues = { a = ['s3cret'] }",
        "[[variables_provider]]\ntype = 'static'\nvalues = 's3cret'",
    ] {
        let refused = parse(text).expect_err(text).to_string();
        assert!(!refused.contains("s3cret"), "{refused}");
    }
}
