//! A netlink socket of the current namespace.

use std::panic::resume_unwind;
use std::thread;

use rtnetlink::Handle;

use super::NodeError;

/// Runs `work` with a netlink socket of the current namespace.
pub(super) fn with_netlink<T: Send>(
    work: impl AsyncFnOnce(Handle) -> Result<T, NodeError> + Send,
) -> Result<T, NodeError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return block_on(work);
    }
    // A thread of a runtime cannot wait for another one. What it starts is in the same namespace.
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("netlink".to_owned());
        let started = thread.spawn_scoped(scope, || block_on(work));
        let handle = started.map_err(|source| NodeError::Start { what: "thread", source })?;
        handle.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn block_on<T>(work: impl AsyncFnOnce(Handle) -> Result<T, NodeError>) -> Result<T, NodeError> {
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
