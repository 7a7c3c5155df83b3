//! JSON from the daemon as people like to read it.

use daemon::cli::show::{counters, host, list, settings, word};
use daemon::say;
use serde_json::Value;

pub(super) fn status(status: &Value) -> anyhow::Result<()> {
    let vips: Vec<String> = list(&status["vips"]).iter().map(word).collect();
    say!(
        "srlb-server {} ({}), VIPs {}, up {} s",
        word(&status["name"]),
        word(&status["locator"]),
        vips.join(" "),
        word(&status["uptime_s"])
    );
    settings(status)?;
    application(&status["application"])?;
    policy(&status["policy"])?;
    flows(&status["flows"])?;
    udp_flows(&status["udp_flows"])?;
    counters(status)?;
    host(status)?;
    say!("look-ups failed: {}", word(&status["lookup_errors"]));
    Ok(())
}

fn application(application: &Value) -> anyhow::Result<()> {
    if application["configured"] == false {
        say!("application: no scoreboard configured, taken to be up");
        return Ok(());
    }
    let state = match application["up"] == true {
        true => "up",
        false => "down",
    };
    say!(
        "application: {state}, {} busy, {} idle, {} in all",
        word(&application["busy"]),
        word(&application["idle"]),
        word(&application["total"])
    );
    if let Some(reason) = application["reason"].as_str() {
        say!("             {reason}");
    }
    Ok(())
}

fn policy(policy: &Value) -> anyhow::Result<()> {
    let window = match policy["accept"].as_str() {
        Some("dynamic") => format!(
            ", {} of {} offers in this window accepted",
            word(&policy["accepted"]),
            word(&policy["attempt"])
        ),
        _ => String::new(),
    };
    say!(
        "policy: {}, c {}{window}, {} pending",
        word(&policy["accept"]),
        word(&policy["c"]),
        word(&policy["pending"])
    );
    Ok(())
}

fn udp_flows(flows: &Value) -> anyhow::Result<()> {
    say!(
        "UDP flows: {} taken, {} wait, {} direct; table of {} slots, {} MiB",
        flows["taken"],
        flows["wait"],
        flows["direct"],
        flows["slots"],
        flows["memory_bytes"].as_u64().unwrap_or(0) >> 20
    );
    Ok(())
}

fn flows(flows: &Value) -> anyhow::Result<()> {
    say!(
        "flows: {} wait (checked), {} wait, {} direct, {} closing, {} lost; table of {} slots, {} MiB",
        flows["wait_checked"],
        flows["wait"],
        flows["direct"],
        flows["closing"],
        flows["loser"],
        flows["slots"],
        flows["memory_bytes"].as_u64().unwrap_or(0) >> 20
    );
    Ok(())
}

pub(super) fn traced(line: &Value) -> anyhow::Result<()> {
    say!(
        "{:>12.6}  in   {}",
        line["time_s"].as_f64().unwrap_or(0.0),
        word(&line["in"])
    );
    if !line["event"].is_null() {
        say!(
            "              {}: {} -> {}",
            word(&line["event"]),
            word(&line["before"]),
            word(&line["after"])
        );
    }
    match line["dropped"].as_str() {
        Some(reason) => say!("              dropped: {reason}"),
        None => say!(
            "              out  {} (to the {})",
            word(&line["out"]),
            word(&line["to"])
        ),
    }
    for packet in list(&line["more"]) {
        say!("              and  {} (to the network)", word(packet));
    }
    Ok(())
}
