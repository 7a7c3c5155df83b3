//! What both command lines share: how the running daemon is found and asked, endpoints on
//! the command line, and answers as people like to read them.

pub mod show;

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{json, Value};

use crate::config::ConfigErrors;
use crate::control::Client;
use crate::exit::UsageError;
use crate::host::{nothing_is_left, Plan};
use crate::trace::TraceFilter;

/// Which running daemon is asked.
#[derive(Args)]
pub struct At {
    /// The control socket of the running daemon
    #[arg(long)]
    control: Option<PathBuf>,
    /// Its configuration, to find the control socket by
    #[arg(long, conflicts_with = "control")]
    config: Option<PathBuf>,
}

impl At {
    /// Connects to the daemon `program`; `of_config` reads the control socket's path out of a
    /// configuration file.
    pub fn connect(
        &self,
        program: &str,
        default: &str,
        of_config: impl FnOnce(&Path) -> Result<PathBuf, ConfigErrors>,
    ) -> anyhow::Result<Client> {
        let path = match (&self.control, &self.config) {
            (Some(path), _) => path.clone(),
            (None, Some(config)) => of_config(config)?,
            (None, None) => PathBuf::from(default),
        };
        Ok(Client::connect(program, &path)?.greet()?)
    }
}

/// The arguments of `status`.
#[derive(Args)]
pub struct Status {
    #[command(flatten)]
    at: At,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Asks, and shows the answer by `show` or as JSON.
    pub fn run(
        &self,
        connect: impl FnOnce(&At) -> anyhow::Result<Client>,
        show: impl FnOnce(&Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let status = connect(&self.at)?.request(&json!({ "cmd": "status" }))?;
        match self.json {
            true => show::json(&status),
            false => show(&status),
        }
    }
}

/// The arguments of `trace`.
#[derive(Args)]
pub struct Trace {
    /// Only this client: address, and port if given
    #[arg(long, num_args = 1..=2, value_names = ["ADDR", "PORT"])]
    client: Vec<String>,
    /// Only this service: address, and port if given
    #[arg(long, num_args = 1..=2, value_names = ["ADDR", "PORT"])]
    vip: Vec<String>,
    /// Stop after this many packets
    #[arg(long)]
    count: Option<u64>,
    #[command(flatten)]
    at: At,
    /// Print JSON, a line a packet
    #[arg(long)]
    json: bool,
}

impl Trace {
    /// Shows packets as they come, each by `show` or as a line of JSON.
    pub fn run(
        &self,
        connect: impl FnOnce(&At) -> anyhow::Result<Client>,
        show: impl Fn(&Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let filter = filter(&self.client, &self.vip, self.count)?;
        trace(connect(&self.at)?, &filter, self.json, show)
    }
}

/// Says that a configuration is fine, with its sizes and advice.
pub fn config_is_fine(
    config: &Path,
    sizes: &str,
    advice: &[String],
    as_json: bool,
) -> anyhow::Result<()> {
    if as_json {
        return show::json(&json!({ "ok": true, "sizes": sizes, "advice": advice }));
    }
    crate::say!("{}: fine", config.display());
    crate::say!("{sizes}");
    for line in advice {
        crate::say!("note: {line}");
    }
    Ok(())
}

/// Removes what a daemon with this plan has left on this host, what it leaves there on purpose included.
/// Not while it runs.
pub fn clean_up(program: &str, control_socket: &Path, plan: &Plan) -> anyhow::Result<()> {
    if Client::connect(program, control_socket).is_ok() {
        return Err(anyhow::anyhow!(
            "{program} is running ({} answers): stop it first",
            control_socket.display()
        ));
    }
    nothing_is_left(&plan.clean_up())?;
    crate::say!("nothing of {program} is left on this host");
    Ok(())
}

fn trace(
    daemon: Client,
    filter: &TraceFilter,
    as_json: bool,
    show: impl Fn(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut request = serde_json::to_value(filter)?;
    request["cmd"] = Value::from("trace");
    for line in daemon.stream(&request)? {
        let line = line?;
        match line["lost"].as_u64() {
            _ if as_json => crate::say!("{line}"),
            Some(lost) => {
                crate::say!(
                    "({lost} packets not shown: they came faster than this terminal reads)"
                );
            }
            None => show(&line)?,
        }
    }
    Ok(())
}

/// A filter out of `--client ADDR [PORT] --vip ADDR [PORT] --count N`.
fn filter(client: &[String], vip: &[String], count: Option<u64>) -> anyhow::Result<TraceFilter> {
    let (client, client_port) = parts("--client", client)?;
    let (vip, vip_port) = parts("--vip", vip)?;
    Ok(TraceFilter {
        client,
        client_port,
        vip,
        vip_port,
        count,
    })
}

/// An address and a port, both needed.
pub fn endpoint(option: &str, words: &[String]) -> anyhow::Result<(Ipv6Addr, u16)> {
    match parts(option, words)? {
        (Some(addr), Some(port)) => Ok((addr, port)),
        _ => Err(usage(format!("{option} takes an address and a port"))),
    }
}

fn parts(option: &str, words: &[String]) -> anyhow::Result<(Option<Ipv6Addr>, Option<u16>)> {
    let addr = words.first().map(|text| {
        text.parse()
            .map_err(|_| usage(format!("{option}: \"{text}\" is not an IPv6 address")))
    });
    let port = words.get(1).map(|text| {
        text.parse().map_err(|_| {
            usage(format!(
                "{option}: \"{text}\" is not a port from 0 to 65535"
            ))
        })
    });
    Ok((addr.transpose()?, port.transpose()?))
}

/// A command line that clap takes and that makes no sense: exit code 2.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    UsageError(text.into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn endpoints_and_filters() {
        let addr: Ipv6Addr = "2001:db8::1".parse().unwrap();
        assert_eq!(
            endpoint("--vip", &words("2001:db8::1 80")).unwrap(),
            (addr, 80)
        );
        let filter = filter(&words("2001:db8::1"), &[], Some(3)).unwrap();
        assert_eq!((filter.client, filter.client_port), (Some(addr), None));
        assert_eq!((filter.vip, filter.count), (None, Some(3)));
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error_that_names_the_option() {
        for (text, said) in [
            ("here 80", "--vip: \"here\" is not an IPv6 address"),
            (
                "2001:db8::1 65536",
                "--vip: \"65536\" is not a port from 0 to 65535",
            ),
            ("2001:db8::1", "--vip takes an address and a port"),
        ] {
            let error = endpoint("--vip", &words(text)).unwrap_err();
            assert_eq!(error.to_string(), said);
            assert!(error.is::<UsageError>());
        }
    }
}
