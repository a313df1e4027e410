//! What is served and where it finds things: the options of `spin up`, under their names there.

use std::{net::SocketAddr, net::ToSocketAddrs as _, path::PathBuf, time::Duration};

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser as _},
};

/// The application and its surroundings.
#[derive(Debug, Args)]
#[command(next_help_heading = "Application, as for `spin up`")]
pub(crate) struct AppOptions {
    /// A manifest, a directory with a `spin.toml` in it, or a wasm file, which is then served at every path.
    ///
    /// Without it: `spin.toml` in the working directory, or in the nearest one above it, up to a repository's root.
    #[arg(short = 'f', long, value_name = "FILE|DIR", aliases = ["from-file", "file"])]
    pub(crate) from: Option<PathBuf>,
    /// The build profile whose `source` and `environment` are used.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Set an environment variable for every component; wins over the manifest. May be repeated.
    #[arg(short, long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) environment: Vec<Pair>,
    /// Set application variables; of two equal names the last counts. Wins over everything else.
    ///
    /// The order is: this, the providers of the runtime configuration, `SPIN_VARIABLE_<NAME>` in the environment and then
    /// in `.env`, the default in the manifest. May be repeated.
    #[arg(long = "variable", value_name = "NAME=VALUE|NAME=@FILE|@FILE.toml|@FILE.json", value_parser = variable)]
    pub(crate) variables: Vec<VariableArgument>,
    /// Spin's runtime configuration: stores, databases, providers of variables, blocked networks.
    #[arg(long, value_name = "FILE", env = "RUNTIME_CONFIG_FILE")]
    pub(crate) runtime_config_file: Option<PathBuf>,
    /// Where compiled components, databases and staged files are kept. Default: `.spin` beside the manifest.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Where what components print is kept, one file per component and stream; empty for nowhere.
    ///
    /// Default: `logs` in the state directory.
    #[arg(short = 'L', long, value_name = "DIR", env = "SPIN_LOG_DIR",
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) log_dir: Option<PathBuf>,
    /// Empty the files in the log directory first.
    #[arg(long)]
    pub(crate) truncate_logs: bool,
    /// Repeat only what this component prints in the node's log. May be repeated; default: all.
    #[arg(long, value_name = "COMPONENT")]
    pub(crate) follow: Vec<String>,
    /// Repeat nothing of what components print in the node's log.
    #[arg(short, long, aliases = ["sh", "shush"], conflicts_with = "follow")]
    pub(crate) quiet: bool,
    /// Where files are copied for components that ask for patterns or single files. Default: in the state directory.
    #[arg(long, value_name = "DIR", alias = "tmp")]
    pub(crate) temp: Option<PathBuf>,
    /// Refuse an application whose files would have to be copied. Whole directories are never copied.
    #[arg(long)]
    pub(crate) direct_mounts: bool,
    /// Memory per instance, in bytes; wins over `--memory-mib`.
    #[arg(long, value_name = "BYTES", env = "SPIN_MAX_INSTANCE_MEMORY")]
    pub(crate) max_instance_memory: Option<usize>,
    /// Longest time to the head of an answer, as in `5s` or `250ms`; wins over `--request-timeout-ms`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) request_timeout: Option<Duration>,
}

impl AppOptions {
    /// Puts the bounds that have a name in Spin over ours.
    pub(crate) fn limit(&self, mut limits: runtime::Limits) -> runtime::Limits {
        if let Some(bytes) = self.max_instance_memory {
            limits.memory_bytes_max = bytes;
        }
        if let Some(timeout) = self.request_timeout {
            limits.request_timeout = timeout;
        }
        limits
    }
}

/// `NAME=VALUE`; the value is kept from debug output, for it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}=***", self.name)
    }
}

/// One `--variable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VariableArgument {
    /// The value itself.
    Value(Pair),
    /// The file's whole content is the value.
    Content { name: String, path: PathBuf },
    /// A file with many.
    Toml(PathBuf),
    /// A file with many.
    Json(PathBuf),
}

fn pair(text: &str) -> Result<Pair, &'static str> {
    match text.split_once('=') {
        Some(("", _)) => Err("it has no name before the `=`"),
        Some((name, value)) => Ok(Pair { name: name.to_owned(), value: value.to_owned() }),
        None => Err("it has no `=`"),
    }
}

fn variable(text: &str) -> Result<VariableArgument, &'static str> {
    if let Some(path) = text.strip_prefix('@') {
        let path = PathBuf::from(path);
        return match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Ok(VariableArgument::Toml(path)),
            Some("json") => Ok(VariableArgument::Json(path)),
            _ => Err("a file of variables ends in `.toml` or `.json`"),
        };
    }
    let Pair { name, value } = pair(text)?;
    Ok(match value.strip_prefix('@') {
        Some(path) => VariableArgument::Content { name, path: PathBuf::from(path) },
        None => VariableArgument::Value(Pair { name, value }),
    })
}

