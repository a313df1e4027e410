//! What goes to the Worker's log. Never a secret, never what a shopper typed.

/// Says that something of ours went wrong: somebody should look.
pub(crate) fn error(area: &str, why: &str) {
    worker::console_error!("{area}: {why}");
}

/// Says that something went wrong and was made good.
pub(crate) fn warn(area: &str, why: &str) {
    worker::console_warn!("{area}: {why}");
}
