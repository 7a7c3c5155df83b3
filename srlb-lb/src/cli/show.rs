//! JSON from the daemon as people like to read it.

use daemon::cli::show::{counters, host, list, settings, table, word};
use daemon::say;
use serde_json::Value;
use srlb_lb::pool::file::PoolFile;

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
    settings(status)?;
    let flows = &status["flows"];
    say!(
        "flows: {} confirmed, {} unconfirmed, {} closing, {} of all these UDP; table of {} slots, {} MiB",
        flows["confirmed"],
        flows["unconfirmed"],
        flows["closing"],
        flows["udp"],
        flows["slots"],
        flows["memory_bytes"].as_u64().unwrap_or(0) >> 20
    );
    if let Value::Object(guard) = &status["guard"] {
        say!(
            "guard: a flood from {} strangers a second; {} passed, {} dropped; {} clients became known, {} had to try again",
            guard["strangers_pps"],
            guard["strangers_passed"],
            guard["strangers_dropped"],
            guard["admitted"],
            guard["newcomers_dropped"]
        );
    }
    driver(&status["driver"])?;
    workers(list(&status["workers"]))?;
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
    counters(status)?;
    host(status)
}

/// A single one has done what the counters say.
fn workers(workers: &[Value]) -> anyhow::Result<()> {
    if workers.len() < 2 {
        return Ok(());
    }
    let mut rows = table(&[
        "worker",
        "core",
        "CPU ms",
        "received",
        "transmitted",
        "dropped",
    ]);
    for worker in workers {
        let core = match worker["core"].as_u64() {
            Some(core) => core.to_string(),
            None => "any".to_owned(),
        };
        rows.add_row([
            worker["worker"].to_string(),
            core,
            worker["cpu_ms"].to_string(),
            worker["received"].to_string(),
            worker["transmitted"].to_string(),
            worker["dropped"].to_string(),
        ]);
    }
    say!("{rows}");
    Ok(())
}

fn driver(driver: &Value) -> anyhow::Result<()> {
    if let Some(why_not) = driver["why_not_af_xdp"].as_str() {
        say!("driver: the TUN device alone; AF_XDP can't: {why_not}");
    }
    for port in list(&driver["interfaces"]) {
        say!(
            "driver: AF_XDP on {} ({} program, {}), {} queues{}: {} received, {} sent; dropped: {} ring full, {} no free frame, {} too long, {} malformed; not sent: {} ring full, {} thrown away by the interface; {} calls to send, {} to receive",
            word(&port["interface"]),
            word(&port["program"]),
            word(&port["mode"]),
            port["queues"],
            if port["down"] == true { ", DOWN" } else { "" },
            port["received"],
            port["sent"],
            port["rx_ring_full"],
            port["fill_empty"],
            port["too_long"],
            port["malformed"],
            port["tx_full"],
            port["tx_dropped"],
            port["tx_wakeups"],
            port["rx_wakeups"]
        );
    }
    if let Value::Object(by_kernel) = &driver["sent_by_kernel"] {
        say!(
            "driver: {} routes, {} neighbours{}; sent by the kernel: {} no neighbour known, {} over other interfaces, {} not taken here",
            driver["routes"],
            driver["neighbours"],
            driver["problem"].as_str().map_or(String::new(), |text| format!(" ({text})")),
            by_kernel["no_neighbour"],
            by_kernel["other_interface"],
            by_kernel["not_taken"]
        );
    }
    Ok(())
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
    if answer["on_datagram"].is_null() {
        say!("a SYN       {}", word(&answer["on_syn"]));
        say!("the rest    {}", word(&answer["on_other"]));
    } else {
        say!("a datagram  {}", word(&answer["on_datagram"]));
    }
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
