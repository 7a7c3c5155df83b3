//! JSON from a daemon as people like to read it.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::Table;
use serde_json::Value;

use crate::say;

/// JSON, indented.
pub fn json(value: &Value) -> anyhow::Result<()> {
    say!("{value:#}");
    Ok(())
}

/// An empty table with this head.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(head);
    table
}

/// A value without quotes; nothing is a dash.
pub fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

/// The elements of an array.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Sizes, who signs, and the last reload's error if it failed: what stands under a status's first line.
pub fn settings(status: &Value) -> anyhow::Result<()> {
    say!("{}", word(&status["sizes"]));
    if !status["hmac"].is_null() {
        let each = |key: &Value| format!("{} by key {}", key["verified"], key["id"]);
        let verified: Vec<String> = list(&status["hmac"]["keys"]).iter().map(each).collect();
        say!(
            "functions that came with an HMAC: {}; without: {}",
            verified.join(", "),
            status["hmac"]["unsigned"]
        );
    }
    if let Some(error) = status["last_reload_error"].as_str() {
        say!("the last reload failed, {error}");
    }
    Ok(())
}

/// Events and drops that are not zero, with what they mean.
pub fn counters(status: &Value) -> anyhow::Result<()> {
    for (head, key) in [("event", "events"), ("dropped", "drops")] {
        let mut rows = table(&[head, "packets", "meaning"]);
        for (name, value) in status[key].as_object().into_iter().flatten() {
            if value.as_u64() != Some(0) {
                let meaning = word(&status["texts"][name]);
                rows.add_row([name.clone(), value.to_string(), meaning]);
            }
        }
        say!("{rows}");
    }
    Ok(())
}

/// Host items, and what was dropped or lost outside the engine.
pub fn host(status: &Value) -> anyhow::Result<()> {
    let mut rows = table(&["host item", "present"]);
    for item in list(&status["host"]["items"]) {
        rows.add_row([word(&item["item"]), word(&item["present"])]);
    }
    say!("{rows}");
    if let Some(error) = status["host"]["error"].as_str() {
        say!("host items can't be looked at: {error}");
    }
    say!(
        "dropped at the domain's edge: {}; not taken by a TUN device: {}",
        word(&status["host"]["dropped_at_edge"]),
        word(&status["lost_on_tun"])
    );
    Ok(())
}
