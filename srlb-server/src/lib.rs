//! srlb-server
