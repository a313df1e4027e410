//! Attempts at origins as spans below the request's.

use std::{
    sync::{Arc, OnceLock},
    time::{Instant, SystemTime},
};

use cdn::upstream::{Beginning, TracedAttempt, Tracer};
use http::HeaderMap;
use pool_core::Outcome;

use super::{Exporter, span::AttemptSpan};
use crate::{random, trace_context::TraceContext};

/// Makes a span of every attempt whose request is recorded.
#[derive(Default)]
pub(crate) struct Attempts(OnceLock<Arc<Exporter>>);

impl Attempts {
    /// Says where spans go. Pools are made before that is known, and ask nobody before.
    pub(crate) fn tell(&self, exporter: &Arc<Exporter>) {
        // There is one for the process; only the first counts.
        let _ = self.0.set(Arc::clone(exporter));
    }
}

impl Tracer for Attempts {
    fn begin(&self, attempt: &Beginning<'_>) -> Option<Box<dyn TracedAttempt>> {
        let exporter = self.0.get()?;
        let context = TraceContext::below(attempt.headers, random::next())?;
        Some(Box::new(UnderWay {
            exporter: Arc::clone(exporter),
            context,
            began: Instant::now(),
            span: AttemptSpan {
                context,
                ended: SystemTime::UNIX_EPOCH,
                duration: std::time::Duration::ZERO,
                method: attempt.method.as_str().to_owned(),
                pool: attempt.pool.to_owned(),
                host: attempt.origin.host.clone(),
                port: attempt.origin.port,
                earlier: attempt.earlier,
                is_hedge: attempt.is_hedge,
                outcome: Outcome::Cancelled,
            },
        }))
    }
}

struct UnderWay {
    exporter: Arc<Exporter>,
    context: TraceContext,
    began: Instant,
    span: AttemptSpan,
}

impl TracedAttempt for UnderWay {
    fn hand_on(&self, headers: &mut HeaderMap) {
        self.context.hand_on(headers);
    }

    fn end(self: Box<Self>, outcome: Outcome) {
        let Self { exporter, began, mut span, .. } = *self;
        (span.ended, span.duration, span.outcome) = (SystemTime::now(), began.elapsed(), outcome);
        exporter.tell(span);
    }
}
