// SPDX-License-Identifier: Apache-2.0

//! `policy-tools module-size`: measures how a larger module affects the time of a request.
//!
//! The policy is compared with itself: with copies of its own functions appended, which are compiled like any others and never
//! called, and with unused data appended. Further rules have the same effect on requests that they do not apply to. A library
//! that rewrites modules would add a second copy of the parser that wasmtime has; the format of sections has been stable since
//! 2017. <https://webassembly.github.io/spec/core/binary/modules.html#sections>

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use comfy_table::Cell;
use policy_host::kubewarden::{Module, Policy, PolicyConfig};
use policy_tools::subjects::{self, Subject};

use crate::{Passed, table, timing};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often each request is measured
    #[arg(long, default_value_t = 2_000)]
    rounds: usize,
}

const KB: usize = 1 << 10;
const PAGE: usize = 64 * KB;

/// Added KB of code and of data; the first row compares the module with itself.
const VARIANTS: [(usize, usize); 9] =
    [(0, 0), (16, 0), (32, 0), (64, 0), (128, 0), (256, 0), (0, 64), (0, 128), (64, 64)];

pub fn run(args: &Args) -> Result<Passed> {
    let rounds = args.rounds.max(1);
    let original = policy_module::WASM;
    let subjects = subjects::subjects()?;
    let find = |name: &str| subjects.iter().find(|subject| subject.name == name).context("no such subject");
    let subjects = [find("pod accepted")?, find("token request")?];
    let mut table = table::new([
        "module, bytes",
        "added code, KB",
        "added data, KB",
        "request",
        "original, µs",
        "larger, µs",
        "ratio",
        "start, ratio",
    ]);
    for (code, data) in VARIANTS {
        let larger = padded(original, code * KB, data * KB)?;
        for subject in subjects {
            let [as_it_is, grown] = times(original, &larger, subject, "validate", rounds)?;
            let [start, grown_start] = times(original, &larger, subject, "protocol_version", rounds)?;
            table.add_row(vec![
                table::number(larger.len()),
                table::number(code),
                table::number(data),
                Cell::new(subject.name),
                table::number(format!("{:.1}", micros(as_it_is))),
                table::number(format!("{:.1}", micros(grown))),
                table::number(format!("{:.3}", grown.as_secs_f64() / as_it_is.as_secs_f64())),
                table::number(format!("{:.3}", grown_start.as_secs_f64() / start.as_secs_f64())),
            ]);
        }
    }
    println!("{table}\n\nmedians of {rounds} rounds, a new instance for each request");
    Ok(true)
}

