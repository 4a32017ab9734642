//! One compiled condition, and whether it holds.
