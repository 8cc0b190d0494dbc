//! The edges that speak HTTP.

pub mod assets;
