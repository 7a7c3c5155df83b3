//! Equation (5): the share s_c of servers with c flows or more.
//!
//! With the spurious root divided out it says either of
//!
//! ```text
//! s (1 + lambda (1 + x + .. + x^(c-1))) = x^c
//! 1 - s = (1 - lambda) (1 + x + .. + x^(c-1))           x = lambda (1 + s)
//! ```
//!
//! of which the first knows a small s, and the second a small 1 - s, to nearly full precision. Left minus right changes
//! its sign once: s_c as equation (2) computes it from s falls with s.

/// s_c and 1 - s_c, each as precise as its own size allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Root {
    /// s_c.
    pub s: f64,
    /// 1 - s_c.
    pub u: f64,
}

/// Solves equation (5) for 0 < `lambda` < 1 and `c` >= 1.
pub fn solve(lambda: f64, c: u32) -> Root {
    let small = 1.0 / (2.0 * f64::from(c));
    let s_is_above = |s: f64| {
        let x = lambda * (1.0 + s);
        // Equality counts: the smallest number there is may be the root.
        s * (1.0 + lambda * powers(x, c)) <= x.powi(c as i32)
    };
    if s_is_above(small) {
        let u_is_above = |u: f64| u < (1.0 - lambda) * powers(lambda * (2.0 - u), c);
        let u = bisect(0.0, 1.0 - small, u_is_above);
        Root { s: 1.0 - u, u }
    } else {
        let s = bisect(0.0, small, s_is_above);
        Root { s, u: 1.0 - s }
    }
}

/// 1 + x + .. + x^(n-1).
pub fn powers(x: f64, n: u32) -> f64 {
    (0..n).fold(0.0, |sum, _| sum * x + 1.0)
}

/// The last number for which `is_above` is true.
pub fn bisect(mut low: f64, mut high: f64, is_above: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return low;
        }
        match is_above(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
}
