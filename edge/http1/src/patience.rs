//! How long something is waited for: one timer lasts for many requests of a connection, and looks again when it fires.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is made when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Patience(Option<Pin<Box<Sleep>>>);

impl Patience {
    /// Whether a timer runs, which wakes who last polled it.
    pub(crate) fn is_running(&self) -> bool {
        self.0.as_ref().is_some_and(|timer| !timer.is_elapsed())
    }

    /// Ends when it is `late`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, late: Instant) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(late)));
        if timer.deadline() > late {
            timer.as_mut().reset(late);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= late {
                return Poll::Ready(());
            }
            timer.as_mut().reset(late);
        }
    }
}
