//! The hosts, one file each.

pub mod native;
pub mod node;
mod process;
pub mod spin;
pub mod workerd;

use crate::host::Host;

/// The application without a host: gateway and cores in this process.
pub const NATIVE: Host = Host { name: "native", start: native::start };
/// Our edge node, with the express lane.
pub const NODE: Host = Host { name: "node", start: node::start };
/// Our edge node, with the standard lane alone.
pub const NODE_STANDARD: Host = Host { name: "node-standard", start: node::start_standard };
/// The Worker in workerd.
pub const WORKERD: Host = Host { name: "workerd", start: workerd::start };
/// Real Spin.
pub const SPIN: Host = Host { name: "spin", start: spin::start };
/// All of them; answers are compared with the first one's.
pub const ALL: [Host; 5] = [NATIVE, NODE, NODE_STANDARD, WORKERD, SPIN];
