//! `regua config`: shows the settings, and is how every other command gets them.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Ended;
use crate::config::{Config, Problems, Sources};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Prints the effective settings, secrets redacted, or everything that is wrong with them.
    Print(ConfigArgs),
}

/// Where the settings come from, for every command that needs them.
#[derive(Debug, Default, Args)]
pub(super) struct ConfigArgs {
    /// The file of settings.
    #[arg(long, value_name = "FILE", env = "REGUA_CONFIG")]
    config: Option<PathBuf>,
    /// Overrides one setting, such as node.arbiters=2; not for secrets.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

impl ConfigArgs {
    /// Reads the settings from the defaults, the file, the environment and the flags.
    pub(super) fn load(self) -> Result<Config, Problems> {
        Config::load(&self.sources())
    }

    /// Returns where the settings come from.
    pub(super) fn sources(self) -> Sources {
        Sources {
            // An empty variable is how scripts unset one.
            file: self.config.filter(|file| !file.as_os_str().is_empty()),
            environment: std::env::vars_os().collect(),
            overrides: self.overrides,
        }
    }
}

impl Command {
    pub(super) fn run(self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Ended> {
        let Self::Print(args) = self;
        match args.load() {
            Ok(config) => {
                let text = config.to_toml().map_err(io::Error::other)?;
                write!(out, "{text}")?;
                Ok(Ended::Well)
            }
            Err(problems) => {
                writeln!(err, "{problems}")?;
                Ok(Ended::Failed)
            }
        }
    }
}
