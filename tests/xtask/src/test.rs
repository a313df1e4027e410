//! `test`: runs every ring of tests and says at the end what ran.

mod cache_suite;
mod conformance;
mod count;
mod database;
mod simulation;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::Context;
use crate::build;
use crate::cli::{Ring, TestArgs};
use crate::disk;
use crate::sim;
use crate::tools::{self, PythonEnvironment};
use crate::worker;
use count::Count;
use database::Database;

/// Built for WebAssembly alone: native test binaries of them would only cost time.
const NOT_NATIVE: [&str; 9] = [
    "gateway",
    "catalog",
    "ar-router",
    "shop-api",
    "assets",
    "guests",
    "guests-express",
    "guests-p2",
    "hello",
];
/// The crates whose documentation may hold examples; elsewhere examples are tests.
const DOCUMENTED: [&str; 3] = ["domain", "ports", "api-types"];
/// The crate whose tests need the whole shop; they run apart, one test at a time.
const WHOLE_STACK: &str = "e2e";
/// Version of Pixar's package on `PyPI`.
const USD_CORE: &str = "26.11";
/// Where the journeys leave their pictures, below the generated files.
const SHOTS: &str = "e2e-screenshots";
/// The same of those that were before the Worker.
const WORKER_SHOTS: &str = "e2e-screenshots/worker";

/// What ran, for the table at the end.
#[derive(Debug)]
struct Row {
    name: &'static str,
    count: Count,
    is_success: bool,
    took: Duration,
}

/// The command.
pub(crate) fn run(context: &Context, args: &TestArgs) -> Result<()> {
    disk::require(context.workspace.target())?;
    let started = Instant::now();
    let ring = args.ring;
    let wants = |which: Ring| ring == which || ring == Ring::All;
    let mut run = Run {
        context,
        name: args.name.clone(),
        rows: Vec::new(),
        said: Vec::new(),
        database: None,
        guests: None,
        express_guests: None,
        hello: None,
    };
    run.prepare(ring)?;
    if wants(Ring::Unit) || wants(Ring::It) {
        run.rust(ring)?;
    }
    if args.name.is_none() && wants(Ring::Sim) {
        run.simulations()?;
    }
    if wants(Ring::Conformance) {
        run.conformance()?;
    }
    // A name chooses among Rust tests: the others have none.
    if args.name.is_none() && wants(Ring::Unit) {
        run.doctests()?;
        run.storefront()?;
    }
    if args.name.is_none() && wants(Ring::Models) {
        run.models()?;
    }
    if args.name.is_none() && wants(Ring::Cache) {
        run.cache_suite()?;
    }
    if wants(Ring::E2e) {
        run.whole_stack()?;
        if args.name.is_none() {
            run.browser()?;
        }
    }
    run.summarise(started.elapsed())
}

/// Whether a run has the tests of the whole stack, or all others.
#[derive(Debug, Clone, Copy)]
enum Stacks {
    Only,
    Without,
}

struct Run<'a> {
    context: &'a Context,
    name: Option<String>,
    rows: Vec<Row>,
    /// What rings said of themselves that counts alone do not tell.
    said: Vec<String>,
    /// Ends with the run, however that ends.
    database: Option<Database>,
    guests: Option<build::Guests>,
    express_guests: Option<PathBuf>,
    hello: Option<PathBuf>,
}

