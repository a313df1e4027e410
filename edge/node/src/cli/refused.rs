//! Options of `spin up` that the node does not have, so that nobody believes that they do something.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// An option of Spin 4 and why it is not here.
type Refused = (&'static str, &'static str);

const REFUSED: [Refused; 24] = [
    ("--from-registry", "applications in registries are not supported"),
    ("--insecure", "applications in registries are not supported"),
    ("-k", "applications in registries are not supported"),
    ("--cache-dir", "nothing is ever downloaded"),
    ("--build", "build first, with `spin build`"),
    ("--component-id", "the whole application is served; leave the others out of the manifest"),
    ("-c", "the whole application is served; leave the others out of the manifest"),
    ("--cache", "compiled components are always kept in the state directory"),
    ("--disable-cache", "compiled components are always kept in the state directory"),
    ("--disable-pooling", "instances always come from a pool"),
    ("--allow-transient-write", "components never write files"),
    ("--key-value", "let a component set the value"),
    ("--sqlite", "let a component run the statement"),
    ("--http1-max-buf-size", "use `--head-bytes-max`"),
    ("--format", "the first line on standard output is `listening <URL>`"),
    ("--max-instance-reuse-count", "how often an instance is reused is fixed"),
    ("--max-instance-concurrent-reuse-count", "an instance serves one request at a time"),
    ("--idle-instance-timeout", "how long an idle instance is kept is fixed"),
    ("--request-deadline", "use `--cpu-budget-ms`"),
    ("--experimental-wasm-feature", "no experimental features are switched on"),
    ("--experimental-wasi-otel", "no experimental features are switched on"),
    ("--help-args-only", "it is Spin's own"),
    ("--launch-metadata-only", "it is Spin's own"),
    ("--resolve-extras-only", "it is Spin's own"),
];

/// Returns the sentence for an error that is about one of these options.
pub(crate) fn explain(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let (option, why) = REFUSED.iter().find(|(option, _)| {
        given == option || given.strip_prefix(option).is_some_and(|rest| rest.starts_with('='))
    })?;
    Some(format!("`{option}` of `spin up` is not supported: {why}"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn names_every_option_of_spin_that_is_not_here() {
        for (option, why) in REFUSED {
            for arguments in [vec![option.to_owned()], vec![format!("{option}=x")]] {
                let line = ["vitrine-edge", "up"].map(str::to_owned).into_iter().chain(arguments);
                let error = Cli::try_parse_from(line).expect_err(option);
                let said = explain(&error).expect(option);
                assert!(said.contains(&format!("`{option}`")) && said.contains(why), "{said}");
            }
        }
    }

    #[test]
    fn leaves_other_errors_alone() {
        for arguments in [["up", "--colour"], ["up", "--listen=nowhere"], ["down", "--build"]] {
            let line = ["vitrine-edge"].into_iter().chain(arguments);
            let error = Cli::try_parse_from(line).expect_err("is refused");
            assert_eq!(explain(&error), None, "{arguments:?}");
        }
    }

    #[test]
    fn has_every_option_that_the_reasons_speak_of() {
        let command = Cli::command();
        let up = command.find_subcommand("up").expect("exists");
        let known: Vec<String> =
            up.get_arguments().filter_map(|arg| Some(format!("`--{}`", arg.get_long()?))).collect();
        for (_, why) in REFUSED {
            for word in why.split(' ').filter(|word| word.starts_with("`--")) {
                assert!(known.iter().any(|option| option == word), "{word}");
            }
        }
    }
}
