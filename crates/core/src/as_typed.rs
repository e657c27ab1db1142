//! Decimals of settings, as people type them.

use serde::Serializer;

/// Serialises 0.001 as 0.001 rather than as 0.0010000000474974513, the `f64` that is nearest to the
/// `f32`. Every number is still told from its neighbours, and reads back as itself.
pub fn as_typed<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(value.to_string().parse().unwrap_or(f64::from(*value)))
}
