//! A component's way in and out, in both lanes, from one handler.
//!
//! A host that knows `vitrine:express@1.0.0` serves a request by a few synchronous calls over flat buffers; every other
//! host, Spin for instance, by `wasi:http/handler`. [`answer!`] and [`gate!`] make both exports from one async function:
//! what it awaits from this crate is a question to the host in one lane and a task in the other.
//!
//! Layer: adapter (L3). Knows HTTP and the two lanes; nothing of any product.
//! Not here: the buffers' layout (`express-wire`), the host's side (the node's `runtime`), the shop's ports (`spin-ports`).
//! Start at [`answer!`]; then [`ask`] for what a handler may want of its host.
//!
//! ```ignore
//! express::answer!(hello);
//!
//! async fn hello(_request: express::Inbound) -> http::Response<bytes::Bytes> {
//!     http::Response::new("hello".into())
//! }
//! ```
//!
//! In the express lane a handler may await only what comes from this crate. One that wants anything else — a stream, a
//! timer, an outbound request — awaits [`take_standard_lane`] first, before it has changed anything anywhere.

#[cfg(all(feature = "allocator", target_family = "wasm"))]
mod allocator;
pub mod ask;
mod inbound;
pub mod lane;
#[cfg(feature = "gate")]
mod next;
pub mod standard;
pub mod wire;

#[cfg(feature = "gate")]
pub use express_wire::{PassForm, Request};
#[cfg(feature = "gate")]
pub use header_edits::Edit;
pub use inbound::{Inbound, ReadError, Unread};
pub use lane::{is_express, take_standard_lane};
#[cfg(feature = "gate")]
pub use next::{Body, Failed, Head, Next, Outbound, Pass, next, pass_form};
pub use spin_sdk::http::Request as IncomingRequest;
pub use spin_sdk::wasip3::http::types::{ErrorCode, Response as OutgoingResponse};

/// What the WIT package becomes in Rust; for the macros.
#[doc(hidden)]
pub mod bindings {
    pub mod answering {
        spin_sdk::wasip3::wit_bindgen::generate!({
            world: "vitrine:express/answering@1.0.0",
            path: "../wit/deps/vitrine-express@1.0.0",
            runtime_path: "::spin_sdk::wasip3::wit_bindgen::rt",
            pub_export_macro: true,
            export_macro_name: "export_answering",
        });
    }

    #[cfg(feature = "gate")]
    pub mod gating {
        spin_sdk::wasip3::wit_bindgen::generate!({
            world: "vitrine:express/gating@1.0.0",
            path: "../wit/deps/vitrine-express@1.0.0",
            runtime_path: "::spin_sdk::wasip3::wit_bindgen::rt",
            pub_export_macro: true,
            export_macro_name: "export_gating",
        });
    }
}

/// Exports `$handler`, an `async fn(Inbound) -> http::Response<Bytes>`, in both lanes. Once in a crate, which also
/// depends on `spin-sdk`.
#[macro_export]
macro_rules! answer {
    ($handler:path) => {
        #[::spin_sdk::http_service]
        async fn standard_lane(
            request: $crate::IncomingRequest,
        ) -> ::core::result::Result<$crate::OutgoingResponse, $crate::ErrorCode> {
            $crate::standard::answer(request, $handler).await
        }

        struct ExpressLane;

        impl $crate::bindings::answering::exports::vitrine::express::answer::Guest for ExpressLane {
            fn handle(request: ::std::vec::Vec<u8>) -> ::std::vec::Vec<u8> {
                $crate::lane::answer(request, $handler)
            }

            fn resume(results: ::std::vec::Vec<u8>) -> ::std::vec::Vec<u8> {
                $crate::lane::resume(results)
            }
        }

        $crate::bindings::answering::export_answering!(ExpressLane with_types_in $crate::bindings::answering);
    };
}

/// Exports `$handler`, an `async fn(Inbound) -> Result<Outbound, Failed>`, in both lanes, as a middleware. Once in a
/// crate, which also depends on `spin-sdk`.
///
/// `$at_once`, a `fn(&Request<'_>) -> Option<Vec<u8>>`, is asked first in the express lane: it returns the verdict, the
/// very one that the handler would come to, or leaves the request to it.
#[cfg(feature = "gate")]
#[macro_export]
macro_rules! gate {
    ($handler:path) => {
        $crate::gate!($handler, |_| ::core::option::Option::None);
    };
    ($handler:path, $at_once:expr) => {
        #[::spin_sdk::http_service]
        async fn standard_lane(
            request: $crate::IncomingRequest,
        ) -> ::core::result::Result<$crate::OutgoingResponse, $crate::ErrorCode> {
            $crate::standard::gate(request, $handler).await
        }

        struct ExpressLane;

        impl $crate::bindings::gating::exports::vitrine::express::gate::Guest for ExpressLane {
            fn decide(request: ::std::vec::Vec<u8>) -> ::std::vec::Vec<u8> {
                $crate::lane::gate_at_once(request, $at_once, $handler)
            }

            fn resume(results: ::std::vec::Vec<u8>) -> ::std::vec::Vec<u8> {
                $crate::lane::resume(results)
            }
        }

        $crate::bindings::gating::export_gating!(ExpressLane with_types_in $crate::bindings::gating);
    };
}
