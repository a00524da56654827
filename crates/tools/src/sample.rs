// SPDX-License-Identifier: Apache-2.0

//! `policy-tools sample`: generates clusters and audit logs, to try and to measure `sa-hygiene audit`.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use policy_audit::sample;

use crate::Passed;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: SampleCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SampleCommand {
    /// Write `cluster.json` and `audit.log` of examples/audit to a directory
    Example {
        /// The directory
        folder: PathBuf,
    },
    /// Write a large cluster, as `kubectl get -A -o json` would print it
    Cluster {
        /// The file
        file: PathBuf,
        #[arg(long, default_value_t = 10_000)]
        pods: usize,
        #[arg(long, default_value_t = 5_000)]
        accounts: usize,
    },
    /// Write a large audit log
    Log {
        /// The file
        file: PathBuf,
        #[arg(long, default_value_t = 1_000_000_000)]
        bytes: u64,
        /// Combinations of account, Pod, verb and resource
        #[arg(long, default_value_t = 100_000)]
        keys: u64,
    },
}

pub fn run(args: &Args) -> Result<Passed> {
    let create = |path: &PathBuf| -> Result<BufWriter<File>> {
        Ok(BufWriter::new(File::create(path).with_context(|| path.display().to_string())?))
    };
    match &args.what {
        SampleCommand::Example { folder } => {
            std::fs::create_dir_all(folder)?;
            let cluster = serde_json::to_string_pretty(&sample::example_cluster())? + "\n";
            create(&folder.join("cluster.json"))?.write_all(cluster.as_bytes())?;
            create(&folder.join("audit.log"))?.write_all(sample::example_log().as_bytes())?;
        }
        SampleCommand::Cluster { file, pods, accounts } => {
            let mut out = create(file)?;
            sample::large_cluster(&mut out, *pods, *accounts)?;
            out.flush()?;
        }
        SampleCommand::Log { file, bytes, keys } => {
            let mut out = create(file)?;
            sample::write_log(&mut out, *bytes, *keys)?;
            out.flush()?;
        }
    }
    Ok(true)
}
