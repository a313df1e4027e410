//! Everything a component can import from this node.

use std::{future::Future, pin::Pin};

use http::uri::Authority;
use wasmtime::{
    Engine,
    component::{Accessor, Linker, Resource},
};
use wasmtime_wasi_http::{
    WasiHttp, WasiHttpView as _,
    p3::{
        Request, Response,
        bindings::http::{client::HostWithStore, types::ErrorCode},
    },
};

use crate::{
    bindings,
    host::{Granted, Host},
};

/// Builds the one linker of all components; what each may use is decided by its [`Host`].
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    // In place of its own, which refuses a request without an authority: such a one is meant for the application itself.
    linker.allow_shadowing(true);
    linker.instance(CLIENT)?.func_wrap_concurrent("send", |accessor, (request,)| {
        Box::pin(async move { Ok((send(accessor, request).await?,)) })
            as Pin<Box<dyn Future<Output = wasmtime::Result<(Answer,)>> + Send + '_>>
    })?;
    linker.allow_shadowing(false);
    bindings::Host_::add_to_linker::<_, Granted>(&mut linker, |host| host)?;
    linker.instance(HANDLER)?.func_wrap_concurrent("handle", |accessor, (request,)| {
        Box::pin(async move { Ok((next(accessor, request).await?,)) })
            as Pin<Box<dyn Future<Output = wasmtime::Result<(Answer,)>> + Send + '_>>
    })?;
    Ok(linker)
}

/// What a component imports to send requests.
const CLIENT: &str = "wasi:http/client@0.3.0";
/// What a middleware imports to call the next component.
const HANDLER: &str = "wasi:http/handler@0.3.0";

type Answer = Result<Resource<Response>, ErrorCode>;

/// Sends a request as wasmtime does, after giving one without an authority a name for its own application.
async fn send(accessor: &Accessor<Host>, request: Resource<Request>) -> wasmtime::Result<Answer> {
    accessor.with(|mut access| {
        let request = access.get().table.get_mut(&request)?;
        request.authority.get_or_insert(Authority::from_static("self.alt"));
        wasmtime::Result::<_>::Ok(())
    })?;
    let client = accessor.with_getter::<WasiHttp>(Host::http);
    match <WasiHttp as HostWithStore<Host>>::send(&client, request).await {
        Ok(response) => Ok(Ok(response)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

/// Hands a middleware's request to the next component, within the time that the whole request has.
async fn next(accessor: &Accessor<Host>, request: Resource<Request>) -> wasmtime::Result<Answer> {
    let prepared = accessor.with(|mut access| {
        let host = access.get();
        let (next, passage) = (host.next.clone(), host.passage.clone());
        let request = host.table.delete(request)?;
        let request = request.into_http(&mut access, async { Ok(()) });
        wasmtime::Result::<_>::Ok((next, passage, request))
    });
    let (next, passage, request) = prepared?;
    let request = match request {
        Ok((request, _options)) => request,
        Err(error) => return Ok(Err(error.downcast()?)),
    };
    // Nobody comes here: a component that could is refused at load.
    let Some(next) = next else {
        let reason = "this component is no middleware".to_owned();
        return Ok(Err(ErrorCode::InternalError(Some(reason))));
    };
    match next.handle(request, passage.clone()).await {
        Ok(response) => accessor.with(|mut access| {
            let host = access.get();
            let (response, _sent) = Response::from_http(&mut host.outbound, response);
            Ok(Ok(host.table.push(response)?))
        }),
        Err(error) => {
            passage.note(&error);
            Ok(Err(ErrorCode::InternalError(Some("the next component failed".to_owned()))))
        }
    }
}
