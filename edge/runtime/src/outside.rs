//! Answers that no component gives: a pool of origins at the end of a chain, a cache in front of a component.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tokio::time::{Instant, timeout_at};

use crate::{Body, InvokeError, express::Link, host::Passage};

/// What an answer from outside is made of.
pub type Answering<'a> =
    Pin<Box<dyn Future<Output = Result<http::Response<Body>, OutsideError>> + Send + 'a>>;

/// Why there is no answer from outside.
#[derive(Debug, Clone)]
pub struct OutsideError(pub Arc<dyn std::error::Error + Send + Sync>);

impl fmt::Display for OutsideError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl PartialEq for OutsideError {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for OutsideError {}

/// Answers requests in a component's place.
pub trait Outside: Send + Sync {
    /// Answers a request, which has scheme and authority.
    fn answer(&self, request: http::Request<Body>) -> Answering<'_>;
}

/// Answers some requests of a component before it is asked.
pub trait Front: Send + Sync {
    /// Answers a request, or lets `behind` do it.
    fn answer<'a>(&'a self, request: http::Request<Body>, behind: Behind) -> Answering<'a>;
}

/// The component behind a [`Front`], for one request.
#[derive(Clone)]
pub struct Behind {
    link: Link,
    passage: Passage,
}

impl Behind {
    /// Asks the component.
    ///
    /// # Errors
    /// See [`InvokeError`].
    pub async fn answer(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, InvokeError> {
        self.link.handle(request, self.passage.clone()).await
    }
}

impl fmt::Debug for Behind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Behind").finish_non_exhaustive()
    }
}

/// What stands beside an application's components.
#[derive(Clone, Default)]
pub struct Outsides {
    /// Who answers at the end of a chain, by [`manifest::Route::end`].
    pub ends: std::collections::BTreeMap<String, Arc<dyn Outside>>,
    /// Stands in front of every component whose manifest asks for it.
    pub front: Option<Arc<dyn Front>>,
}

impl fmt::Debug for Outsides {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Outsides").field("ends", &self.ends.len()).finish_non_exhaustive()
    }
}

/// One step of a chain.
#[derive(Clone)]
pub(crate) enum Step {
    /// A component.
    Component(Link),
    /// A component with a cache in front.
    Fronted(Arc<dyn Front>, Link),
    /// None.
    Outside(Arc<str>, Arc<dyn Outside>),
}

impl Step {
    /// Answers a request.
    pub(crate) async fn handle(
        &self,
        request: http::Request<Body>,
        passage: Passage,
    ) -> Result<http::Response<Body>, InvokeError> {
        match self {
            Self::Component(link) => link.handle(request, passage).await,
            Self::Fronted(front, link) => {
                let deadline = passage.deadline;
                let component = &link.standard.blueprint.component;
                let behind = Behind { link: link.clone(), passage };
                within(deadline, component, front.answer(request, behind)).await
            }
            Self::Outside(name, outside) => {
                within(passage.deadline, name, outside.answer(request)).await
            }
        }
    }

    /// Returns its name in logs and metrics.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Component(link) | Self::Fronted(_, link) => &link.standard.blueprint.name,
            Self::Outside(name, _) => name,
        }
    }

    /// Returns the component, if there is one.
    pub(crate) const fn link(&self) -> Option<&Link> {
        match self {
            Self::Component(link) | Self::Fronted(_, link) => Some(link),
            Self::Outside(..) => None,
        }
    }
}

async fn within(
    deadline: Instant,
    name: &str,
    answering: Answering<'_>,
) -> Result<http::Response<Body>, InvokeError> {
    match timeout_at(deadline, answering).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => match error.0.downcast_ref::<InvokeError>() {
            Some(inner) => Err(inner.clone()),
            None => Err(InvokeError::Outside { component: name.to_owned(), error }),
        },
        Err(_) => Err(InvokeError::Timeout { component: name.to_owned() }),
    }
}
