//! JSON from the daemon as people like to read it.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::Table;
use daemon::say;
use serde_json::Value;

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(head);
    table
}

/// A value without quotes.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn status(status: &Value) -> anyhow::Result<()> {
    let vips: Vec<String> = list(&status["vips"]).iter().map(word).collect();
    say!(
        "srlb-server {} ({}), VIPs {}, up {} s",
        word(&status["name"]),
        word(&status["locator"]),
        vips.join(" "),
        word(&status["uptime_s"])
    );
    say!("{}", word(&status["sizes"]));
    if let Some(error) = status["last_reload_error"].as_str() {
        say!("the last reload failed, the configuration before is in force:\n{error}");
    }
    application(&status["application"])?;
    policy(&status["policy"])?;
    flows(&status["flows"])?;
    say!("{}", counters("event", &status["events"], &status["texts"]));
    say!(
        "{}",
        counters("dropped", &status["drops"], &status["texts"])
    );
    host(status)
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
    say!(
        "policy: {}, c {}, {} of {} offers in this window accepted, {} pending",
        word(&policy["accept"]),
        word(&policy["c"]),
        word(&policy["accepted"]),
        word(&policy["attempt"]),
        word(&policy["pending"])
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

/// Counters that are not zero, with what they mean.
fn counters(head: &str, values: &Value, texts: &Value) -> Table {
    let mut rows = table(&[head, "packets", "meaning"]);
    for (name, value) in values.as_object().into_iter().flatten() {
        if value.as_u64() != Some(0) {
            rows.add_row([name.clone(), value.to_string(), word(&texts[name])]);
        }
    }
    rows
}

fn host(status: &Value) -> anyhow::Result<()> {
    let mut rows = table(&["host item", "present"]);
    for item in list(&status["host"]["items"]) {
        rows.add_row([word(&item["item"]), word(&item["present"])]);
    }
    say!("{rows}");
    if let Some(error) = status["host"]["error"].as_str() {
        say!("host items can't be looked at: {error}");
    }
    say!(
        "dropped at the domain's edge: {}; not taken by a TUN device: {}; look-ups failed: {}",
        word(&status["host"]["dropped_at_edge"]),
        word(&status["lost_on_tun"]),
        word(&status["lookup_errors"])
    );
    Ok(())
}

pub(super) fn traced(line: &Value) -> anyhow::Result<()> {
    if let Some(lost) = line["lost"].as_u64() {
        say!("({lost} packets not shown: they came faster than this terminal reads)");
        return Ok(());
    }
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
