//! Our engine.
