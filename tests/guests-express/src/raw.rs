//! A component that says what the request tells it to say, whether it makes sense or not.

use express::bindings::answering;
use express_wire::Request;
use spin_sdk::http_service;

use crate::text;

#[http_service]
async fn standard_lane(
    request: express::IncomingRequest,
) -> Result<express::OutgoingResponse, express::ErrorCode> {
    express::standard::answer(request, async |_| text(200, "standard")).await
}

struct ExpressLane;

impl answering::exports::vitrine::express::answer::Guest for ExpressLane {
    /// Returns the bytes that header `x-verdict` has in hexadecimal digits.
    fn handle(request: Vec<u8>) -> Vec<u8> {
        let Ok(request) = Request::read(&request) else { return Vec::new() };
        let mut fields = request.fields;
        let verdict =
            fields.find(|(name, _)| *name == b"x-verdict").map_or(&[][..], |(_, hex)| hex);
        verdict.chunks(2).map(byte).collect()
    }

    /// Returns what it gets.
    fn resume(results: Vec<u8>) -> Vec<u8> {
        results
    }
}

answering::export_answering!(ExpressLane with_types_in express::bindings::answering);

fn byte(digits: &[u8]) -> u8 {
    core::str::from_utf8(digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0)
}
