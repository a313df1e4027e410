use std::{collections::BTreeMap, io::Write as _};

use super::{explain::explained, *};
use crate::cli::{self, Command as Asked};

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("makes a file");
    file.write_all(text.as_bytes()).expect("writes");
    file
}

fn line(words: &[&str]) -> Vec<OsString> {
    ["vitrine-edge"].iter().chain(words).map(OsString::from).collect()
}

/// Reads a proxy's settings.
fn proxy(
    words: &[&str],
    variables: &[(&str, &str)],
    text: Option<&str>,
) -> Result<cli::ProxyOptions, String> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let environment = |name: &str| variables.get(name).map(OsString::from);
    let file = text.map(file);
    let path = file.as_ref().map(|file| file.path().to_str().expect("is text").to_owned());
    let mut words = [&["proxy"], words].concat();
    if let Some(path) = &path {
        words.extend(["--config", path]);
    }
    match read(&line(&words), &environment) {
        Ok(Cli { command: Asked::Proxy(options) }) => Ok(*options),
        Ok(_) => panic!("another command"),
        Err(error) => {
            let said = error.to_string();
            Err(said.replace(path.as_deref().unwrap_or("no file"), "FILE"))
        }
    }
}

fn explain(path: Option<&Path>, words: &[&str], variables: &[(&str, &str)]) -> String {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let environment = |name: &str| variables.get(name).map(OsString::from);
    let options = cli::Config {
        explain: true,
        config: path.map(Path::to_owned),
        line: words.iter().map(OsString::from).collect(),
    };
    explained(&options, &environment).expect("is explained")
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let text = "origin = [\"http://a\", \"http://b\"]\ncache_mib = 7\nlisten = \"127.0.0.1:1\"\n\
                [proxy]\ncache-mib = 8\nno-cache = true\ncache-name = \"file\"\n[up]\nresume = true\n";
    let read = proxy(&[], &[], Some(text)).expect("is read");
    assert_eq!(read.origins, ["http://a", "http://b"]);
    assert_eq!((read.cache.cache_mib, read.no_cache), (8, true));
    let variables = [
        ("VITRINE_CACHE_MIB", "9"),
        ("VITRINE_NO_CACHE", "false"),
        ("VITRINE_ORIGIN", "http://c, http://d"),
    ];
    let read = proxy(&[], &variables, Some(text)).expect("is read");
    assert_eq!(read.origins, ["http://c", "http://d"]);
    assert_eq!((read.cache.cache_mib, read.no_cache), (9, false));
    let words = ["--cache-mib", "10", "--origin", "http://e"];
    let read = proxy(&words, &variables, Some(text)).expect("is read");
    assert_eq!((read.origins, read.cache.cache_mib), (vec!["http://e".to_owned()], 10));
    assert_eq!((read.cache.cache_name.as_str(), read.listen.port()), ("file", 1));
    assert_eq!(proxy(&["--origin", "http://a"], &[], None).expect("is read").cache.cache_mib, 256);
}

#[test]
fn refuses_what_a_file_must_not_say_and_names_the_line() {
    for (text, said) in [
        ("origin = \"http://a\"\ncolour = 1\n", "FILE, line 2: `proxy` has no setting `colour`"),
        (
            "origin = \"http://a\"\n\n[proxy]\nresume = true",
            "FILE, line 4: `proxy` has no setting `resume`",
        ),
        ("config = \"other\"", "FILE, line 1: `proxy` has no setting `config`"),
        ("[other]\na = 1", "FILE, line 1: `proxy` has no setting `other`"),
        ("cache-mib = 1\ncache_mib = 2", "FILE, line 2: `cache_mib` is set twice"),
        ("no-cache = \"true\"", "FILE, line 1: `no-cache` is `true` or `false`"),
        ("cache-mib = true", "FILE, line 1: `cache-mib` is a text or a number"),
        ("cache-mib = [1]", "FILE, line 1: `cache-mib` is a text or a number"),
        ("origin = [[\"http://a\"]]", "FILE, line 1: `origin` is a text or a list of texts"),
        (
            "origin = \"http://a\"\ncache-mib = 0",
            "`cache-mib` on line 2 of the configuration file: 0 is not in 1..=1048576",
        ),
        (
            "origin = \"http://a\"\nlog-format = \"xml\"",
            "`log-format` on line 2 of the configuration file: it is one of text, json",
        ),
    ] {
        assert_eq!(proxy(&[], &[], Some(text)).map(drop), Err(said.to_owned()), "{text}");
    }
    let broken = proxy(&[], &[], Some("a = 1\nb = = 2")).map(drop).expect_err("is refused");
    assert!(broken.starts_with("FILE, line 2: "), "{broken}");
    let gone = proxy(&["--config", "/nowhere"], &[], None).map(drop).expect_err("is refused");
    assert_eq!(gone, "read /nowhere");
}

