//! A netlink socket of the current namespace.

use rtnetlink::Handle;

use super::NodeError;

/// Runs `work` with a netlink socket of the current namespace.
pub(super) fn with_netlink<T>(
    work: impl AsyncFnOnce(Handle) -> Result<T, NodeError>,
) -> Result<T, NodeError> {
    let start = |what| move |source| NodeError::Start { what, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(start("runtime"))?;
    runtime.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(start("netlink socket"))?;
        let worker = tokio::spawn(connection);
        let result = work(handle).await;
        worker.abort();
        result
    })
}

/// Names what was wanted in the error.
pub(super) fn failed(what: &'static str) -> impl Fn(rtnetlink::Error) -> NodeError {
    move |source| NodeError::Netlink { what, source: Box::new(source) }
}
