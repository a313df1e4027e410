//! The page over TLS and HTTP/2, asked by Debian's h2load: for information, since nothing of it is ours.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use super::PAGE;
use super::servers::Servers;
use crate::affinity::Cores;
use crate::cli::Effort;
use crate::machine::cpu_us;
use crate::matrix::Target;
use crate::report::{Section, middle, ratio};
use crate::say;

const PROGRAM: &str = "h2load";
/// Connections, and requests at once on each.
const CONNECTIONS: u32 = 16;
const STREAMS: u32 = 10;

#[derive(Debug)]
struct Figures {
    name: &'static str,
    rates: Vec<f64>,
    /// Microseconds of the server's processor time per request, the warm-up included.
    cpu_us: Vec<f64>,
}

/// Gives both servers their turns; `None` where there is no h2load.
pub(crate) async fn run(
    effort: &Effort,
    cores: Cores,
    servers: &Servers,
) -> Result<Option<Section>> {
    if Command::new(PROGRAM).arg("--version").output().await.is_err() {
        return Ok(None);
    }
    say("the page over HTTP/2")?;
    let targets = servers.over_tls()?;
    let mut all = targets.clone().map(|target| Figures {
        name: target.name,
        rates: Vec::new(),
        cpu_us: Vec::new(),
    });
    for round in 0..effort.rounds as usize {
        for at in [round % 2, (round + 1) % 2] {
            let (Some(target), Some(figures)) = (targets.get(at), all.get_mut(at)) else {
                continue;
            };
            let (rate, cpu) = turn(effort, cores, target).await?;
            figures.rates.push(rate);
            figures.cpu_us.push(cpu);
        }
    }
    Ok(Some(section(&all)))
}

async fn turn(effort: &Effort, cores: Cores, target: &Target) -> Result<(f64, f64)> {
    let cpu = || target.pids.iter().map(|pid| cpu_us(*pid)).sum::<u64>();
    let duration = effort.turn().max(Duration::from_secs(1)).as_secs();
    let mut args = vec![
        format!("--connect-to={}", target.address),
        format!("--duration={duration}"),
        format!("--clients={CONNECTIONS}"),
        format!("--max-concurrent-streams={STREAMS}"),
        "--threads=1".to_owned(),
        format!("https://edge.test{PAGE}"),
    ];
    let mut program = std::path::PathBuf::from(PROGRAM);
    if let Some(core) = cores.client {
        (program, args) = harness::on_core(core, &program, args);
    }
    let before = cpu();
    let said = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("run h2load")?;
    let taken = cpu().saturating_sub(before);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let Some(read) = Said::read(&said) else { bail!("{}: h2load says: {said}", target.name) };
    if read.succeeded == 0 || read.otherwise > 0 {
        bail!("{}: {} requests failed: {said}", target.name, read.otherwise);
    }
    Ok((read.rate, taken as f64 / read.succeeded as f64))
}

/// What h2load tells at its end.
#[derive(Debug, PartialEq)]
struct Said {
    rate: f64,
    succeeded: u64,
    /// Failed, or answered with another status than 2xx.
    otherwise: u64,
}

impl Said {
    fn read(text: &str) -> Option<Self> {
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        // finished in 2.00s, 51234.50 req/s, 201.00MB/s
        let rate = line("finished in ")?.split(", ").nth(1)?.strip_suffix(" req/s")?;
        let counted = |line: &str, word: &str| {
            let part = line.split(", ").find_map(|part| part.trim().strip_suffix(word));
            part.and_then(|number| number.trim().parse::<u64>().ok())
        };
        // requests: 102 total, 112 started, 102 done, 102 succeeded, 0 failed, 0 errored, 0 timeout
        let requests = line("requests: ")?;
        // status codes: 102 2xx, 0 3xx, 0 4xx, 0 5xx
        let statuses = line("status codes: ")?;
        let others = [" 3xx", " 4xx", " 5xx"].iter().filter_map(|word| counted(statuses, word));
        let failed = counted(requests, " failed")? + others.sum::<u64>();
        let succeeded = counted(requests, " succeeded")?;
        Some(Self { rate: rate.parse().ok()?, succeeded, otherwise: failed })
    }
}

fn section(all: &[Figures]) -> Section {
    let yardstick = all.first().map_or(0.0, |first| middle(&first.rates));
    let mut text = format!(
        "\npage of 4 KB over TLS and HTTP/2, {CONNECTIONS} connections with {STREAMS} requests at once (h2load)\n\
         server                                     requests/s   CPU us   rate ratio\n"
    );
    let mut lines = Vec::new();
    for figures in all {
        let (rate, cpu) = (middle(&figures.rates), middle(&figures.cpu_us));
        let ratio = ratio(rate, yardstick);
        text.push_str(&format!("{:<42} {rate:>10.0}   {cpu:>6.1}   {ratio:>10.3}\n", figures.name));
        lines.push(json!({ "server": figures.name, "requests_per_second": rate, "cpu_us_per_request": cpu, "rate_ratio": ratio }));
    }
    Section { name: "http2", text, json: Value::Array(lines) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_h2load_says() {
        let said = "finished in 2.00s, 51234.50 req/s, 201.00MB/s\n\
                    requests: 102 total, 112 started, 102 done, 102 succeeded, 0 failed, 0 errored, 0 timeout\n\
                    status codes: 100 2xx, 0 3xx, 2 4xx, 0 5xx\n";
        let expected = Said { rate: 51234.5, succeeded: 102, otherwise: 2 };
        assert_eq!(Said::read(said), Some(expected));
        assert_eq!(Said::read("nothing"), None);
    }
}
