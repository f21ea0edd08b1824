//! How much was written to a connection, and a way to make sure that it stays at that.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was written to a connection.
#[derive(Debug, Default)]
pub(super) struct Flow(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    written: u64,
    cut: bool,
}

/// Both directions of a connection, plain or within TLS.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<W: AsyncRead + AsyncWrite + Send + Unpin> Wire for W {}

/// A connection whose writes are counted.
pub(super) struct Counted {
    wire: Box<dyn Wire>,
    flow: Arc<Flow>,
}

impl Flow {
    /// Returns how many bytes the connection has taken.
    pub(super) fn written(&self) -> u64 {
        self.state().written
    }

    /// Lets nothing more through, and returns how many bytes the connection has taken for good.
    pub(super) fn cut(&self) -> u64 {
        let mut state = self.state();
        state.cut = true;
        state.written
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A count is whole after every write.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    pub(super) fn new(wire: Box<dyn Wire>, flow: Arc<Flow>) -> Self {
        Self { wire, flow }
    }

    /// Writes under the lock of the count, so that no write is under way while it is cut.
    fn count(
        &mut self,
        write: impl FnOnce(Pin<&mut dyn Wire>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.flow.state();
        if state.cut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let wrote = write(Pin::new(&mut *self.wire));
        if let Poll::Ready(Ok(bytes)) = &wrote {
            state.written += *bytes as u64;
        }
        wrote
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.wire).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.count(|wire| wire.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.wire).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.count(|wire| wire.poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_cut_takes_nothing_more_and_says_how_much_it_took() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let flow = Arc::new(Flow::default());
        let mut counted = Counted::new(Box::new(ours), Arc::clone(&flow));
        counted.write_all(b"abc").await.expect("written");
        let slices = [io::IoSlice::new(b"d"), io::IoSlice::new(b"e")];
        let more = counted.write_vectored(&slices).await.expect("written") as u64;
        assert_eq!(flow.written(), 3 + more);
        assert_eq!(flow.cut(), 3 + more);
        let refused = counted.write(b"x").await.map_err(|error| error.kind());
        assert_eq!(refused, Err(io::ErrorKind::BrokenPipe));
        assert!(counted.write_vectored(&slices).await.is_err());
        assert_eq!(flow.written(), 3 + more);
        drop(counted);
        let mut seen = Vec::new();
        theirs.read_to_end(&mut seen).await.expect("the end");
        assert_eq!(seen.len() as u64, 3 + more);
    }
}