/// Reads `ADDRESS:PORT` or `NAME:PORT`. Of a name's addresses 127.0.0.1 is taken, else the first, as in Spin.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let addresses: Vec<SocketAddr> =
        text.to_socket_addrs().map_err(|error| error.to_string())?.collect();
    let loopback = addresses.iter().find(|address| address.ip() == std::net::Ipv4Addr::LOCALHOST);
    loopback
        .or_else(|| addresses.first())
        .copied()
        .ok_or_else(|| "the name has no address".to_owned())
}

/// How a number of some unit becomes a time.
type OfNumber = fn(u64) -> Duration;

/// Reads a time as Spin writes it: seconds, or a number with `s`, `ms`, `us`, `μs` or `ns`.
fn duration(text: &str) -> Result<Duration, &'static str> {
    if text.contains("..") {
        return Err("a range of times is not supported: give one");
    }
    let units: [(&str, OfNumber); 5] = [
        ("ms", Duration::from_millis),
        ("us", Duration::from_micros),
        ("μs", Duration::from_micros),
        ("ns", Duration::from_nanos),
        ("s", Duration::from_secs),
    ];
    let unit = units.iter().find_map(|(unit, of)| Some((text.strip_suffix(unit)?, *of)));
    let (number, of) = unit.unwrap_or((text, Duration::from_secs));
    let time =
        number.parse().map(of).map_err(|_| "it is no number with `s`, `ms`, `us` or `ns`")?;
    if time.is_zero() { Err("no request could be answered in no time") } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        app: AppOptions,
    }

    fn read(arguments: &[&str]) -> Result<AppOptions, clap::Error> {
        Line::try_parse_from([&["up"], arguments].concat()).map(|line| line.app)
    }

    fn value(name: &str, value: &str) -> VariableArgument {
        VariableArgument::Value(Pair { name: name.to_owned(), value: value.to_owned() })
    }

    #[test]
    fn reads_what_spin_up_reads() {
        for name in ["-f", "--from", "--from-file", "--file"] {
            assert_eq!(read(&[name, "a"]).expect(name).from, Some(PathBuf::from("a")));
        }
        let options = read(&["-e", "A=1", "--env", "B==", "-L", "", "-q", "--profile", "debug"]);
        let options = options.expect("is read");
        let pairs =
            options.environment.iter().map(|pair| (pair.name.as_str(), pair.value.as_str()));
        assert_eq!(pairs.collect::<Vec<_>>(), [("A", "1"), ("B", "=")]);
        assert_eq!(options.log_dir, Some(PathBuf::new()));
        assert!(options.quiet && options.profile.as_deref() == Some("debug"));
    }

    #[test]
    fn reads_every_form_of_a_variable() {
        for (text, expected) in [
            ("a=b", value("a", "b")),
            ("a=", value("a", "")),
            ("a=b=c", value("a", "b=c")),
            ("a=@b", VariableArgument::Content { name: "a".to_owned(), path: "b".into() }),
            ("@a.toml", VariableArgument::Toml("a.toml".into())),
            ("@a.json", VariableArgument::Json("a.json".into())),
        ] {
            let options = read(&["--variable", text]).expect(text);
            assert_eq!(options.variables, [expected]);
        }
    }

    #[test]
    fn refuses_what_it_cannot_read_and_shows_no_value() {
        for arguments in [
            ["--variable", "a"],
            ["--variable", "=s3cret"],
            ["--variable", "@a.yaml"],
            ["--env", "a"],
            ["--state-dir", ""],
            ["--request-timeout", "1..8s"],
            ["--request-timeout", "soon"],
            ["--request-timeout", "0s"],
            ["--max-instance-memory", "-1"],
        ] {
            assert!(read(&arguments).is_err(), "{arguments:?}");
        }
        assert!(read(&["--quiet", "--follow", "a"]).is_err());
        let options = read(&["--variable", "a=s3cret", "-e", "b=s3cret"]).expect("is read");
        assert!(!format!("{options:?}").contains("s3cret"), "{options:?}");
    }

    #[test]
    fn reads_times_as_spin_writes_them() {
        for (text, expected) in [
            ("5", Duration::from_secs(5)),
            ("5s", Duration::from_secs(5)),
            ("250ms", Duration::from_millis(250)),
            ("7us", Duration::from_micros(7)),
            ("7μs", Duration::from_micros(7)),
            ("7ns", Duration::from_nanos(7)),
        ] {
            let options = read(&["--request-timeout", text]).expect(text);
            assert_eq!(options.limit(runtime::Limits::default()).request_timeout, expected);
        }
    }

    #[test]
    fn takes_the_loopback_address_of_a_name() {
        assert_eq!(listen_address("localhost:12"), Ok(SocketAddr::from(([127, 0, 0, 1], 12))));
        assert_eq!(listen_address("[::1]:0").map(|address| address.is_ipv6()), Ok(true));
        for text in ["localhost", "127.0.0.1", "127.0.0.1:99999", ""] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }
}