impl Run<'_> {
    /// Builds what the rings need; the first failure ends the run, for nothing after it has sense.
    fn prepare(&mut self, ring: Ring) -> Result<()> {
        let context = self.context;
        if ring == Ring::Models {
            build::programs(context, false)?;
            return build::demo_shop(context, false);
        }
        build::require_tools()?;
        if ring == Ring::Cache {
            return build::node(context, false);
        }
        if ring == Ring::Sim {
            sim::build(context)?;
            return self.database();
        }
        if matches!(ring, Ring::Unit | Ring::It | Ring::All) {
            self.redis()?;
        }
        if ring != Ring::Unit {
            build::components(context)?;
            self.guests = Some(build::guests(context)?);
            self.express_guests = Some(build::express_guests(context)?);
            self.hello = Some(build::hello(context)?);
        }
        build::storefront(context)?;
        match ring {
            Ring::Conformance | Ring::All => worker::build_for_tests(context)?,
            Ring::E2e => worker::build(context)?,
            Ring::Unit | Ring::It | Ring::Models | Ring::Cache | Ring::Sim => {}
        }
        // Programs and tests in one command: the same features, so nothing is compiled twice.
        let mut command = context.workspace.cargo();
        command.args(["build", "--all-targets"]);
        select(&mut command);
        context.steps.run("build programs and tests", &mut command)?;
        if ring != Ring::Unit {
            build::demo_shop(context, false)?;
        }
        if matches!(ring, Ring::It | Ring::All) {
            self.remote_stores()?;
            self.database()?;
        }
        if matches!(ring, Ring::E2e | Ring::All) {
            // The measurements run there, too.
            tools::peers(context)?;
        }
        Ok(())
    }

    fn database(&mut self) -> Result<()> {
        let database = Database::start(self.context)?;
        self.said.push(database.said());
        self.database = Some(database);
        Ok(())
    }

    /// A real Redis, for the node's own client of it and for the tests of remote stores.
    fn redis(&self) -> Result<()> {
        if tools::find("redis-server").is_none() {
            let why = "the tests of key-value stores need a Redis";
            tools::apt_install(self.context, &["redis-server"], why)?;
        }
        Ok(())
    }

    /// The official clients that prove the stand-ins of `tests/remotes`.
    fn remote_stores(&self) -> Result<()> {
        let context = self.context;
        build::npm_ci(
            context,
            "the official clients of remote stores",
            &context.workspace.path("tests/remotes/clients"),
        )
    }

    fn rust(&mut self, ring: Ring) -> Result<()> {
        let mut command = self.runner(Stacks::Without);
        let name = match ring {
            Ring::Unit => {
                command.args(["--lib", "--bins"]);
                "rust: unit"
            }
            Ring::It => {
                command.args(["--test", "*"]);
                "rust: service"
            }
            Ring::Conformance | Ring::Cache | Ring::E2e | Ring::Models | Ring::Sim | Ring::All => {
                "rust: unit and service"
            }
        };
        self.add_name(&mut command);
        self.record(name, command)
    }

    /// Many runs of the checkout on each store.
    fn simulations(&mut self) -> Result<()> {
        for simulation in simulation::ALL {
            let command = simulation::command(self.context, simulation);
            let lines = self.record_lines(simulation.name, command)?;
            self.said.extend(simulation::summary(lines));
        }
        Ok(())
    }

    /// One table of cases on every host.
    fn conformance(&mut self) -> Result<()> {
        let command = conformance::command(self.context, self.name.as_deref(), select)?;
        let lines = self.record_lines("conformance", command)?;
        self.said.extend(conformance::hosts(&lines));
        Ok(())
    }

    /// Other people's questions to a cache.
    fn cache_suite(&mut self) -> Result<()> {
        let command = cache_suite::command(self.context)?;
        let lines = self.record_lines("cache suite", command)?;
        self.said.extend(cache_suite::summary(&lines));
        Ok(())
    }

    fn whole_stack(&mut self) -> Result<()> {
        let mut command = self.runner(Stacks::Only);
        self.add_name(&mut command);
        if has_nextest() {
            command.args(["--test-threads", "1"]);
        } else {
            command.args(["--", "--test-threads", "1"]);
        }
        self.record("rust: whole stack", command)
    }

    fn doctests(&mut self) -> Result<()> {
        let mut command = self.context.workspace.cargo();
        command.args(["test", "--doc"]);
        // Built apart from the rest, for features differ: so only what others read, which is quick to build.
        for package in DOCUMENTED {
            command.args(["--package", package]);
        }
        self.record("documentation examples", command)
    }

    fn storefront(&mut self) -> Result<()> {
        let mut command = Command::new("npm");
        command.current_dir(self.context.workspace.path("assets/storefront"));
        command.args(["test", "--silent"]);
        self.record("storefront", command)
    }

    /// Other people's validators over every model: Khronos for GLB, Pixar for USDZ.
    fn models(&mut self) -> Result<()> {
        let context = self.context;
        let folder = context.workspace.path("tests/demo-shop/validate");
        build::npm_ci(context, "the model validators", &folder)?;
        let media = context.workspace.demo_shop().join("media");
        let mut glb = Command::new("node");
        glb.current_dir(&folder).arg("validate.mjs").arg(&media);
        self.record("models: GLB", glb)?;
        let mut usdz = Command::new(self.python_with_usd()?);
        usdz.current_dir(&folder).arg("validate_usdz.py").arg(&media);
        self.record("models: USDZ", usdz)
    }

    /// A Python of our own with Pixar's validators in it; kept between runs and clones.
    fn python_with_usd(&self) -> Result<PathBuf> {
        let environment = PythonEnvironment {
            name: &format!("usd-core-{USD_CORE}"),
            packages: &[&format!("usd-core=={USD_CORE}")],
            probe: "import pxr",
            what: "the USDZ validators",
        };
        Ok(tools::python_environment(self.context, &environment)?.join("python"))
    }

    fn browser(&mut self) -> Result<()> {
        let context = self.context;
        if tools::chromium().is_none() {
            let why = "the browser journeys need Chromium";
            tools::apt_install(context, &["chromium"], why)?;
        }
        let chromium = tools::chromium().context("find Chromium after installing it")?;
        let folder = context.workspace.path("tests/e2e/browser");
        build::npm_ci(context, "the browser journeys", &folder)?;
        for (name, edge, shots) in [
            ("browser: our node", "node", SHOTS),
            ("browser: wrangler dev", "worker", WORKER_SHOTS),
        ] {
            let shots = context.workspace.generated().join(shots);
            fs::create_dir_all(&shots).with_context(|| format!("make {}", shots.display()))?;
            let mut command = Command::new("npm");
            command.current_dir(&folder).args(["test", "--silent"]);
            command.env("VITRINE_CHROMIUM", &chromium).env("VITRINE_SCREENSHOTS", &shots);
            command.env("VITRINE_EDGE", edge);
            self.record(name, command)?;
        }
        Ok(())
    }

    /// The program that runs Rust tests. nextest chooses among tests that are all built already;
    /// `cargo test` can only choose packages, and may have to build some again.
    fn runner(&self, stacks: Stacks) -> Command {
        let mut command = self.context.workspace.cargo();
        let is_nextest = has_nextest();
        if is_nextest {
            command.args(["nextest", "run", "--no-tests", "pass"]);
            if std::env::var_os("CI").is_some() {
                command.args(["--profile", "ci"]);
            }
        } else {
            command.args(["test", "--no-fail-fast"]);
        }
        match (is_nextest, stacks) {
            (true, Stacks::Only) => {
                select(&mut command);
                command.args(["--filterset", &format!("package({WHOLE_STACK})")]);
            }
            (true, Stacks::Without) => {
                select(&mut command);
                command.args([
                    "--filterset",
                    &format!("not package({WHOLE_STACK}) - package({})", conformance::PACKAGE),
                ]);
            }
            (false, Stacks::Only) => {
                command.args(["--package", WHOLE_STACK]);
            }
            (false, Stacks::Without) => {
                select(&mut command);
                command.args(["--exclude", WHOLE_STACK, "--exclude", conformance::PACKAGE]);
            }
        }
        command
    }

    fn add_name(&self, command: &mut Command) {
        command.args(&self.name);
    }

    fn surroundings(&self, command: &mut Command) -> Result<()> {
        let workspace = &self.context.workspace;
        // Not the running program: building everything may just have replaced its file.
        let program = workspace.programs(false).join("xtask");
        command
            .env("VITRINE_ROOT", workspace.root())
            .env("VITRINE_BIN_DIR", workspace.programs(false))
            .env("VITRINE_COMPONENTS", workspace.generated().join("components"))
            .env("VITRINE_CATALOGUE", workspace.demo_shop().join("catalogue.json"))
            .env("VITRINE_MEDIA", workspace.demo_shop().join("media"))
            .env("VITRINE_XTASK", program);
        if let Some((name, url)) = self.database.as_ref().and_then(Database::variable) {
            command.env(name, url);
        }
        if let Some(guests) = &self.guests {
            command.env("VITRINE_GUESTS_WASM", &guests.current);
            command.env("VITRINE_GUESTS_MIDDLEWARE_WASM", &guests.middleware);
            command.env("VITRINE_GUESTS_P2_WASM", &guests.p2);
        }
        if let Some(guests) = &self.express_guests {
            command.env("VITRINE_GUESTS_EXPRESS_DIR", guests);
        }
        if let Some(hello) = &self.hello {
            command.env("VITRINE_HELLO_WASM", hello);
        }
        Ok(())
    }

    fn record(&mut self, name: &'static str, command: Command) -> Result<()> {
        self.record_lines(name, command).map(drop)
    }

    /// Records a run and returns what it printed.
    fn record_lines(&mut self, name: &'static str, mut command: Command) -> Result<Vec<String>> {
        self.surroundings(&mut command)?;
        let ended = self.context.steps.passed_on(name, &mut command)?;
        let count = Count::of(&ended.lines);
        let (is_success, took) = (ended.is_success, ended.took);
        self.rows.push(Row { name, count, is_success, took });
        Ok(ended.lines)
    }

    fn summarise(&self, took: Duration) -> Result<()> {
        let reporter = &self.context.reporter;
        reporter.result("");
        for row in &self.rows {
            reporter.result(&format!(
                "{}  {:<24} {:>5} passed {:>3} failed {:>3} skipped {:>7.1} s",
                if row.is_success { "ok    " } else { "FAILED" },
                row.name,
                row.count.passed,
                row.count.failed,
                row.count.skipped,
                row.took.as_secs_f64()
            ));
        }
        for line in &self.said {
            reporter.result(&format!("        {line}"));
        }
        if !has_nextest() {
            reporter.result("(cargo-nextest is not installed: `cargo test` ran the Rust tests)");
        }
        let total = self.rows.iter().fold(Count::default(), |sum, row| sum.plus(row.count));
        reporter.result(&format!("in {:.0} s, builds included", took.as_secs_f64()));
        reporter.result(&format!(
            "{} passed, {} failed, {} skipped",
            total.passed, total.failed, total.skipped
        ));
        let failed: Vec<&str> =
            self.rows.iter().filter(|r| !r.is_success).map(|r| r.name).collect();
        if !failed.is_empty() {
            bail!("tests failed in: {}", failed.join(", "));
        }
        Ok(())
    }
}

fn has_nextest() -> bool {
    tools::find("cargo-nextest").is_some()
}

/// Chooses the native packages, always the same way: another choice would be another set of
/// features, and a second build of half the tree.
fn select(command: &mut Command) {
    command.arg("--workspace");
    for package in NOT_NATIVE {
        command.args(["--exclude", package]);
    }
}
