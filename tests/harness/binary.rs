//! The real binary `regua`, built once for the tests that run it as an operator does.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// How far apart two looks are.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Returns the path of the binary as the sources say it now.
///
/// A test of another package is not told where it is, and `cargo test` alone does not build it: so
/// it is built here, by the same cargo, beside the running test and in its profile.
///
/// # Panics
/// When it does not build.
pub fn regua() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("the running test");
    // <target>/<profile>/deps/it-<hash>
    let folder = test.ancestors().nth(2).expect("the folder of a profile");
    let target = folder.parent().expect("the target folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(profile) => profile,
        None => panic!("the profile has no name"),
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--package", "engine"])
        .args(["--bin", "regua", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(project());
    // What cargo tells a test of its package; build scripts would take it for a change.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    let built = cargo.status().expect("cargo runs");
    assert!(built.success(), "the binary does not build");
    folder.join("regua")
}

/// Returns the project's folder.
///
/// # Panics
/// When this package lies nowhere.
pub fn project() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the project's folder")
}

/// Returns a command line of the binary; settings of the environment do not reach it.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(regua());
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REGUA_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command line to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

/// Looks until `seen` says yes, about `looks_max` milliseconds long; says whether it did.
pub fn observe(looks_max: u64, mut seen: impl FnMut() -> bool) -> bool {
    for _ in 0..looks_max {
        if seen() {
            return true;
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    seen()
}

/// A process that ends with its test.
pub struct Running(pub Child);

impl Running {
    /// Starts a command line; what it says on standard error goes to a file.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(arguments: &[&str], log: &Path) -> Self {
        Self::start_in(arguments, &[], log)
    }

    /// As [`Running::start`], with variables of the environment.
    ///
    /// # Panics
    /// As [`Running::start`].
    pub fn start_in(arguments: &[&str], environment: &[(&str, &str)], log: &Path) -> Self {
        let out = std::fs::File::create(log.with_extension("out")).expect("a file");
        let log = std::fs::File::create(log).expect("a log");
        let mut command = command(arguments);
        command.envs(environment.iter().copied());
        command.stdout(out).stderr(log);
        Self(command.spawn().expect("the binary runs"))
    }

    /// Says whether it has ended.
    ///
    /// # Panics
    /// When the system does not know.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child of ours").is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
