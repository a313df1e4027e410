//! The catalogue against its real tables, in the engine that runs on the edge.

mod answers;
mod paging;
mod plans;
mod shop;
