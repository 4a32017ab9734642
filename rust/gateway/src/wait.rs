//! Waiting for the first of two futures, and for the order to stop.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};
use tokio::sync::watch;

/// Which of two futures was ready first.
pub(crate) enum First<A, B> {
    /// The first.
    A(A),
    /// The second.
    B(B),
}

/// Waits for the first of two futures; the first one wins a tie.
pub(crate) async fn first<A: Future, B: Future>(
    mut a: Pin<&mut A>,
    mut b: Pin<&mut B>,
) -> First<A::Output, B::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(value) = a.as_mut().poll(cx) {
            return Poll::Ready(First::A(value));
        }
        b.as_mut().poll(cx).map(First::B)
    })
    .await
}

/// The order to stop, seen from a task.
#[derive(Clone, Debug)]
pub(crate) struct Stop(pub(crate) watch::Receiver<bool>);

impl Stop {
    /// Resolves once the gateway is told to stop.
    pub(crate) async fn wait(mut self) {
        // An error means that the sender is gone, which is an order to stop as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether the order was given.
    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }
}
