//! srlb-lb
