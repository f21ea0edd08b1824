//! The binary `regua`.

fn main() {}
