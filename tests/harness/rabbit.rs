//! A RabbitMQ broker of a test's own, on free ports and in a temporary folder, that can be killed
//! and started again.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::binary;

/// Where Debian's package puts the programs; those in the path change their user.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// How long a broker may take to start, in looks of a millisecond.
const START_LOOKS: u64 = 60_000;

/// A broker.
pub struct Rabbit {
    folder: TempDir,
    ports: [u16; 3],
    server: Child,
}

impl Rabbit {
    /// Starts a broker that nobody has used.
    ///
    /// # Panics
    /// When RabbitMQ is not installed, or does not start.
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let ports = free_ports();
        let at = |name: &str| folder.path().join(name);
        for name in ["mnesia", "log", "home"] {
            fs::create_dir(at(name)).expect("a folder");
        }
        let conf = format!(
            "listeners.tcp.default = 127.0.0.1:{}\nvm_memory_high_watermark.absolute = 1GB\n\
             disk_free_limit.absolute = 50MB\n",
            ports[0]
        );
        fs::write(at("rabbitmq.conf"), conf).expect("a file");
        fs::write(at("plugins"), "[].").expect("a file");
        let server = serve(folder.path(), ports);
        let broker = Self {
            folder,
            ports,
            server,
        };
        broker.await_start();
        broker
    }

    /// Returns its address.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports[0])
    }

    /// Kills it at once, as a crash does.
    ///
    /// # Panics
    /// When the system has no `kill`.
    pub fn kill(&mut self) {
        let group = format!("-{}", self.server.id());
        let mut kill = Command::new("kill");
        let killed = kill.args(["-KILL", "--", &group]).stderr(Stdio::null());
        killed.status().expect("kill runs");
        let _ = self.server.wait();
        // What was started by a script is nobody's child to wait for.
        binary::observe(START_LOOKS, || !self.is_up());
    }

    /// Starts it again on what it has on its disk.
    ///
    /// # Panics
    /// As [`Rabbit::start`].
    pub fn start_again(&mut self) {
        self.server = serve(self.folder.path(), self.ports);
        self.await_start();
    }

    /// Returns the path of a program that is the broker's tool for this broker alone.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn rabbitmqctl(&self) -> PathBuf {
        let path = self.folder.path().join("rabbitmqctl");
        let variables = environment(self.folder.path(), self.ports);
        let variables = variables.map(|(name, value)| format!("export {name}='{value}'\n"));
        let script = format!(
            "#!/bin/sh\n{}exec {PROGRAMS}/rabbitmqctl \"$@\"\n",
            variables.concat()
        );
        fs::write(&path, script).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).expect("a program");
        path
    }

    /// Runs the broker's tool.
    ///
    /// # Panics
    /// When it fails.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let output = self.try_ctl(arguments);
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8(told).expect("utf-8");
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {told}");
        told
    }

    fn try_ctl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(Path::new(PROGRAMS).join("rabbitmqctl"));
        command.envs(environment(self.folder.path(), self.ports));
        command.args(arguments).stdin(Stdio::null());
        command.output().expect("RabbitMQ is installed")
    }

    fn is_up(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.ports[0])).is_ok()
    }

    fn await_start(&self) {
        let started = binary::observe(START_LOOKS, || self.is_up());
        let log = fs::read_to_string(self.folder.path().join("out"));
        assert!(started, "{}", log.unwrap_or_default());
        self.ctl(&["await_startup"]);
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.kill();
        // Its name server stays behind otherwise; it ends only when nobody is registered with it.
        let port = self.ports[2].to_string();
        let mut epmd = Command::new("epmd");
        epmd.args(["-port", &port, "-kill"]).stdout(Stdio::null());
        let _ = epmd.stderr(Stdio::null()).status();
    }
}

/// Three ports that are free now: of the broker, of its distribution and of its name server. None
/// is one that the system gives to who connects: a look whether the broker is up could take it.
fn free_ports() -> [u16; 3] {
    let drawn = || {
        let number = RandomState::new().build_hasher().finish();
        20_000 + u16::try_from(number % 12_000).expect("small")
    };
    let listen = || loop {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", drawn())) {
            return listener;
        }
    };
    let listeners = [(); 3].map(|()| listen());
    listeners.map(|it| it.local_addr().expect("an address").port())
}

fn serve(folder: &Path, ports: [u16; 3]) -> Child {
    let out = File::create(folder.join("out")).expect("a file");
    let mut server = Command::new(Path::new(PROGRAMS).join("rabbitmq-server"));
    server
        .envs(environment(folder, ports))
        .stdin(Stdio::null())
        .stderr(out.try_clone().expect("a file"))
        .stdout(out)
        // All of its processes can be killed together.
        .process_group(0);
    server.spawn().expect("RabbitMQ is installed")
}

fn environment(
    folder: &Path,
    [port, dist_port, epmd_port]: [u16; 3],
) -> [(&'static str, String); 12] {
    let at = |name: &str| folder.join(name).display().to_string();
    [
        ("HOME", at("home")),
        ("RABBITMQ_NODENAME", format!("test{port}@localhost")),
        ("RABBITMQ_MNESIA_BASE", at("mnesia")),
        ("RABBITMQ_LOG_BASE", at("log")),
        ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins")),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", dist_port.to_string()),
        ("RABBITMQ_CONF_ENV_FILE", at("none.conf")),
        ("ERL_EPMD_PORT", epmd_port.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none \
             -kernel inet_dist_use_interface {127,0,0,1}"
                .to_owned(),
        ),
    ]
}
