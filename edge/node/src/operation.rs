//! What operators see of a running node and tell it: apart from clients, on a listener of its own.
//!
//! Start at [`Operation`], which requests and operators share; `operation/listener.rs` answers operators.

mod listener;
mod purge;
mod redirect;
mod token;
mod views;

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use cdn::Cache;
use http::{HeaderMap, HeaderValue, Version, header};

pub(crate) use self::{
    listener::{Listener, start},
    redirect::{Redirect, Redirecting},
    token::Guard,
    views::upstreams,
};
use crate::{
    cli::OperationOptions,
    connections::Connections,
    otlp::{self, Exporter},
    random,
    trace_context::TraceContext,
};

/// What serving and operating have in common.
pub(crate) struct Operation {
    /// What the proxies of all versions share.
    pub(crate) cache: Arc<Cache>,
    /// Whether clients may read `/metrics`.
    pub(crate) has_metrics_on_site: bool,
    pub(crate) connections: Connections,
    /// Absent where spans go nowhere.
    pub(crate) exporter: Option<Arc<Exporter>>,
    /// What is said over HTTPS of its future.
    hsts: Option<HeaderValue>,
    /// `Alt-Svc`, where there is HTTP/3.
    http3: OnceLock<HeaderValue>,
    phase: AtomicU8,
}

/// Where a node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It does not listen yet.
    Starting,
    /// It takes requests.
    Serving,
    /// It finishes its requests and takes no more.
    Draining,
}

impl Phase {
    const ALL: [Self; 3] = [Self::Starting, Self::Serving, Self::Draining];

    /// Returns the word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}

impl Operation {
    /// Begins with a node that does not listen yet.
    pub(crate) fn start(
        options: &OperationOptions,
        node_id: &str,
        cache: &Arc<Cache>,
    ) -> io::Result<Self> {
        let exporter = options.otlp_endpoint.clone().map(|endpoint| {
            Exporter::start(otlp::Settings {
                endpoint,
                ratio: options.otlp_ratio,
                queue_max: options.otlp_queue_max,
                node_id: node_id.to_owned(),
            })
        });
        Ok(Self {
            exporter: exporter.transpose()?.map(Arc::new),
            cache: Arc::clone(cache),
            has_metrics_on_site: !options.no_metrics_on_site,
            connections: Connections::new(),
            hsts: options
                .hsts_max_age_s
                .and_then(|seconds| HeaderValue::try_from(format!("max-age={seconds}")).ok()),
            http3: OnceLock::new(),
            phase: AtomicU8::new(0),
        })
    }

    /// Says to a client how to come back.
    pub(crate) fn mark(&self, headers: &mut HeaderMap, protocol: Version, is_tls: bool) {
        if is_tls
            && protocol < Version::HTTP_3
            && let Some(service) = self.http3.get()
        {
            headers.insert(header::ALT_SVC, service.clone());
        }
        // Over plain HTTP a browser must not believe it (RFC 6797, section 8.1).
        if is_tls && let Some(hsts) = &self.hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }

    /// The same for an answer that is written without a map of its fields, over HTTP/1.1.
    pub(crate) fn marks(&self, is_tls: bool) -> impl Iterator<Item = (&'static str, &HeaderValue)> {
        let marks =
            [("strict-transport-security", self.hsts.as_ref()), ("alt-svc", self.http3.get())];
        let said = marks.into_iter().filter(move |_| is_tls);
        said.filter_map(|(name, value)| Some((name, value?)))
    }

    /// Says from now on that there is HTTP/3 on `port`, for as long as a day.
    pub(crate) fn offer_http3(&self, port: u16) {
        if let Ok(service) = HeaderValue::try_from(format!("h3=\":{port}\"; ma=86400")) {
            // Said once; only the first counts.
            let _ = self.http3.set(service);
        }
    }

    /// Returns the place of a request in its trace.
    pub(crate) fn trace(&self, headers: &HeaderMap) -> TraceContext {
        let random = [random::next(), random::next(), random::next()];
        let mut context = TraceContext::of(headers, random);
        if let Some(exporter) = &self.exporter {
            exporter.sample(&mut context);
        }
        context
    }

    /// Returns a place in a new trace, which is not recorded.
    pub(crate) fn new_trace() -> TraceContext {
        TraceContext::of(&HeaderMap::new(), [random::next(), random::next(), random::next()])
    }

    /// Sends the spans that wait.
    pub(crate) fn stop(&self) {
        if let Some(exporter) = &self.exporter {
            exporter.stop();
        }
    }

    /// Where the span of a request goes, if it is recorded.
    pub(crate) fn records(&self, context: &TraceContext) -> Option<&Exporter> {
        self.exporter.as_deref().filter(|_| context.is_sampled())
    }

    /// Returns where the node is in its life.
    pub(crate) fn phase(&self) -> Phase {
        let at = usize::from(self.phase.load(Relaxed));
        Phase::ALL.get(at).copied().unwrap_or(Phase::Starting)
    }

    /// Says where the node is in its life from now on.
    pub(crate) fn enter(&self, phase: Phase) {
        let at = Phase::ALL.iter().position(|one| *one == phase).unwrap_or(0);
        self.phase.store(u8::try_from(at).unwrap_or(0), Relaxed);
    }
}
