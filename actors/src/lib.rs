//! The tenant machine, its shell and the supervision tree.
