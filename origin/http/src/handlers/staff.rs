//! Who of the staff there is. Roles are given, and keys made, by the operator's command line alone.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::StatusCode;

use super::{Reply, private};
use crate::Context;
use crate::admin::Asker;
use crate::extract::id;

pub(crate) async fn me(Asker(staff): Asker) -> Reply {
    private(StatusCode::OK, staff.me())
}

pub(crate) async fn members(State(context): State<Arc<Context>>, _asker: Asker) -> Reply {
    private(StatusCode::OK, context.app.staff_members().await?)
}

pub(crate) async fn keys(State(context): State<Arc<Context>>, _asker: Asker) -> Reply {
    private(StatusCode::OK, context.app.staff_keys().await?)
}

pub(crate) async fn revoke_key(
    State(context): State<Arc<Context>>,
    Path(key): Path<String>,
    _asker: Asker,
) -> Reply {
    context.app.revoke_staff_key(id(&key)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
