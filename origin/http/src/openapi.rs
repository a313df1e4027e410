//! The whole HTTP contract as one OpenAPI 3.1 document, the routes that the edge answers itself included.

/// Parses the document that lies beside the source.
pub(crate) fn document() -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(include_str!("../openapi.json"))
}
