//! One request and its answer.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http1::Interim;

use super::{body::ReceivedBody, send};
use crate::{
    accept::fields,
    given::Given,
    in_flight::Entered,
    serve::{Node, Peer, serve},
    traffic::Held,
};

/// Who asks on a connection, and who answers. Counted anew for each connection: a count that all cores write to with
/// every request would have them wait.
pub(super) struct Sides {
    pub(super) node: Arc<Node>,
    pub(super) peer: Peer,
}

/// Answers one request, to the end of the answer's body.
pub(super) async fn answer(
    sides: Arc<Sides>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    entered: Entered,
) {
    let Sides { node, peer } = &*sides;
    let Some(length) = fields::declared_length(request.headers()) else {
        return respond.send_reset(Reason::PROTOCOL_ERROR);
    };
    let is_head = request.method() == Method::HEAD;
    let request = request.map(|stream| ReceivedBody::new(stream, length));
    let Some((given, held)) = ask(node, *peer, request, &mut respond).await else {
        return tracing::debug!(client = %peer.address, "the request is taken back");
    };
    if let Err(error) = send::send(respond, given.into_response(), is_head).await {
        tracing::debug!(client = %peer.address, "answer cut: {error}");
    }
    drop((held, entered));
}

/// Has the request answered, and meanwhile sends what goes ahead of the answer. `None`: the client wants none any more.
async fn ask(
    node: &Node,
    peer: Peer,
    request: Request<ReceivedBody>,
    respond: &mut SendResponse<Bytes>,
) -> Option<(Given, Held)> {
    let interim = Interim::waiting();
    let mut answering = pin!(serve(node, peer, request, &interim));
    let answered = poll_fn(|cx| {
        if let Poll::Ready(answered) = answering.as_mut().poll(cx) {
            return Poll::Ready(Some(answered));
        }
        interim.listen(cx.waker());
        send_ahead(interim.take(), respond);
        // An error is the connection being gone.
        respond.poll_reset(cx).map(|_| None)
    });
    let answered = answered.await;
    send_ahead(interim.take(), respond);
    answered
}

/// Sends interim heads. One that cannot be sent is left out, as it may be.
fn send_ahead(heads: Vec<(StatusCode, HeaderMap)>, respond: &mut SendResponse<Bytes>) {
    for (status, mut headers) in heads {
        fields::clean(&mut headers);
        let mut head = Response::new(());
        (*head.status_mut(), *head.headers_mut()) = (status, headers);
        if let Err(error) = respond.send_informational(head) {
            tracing::debug!(status = status.as_u16(), "not sent ahead: {error}");
        }
    }
}