#[test]
fn what_belongs_together_is_asked_for_wherever_it_stands() {
    let origin = ("VITRINE_ORIGIN", "http://a");
    assert!(proxy(&[], &[origin, ("VITRINE_TLS_CERT", "a.pem")], None).is_err());
    assert!(proxy(&["--tls-key", "k"], &[origin, ("VITRINE_TLS_CERT", "c")], None).is_ok());
    assert!(proxy(&["--tls-key", "k"], &[origin], Some("tls-cert = \"c\"")).is_ok());
    assert!(proxy(&[], &[origin], Some("tls-cert = \"c\"")).is_err());
    let refused = proxy(&[], &[origin, ("VITRINE_NO_CACHE", "yes")], None).map(drop);
    assert_eq!(refused, Err("VITRINE_NO_CACHE is `true`, `false`, `1` or `0`".to_owned()));
    let refused = proxy(&[], &[origin, ("VITRINE_CACHE_MIB", "0")], None).map(drop);
    assert_eq!(refused, Err("VITRINE_CACHE_MIB: 0 is not in 1..=1048576".to_owned()));
    let refused = proxy(&["--cache-mib", "0"], &[origin], None).map(drop);
    assert!(refused.is_err_and(|said| said.starts_with("error: invalid value '0'")));
}

#[test]
fn explains_every_option_with_its_source_and_shows_no_secret() {
    let kept = file("origin = \"http://a\"\n");
    let variables = [("VITRINE_DRAIN_TIMEOUT_MS", "7")];
    let words = ["proxy", "--cache-mib", "9"];
    let told = explain(Some(kept.path()), &words, &variables);
    for expected in [
        "cache-mib = 9 # MiB, flag",
        "drain-timeout-ms = 7 # ms, env VITRINE_DRAIN_TIMEOUT_MS",
        "body-bytes-max = 1048576 # bytes, default",
        "no-cache = false # default",
        "# tls-cert is not set # default",
    ] {
        assert!(told.lines().any(|line| line == expected), "{expected} is not in {told}");
    }
    let origin = format!("origin = [\"http://a\"] # file {}, line 1", kept.path().display());
    assert!(told.lines().any(|line| line == origin), "{told}");
    assert!(!told.contains("[up]"));

    let told = explain(
        None,
        &["up", "--variable", "token=s3cret", "--env", "A=s3cret", "--variable", "b=@f"],
        &[],
    );
    assert!(!told.contains("s3cret"), "{told}");
    assert!(told.contains("variable = [\"token=***\", \"b=@f\"] # flag"), "{told}");

    let told = explain(None, &[], &[]);
    let command = Cli::command();
    for name in COMMANDS {
        let own = told.split(&format!("[{name}]\n")).nth(1).expect("is there");
        let own = own.split("\n[").next().expect("is there");
        let command = command.find_subcommand(name).expect("exists");
        for arg in command.get_arguments().filter(|arg| arg.get_id() != "help") {
            let long = arg.get_long().expect("every option has a long name");
            let is_told = |line: &str| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{long} = "))
                    || line.starts_with(&format!("{long} is not"))
            };
            let at = own.lines().position(is_told);
            let at = at.unwrap_or_else(|| panic!("`{long}` of `{name}` is not explained"));
            let help = own.lines().nth(at - 1).expect("is there");
            assert!(help.len() > 8 && help.starts_with("# "), "`{long}` of `{name}` has no help");
        }
    }
}

#[test]
fn what_is_explained_is_a_file_that_says_the_same() {
    let words = [
        "proxy",
        "--origin",
        "http://a",
        "--cache-set-cookie",
        "never",
        "--cache-ignores-requests",
    ];
    let kept = file(&explain(None, &words, &[]));
    let again = explain(Some(kept.path()), &["proxy"], &[]);
    let values = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(" # ").next().expect("is there").to_owned()).collect::<Vec<_>>()
    };
    let first = std::fs::read_to_string(kept.path()).expect("is there");
    assert_eq!(values(&first), values(&again));
}
