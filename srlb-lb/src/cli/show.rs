//! JSON from the daemon as people like to read it.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::Table;
use daemon::say;
use serde_json::Value;
use srlb_lb::pool::file::PoolFile;

pub(super) fn json(value: &Value) -> anyhow::Result<()> {
    say!("{value:#}");
    Ok(())
}

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
    say!(
        "srlb-lb {} ({}), up {} s, pool generation {}{}",
        word(&status["name"]),
        word(&status["locator"]),
        word(&status["uptime_s"]),
        word(&status["pool"]["active"]),
        match &status["pool"]["staged"] {
            Value::Null => String::new(),
            staged => format!(" (staged: {staged})"),
        }
    );
    say!("{}", word(&status["sizes"]));
    if let Some(error) = status["last_reload_error"].as_str() {
        say!("the last reload failed, the configuration before is in force:\n{error}");
    }
    let flows = &status["flows"];
    say!(
        "flows: {} confirmed, {} unconfirmed, {} closing; table of {} slots, {} MiB",
        flows["confirmed"],
        flows["unconfirmed"],
        flows["closing"],
        flows["slots"],
        flows["memory_bytes"].as_u64().unwrap_or(0) >> 20
    );
    let mut servers = table(&["server", "locator", "member of", "opinion"]);
    for server in list(&status["servers"]) {
        let vips: Vec<String> = list(&server["member_of"]).iter().map(word).collect();
        servers.add_row([
            word(&server["name"]),
            word(&server["locator"]),
            vips.join(" "),
            word(&server["opinion"]),
        ]);
    }
    say!("{servers}");
    say!("{}", counters("event", &status["events"], &status["texts"]));
    say!(
        "{}",
        counters("dropped", &status["drops"], &status["texts"])
    );
    let mut host = table(&["host item", "present"]);
    for item in list(&status["host"]["items"]) {
        host.add_row([word(&item["item"]), word(&item["present"])]);
    }
    say!("{host}");
    if let Some(error) = status["host"]["error"].as_str() {
        say!("host items can't be looked at: {error}");
    }
    say!(
        "dropped at the domain's edge: {}; not taken by the TUN device: {}",
        word(&status["host"]["dropped_at_edge"]),
        word(&status["lost_on_tun"])
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

pub(super) fn explanation(answer: &Value) -> anyhow::Result<()> {
    say!("flow        {}", word(&answer["flow"]));
    say!("bucket      {} of {}", answer["bucket"], answer["buckets"]);
    let candidates = list(&answer["candidates"])
        .iter()
        .map(|c| format!("{} ({})", word(&c["server"]), word(&c["opinion"])));
    say!("candidates  {}", candidates.collect::<Vec<_>>().join(", "));
    let recovery: Vec<String> = list(&answer["recovery"]).iter().map(word).collect();
    let end = if answer["complete"] == true {
        ""
    } else {
        " (the history is incomplete: no last word)"
    };
    say!("recovery    {}{end}", recovery.join(", "));
    match &answer["entry"] {
        Value::Null => say!("entry       none"),
        entry => say!(
            "entry       {} {}, ends in {} ms unless used{}",
            word(&entry["state"]),
            word(&entry["server"]),
            entry["left_ms"],
            match answer["bypassed"] == true {
                true => "; passed over: the server is gone or thought dead",
                false => "",
            }
        ),
    }
    say!("a SYN       {}", word(&answer["on_syn"]));
    say!("the rest    {}", word(&answer["on_other"]));
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
            "              {} in state {}",
            word(&line["event"]),
            word(&line["before"])
        );
    }
    match line["dropped"].as_str() {
        Some(reason) => say!("              dropped: {reason}"),
        None => say!("              out  {}", word(&line["out"])),
    }
    Ok(())
}

pub(super) fn pool(pool: &PoolFile, vip: Option<&str>) -> anyhow::Result<()> {
    say!("{} buckets, {} choices", pool.buckets(), pool.choices());
    let mut rows = table(&["generation", "state", "VIP", "servers (weight)"]);
    for (number, state) in pool.generations() {
        for (name, address) in pool
            .vips()
            .filter(|(name, _)| vip.is_none_or(|v| v == *name))
        {
            let members = pool.members(number, name);
            let members = members.iter().map(|(server, weight)| match weight {
                Some(weight) => format!("{server} ({weight})"),
                None => format!("{server} (drains)"),
            });
            rows.add_row([
                number.to_string(),
                state.to_owned(),
                format!("{name} {address}"),
                members.collect::<Vec<_>>().join(", "),
            ]);
        }
    }
    say!("{rows}");
    let mut servers = table(&["server", "locator"]);
    for server in pool.servers() {
        servers.add_row([server.name.clone(), server.locator.to_string()]);
    }
    say!("{servers}");
    Ok(())
}
