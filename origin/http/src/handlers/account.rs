//! Accounts.

use std::sync::Arc;

use api_types::auth::{Credentials, RefreshToken};
use api_types::reply::Public;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;

use super::{Reply, answered, private};
use crate::Context;
use crate::extract::{Command, Who};

/// How long the published keys may be kept: 5 minutes. The next key is published long before it signs.
const JWKS_AGE_MAX: std::time::Duration = std::time::Duration::from_mins(5);

pub(crate) async fn register(
    State(context): State<Arc<Context>>,
    command: Command<Credentials>,
) -> Reply {
    answered(StatusCode::CREATED, context.app.register(command.value, command.claim).await?)
}

pub(crate) async fn login(
    State(context): State<Arc<Context>>,
    command: Command<Credentials>,
) -> Reply {
    answered(StatusCode::OK, context.app.login(command.value, command.claim).await?)
}

pub(crate) async fn refresh(
    State(context): State<Arc<Context>>,
    command: Command<RefreshToken>,
) -> Reply {
    answered(StatusCode::OK, context.app.refresh(&command.value, command.claim).await?)
}

pub(crate) async fn logout(
    State(context): State<Arc<Context>>,
    command: Command<RefreshToken>,
) -> Reply {
    context.app.logout(&command.who.caller, &command.value).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response
        .headers_mut()
        .insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    Ok(response)
}

pub(crate) async fn me(State(context): State<Arc<Context>>, who: Who) -> Reply {
    private(StatusCode::OK, context.app.me(&who.caller).await?)
}

pub(crate) async fn jwks(State(context): State<Arc<Context>>) -> Reply {
    let value = context.app.jwks()?;
    let answer = Public { value, max_age: JWKS_AGE_MAX, shared_max_age: JWKS_AGE_MAX, etag: None };
    Ok(answer.into_response()?.map(Body::from))
}