/// The medians of one operation for two modules.
fn times(
    original: &[u8],
    larger: &[u8],
    subject: &Subject,
    operation: &'static str,
    rounds: usize,
) -> Result<[Duration; 2]> {
    let load = |wasm: &[u8]| Policy::load(&Module::new(wasm)?, PolicyConfig::default());
    let (first, second) = (load(original)?, load(larger)?);
    let payload = first.payload(&subject.request)?;
    ensure!(
        first.evaluate_raw(operation, &payload)? == second.evaluate_raw(operation, &payload)?,
        "the larger module answers something else"
    );
    timing::medians([&first, &second], operation, &payload, rounds)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A module with this many additional bytes of functions and of data.
fn padded(wasm: &[u8], code: usize, data: usize) -> Result<Vec<u8>> {
    const MEMORY: u8 = 5;
    const FUNCTION: u8 = 3;
    const CODE: u8 = 10;
    const DATA: u8 = 11;
    const DATA_COUNT: u8 = 12;

    let (header, mut rest) = wasm.split_at_checked(8).context("no module")?;
    let mut sections = Vec::new();
    while let Some((&id, after)) = rest.split_first() {
        let (size, after) = number(after)?;
        let (body, after) = after.split_at_checked(size).context("a section is cut off")?;
        sections.push((id, body));
        rest = after;
    }
    let section = |wanted: u8| sections.iter().find(|(id, _)| *id == wanted).map(|(_, body)| *body);
    let types = numbers(section(FUNCTION).context("no functions")?)?;
    let bodies = bodies(section(CODE).context("no code")?)?;

    // Copies all functions from the first to the last, repeatedly.
    let (mut more_types, mut more_bodies, mut added) = (Vec::new(), Vec::new(), 0);
    for (kind, body) in types.iter().zip(&bodies).cycle() {
        if added >= code {
            break;
        }
        added += body.len();
        more_types.push(*kind);
        more_bodies.push(*body);
    }

    let mut out = header.to_vec();
    for &(id, body) in &sections {
        let body = match id {
            FUNCTION => joined(&types, &more_types),
            CODE => joined(&bodies, &more_bodies),
            MEMORY if data > 0 => {
                let (_, limits) = number(body)?;
                let (&flags, after) = limits.split_first().context("no memory")?;
                let (least, after) = number(after)?;
                let mut memory = vec![1, flags];
                push_number(&mut memory, least + data / PAGE);
                memory.extend(after);
                memory
            }
            DATA_COUNT if data > 0 => {
                let mut count = Vec::new();
                push_number(&mut count, number(body)?.0 + 1);
                count
            }
            DATA if data > 0 => {
                let (_, limits) = number(section(MEMORY).context("no memory")?)?;
                let (least, _) = number(limits.get(1..).context("no memory")?)?;
                let (count, after) = number(body)?;
                let mut segments = Vec::new();
                push_number(&mut segments, count + 1);
                segments.extend(after);
                // The segment starts at the previous end of the memory: `i32.const`, the offset, `end`.
                segments.extend([0, 0x41]);
                push_signed(&mut segments, least * PAGE);
                segments.push(0x0b);
                push_number(&mut segments, data);
                segments.extend((1..=u8::MAX).cycle().take(data));
                segments
            }
            _ => body.to_vec(),
        };
        out.push(id);
        push_number(&mut out, body.len());
        out.extend(body);
    }
    Ok(out)
}

/// The entries of a vector: each is a number.
fn numbers(text: &[u8]) -> Result<Vec<&[u8]>> {
    entries(text, |entry| Ok(number(entry)?.1))
}

/// The entries of a vector: each starts with the number of bytes that follow, which is kept.
fn bodies(text: &[u8]) -> Result<Vec<&[u8]>> {
    entries(text, |entry| {
        let (size, body) = number(entry)?;
        body.get(size..).context("a body is cut off")
    })
}

/// The entries of a vector; `behind` returns the bytes after an entry.
fn entries(text: &[u8], behind: impl Fn(&[u8]) -> Result<&[u8]>) -> Result<Vec<&[u8]>> {
    let (count, mut rest) = number(text)?;
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        let length = rest.len() - behind(rest)?.len();
        let (entry, after) = rest.split_at_checked(length).context("an entry is cut off")?;
        list.push(entry);
        rest = after;
    }
    Ok(list)
}

fn joined(first: &[&[u8]], second: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    push_number(&mut out, first.len() + second.len());
    out.extend(first.iter().chain(second).copied().flatten());
    out
}

/// An unsigned LEB128, and the bytes after it.
fn number(text: &[u8]) -> Result<(usize, &[u8])> {
    let mut value = 0;
    for (position, byte) in text.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Ok((value, text.get(position + 1..).unwrap_or_default()));
        }
    }
    anyhow::bail!("not a number of 32 bits")
}

fn push_number(out: &mut Vec<u8>, value: usize) {
    push(out, value, 0x80);
}

/// A signed LEB128 of a nonnegative number: bit 6 of the last byte, the sign bit, must be 0.
fn push_signed(out: &mut Vec<u8>, value: usize) {
    push(out, value, 0x40);
}

/// Writes seven bits per byte, until the rest is less than a limit.
fn push(out: &mut Vec<u8>, mut value: usize, limit: usize) {
    while value >= limit {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
