//! A pool that nothing is wrong with: two servers, two VIPs, one generation.

/// Its file.
pub const POOL: &str = r#"
cluster_key = "000102030405060708090a0b0c0d0e0f"
[[server]]
name = "s1"
locator = "fd00:5e:1::/64"
[[server]]
name = "s2"
locator = "fd00:5e:2::/64"
[[vip]]
name = "web"
address = "2001:db8:80::1"
[[vip]]
name = "mail"
address = "2001:db8:80::2"
[[generation]]
number = 1
state = "active"
[generation.members.web]
s1 = 1
s2 = 1
[generation.members.mail]
s1 = 1
s2 = 1
"#;
