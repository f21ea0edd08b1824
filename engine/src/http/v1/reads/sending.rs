//! A file on its way out: in its turn until the last of it is handed on, and no longer than it may
//! take. The server hands the whole of a body on at once, and tells nobody when it was read; so it
//! gets the file piece by piece.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::rt;
use actix_web::web::Bytes;
use tokio::task::JoinHandle;

use super::super::super::turns::Turn;

/// How long a file may take to be sent: what is not sent by then is dropped.
const SENDING_MAX: Duration = Duration::from_secs(60);
/// The most bytes that are handed on at once.
const PIECE: usize = 16 << 10;

/// A file and its turn: both end when the last piece is taken, or when its time is over.
pub(super) struct Sending {
    rest: Rc<RefCell<Option<(Bytes, Turn)>>>,
    size: u64,
    left: u64,
    end: JoinHandle<()>,
}

impl Sending {
    /// Begins to send a file.
    pub(super) fn of(text: String, turn: Turn) -> Self {
        Self::within(SENDING_MAX, text, turn)
    }

    fn within(longest: Duration, text: String, turn: Turn) -> Self {
        let size = text.len() as u64;
        let rest = Rc::new(RefCell::new(Some((Bytes::from(text), turn))));
        let late = Rc::clone(&rest);
        // Nobody asks for a piece while the connection takes none.
        let end = rt::spawn(async move {
            rt::time::sleep(longest).await;
            late.borrow_mut().take();
        });
        Self {
            rest,
            size,
            left: size,
            end,
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.end.abort();
        // The task has it, too, until it ends.
        self.rest.borrow_mut().take();
    }
}

impl MessageBody for Sending {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let mut rest = this.rest.borrow_mut();
        let Some((text, _)) = rest.as_mut() else {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        };
        let piece = text.split_to(text.len().min(PIECE));
        this.left -= piece.len() as u64;
        if this.left == 0 {
            *rest = None;
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use schedules::id::TenantId;

    use super::super::super::super::turns::Turns;
    use super::*;

    async fn next(sending: &mut Sending) -> Option<io::Result<Bytes>> {
        poll_fn(|context| Pin::new(&mut *sending).poll_next(context)).await
    }

    fn is_free(turns: &Turns) -> bool {
        turns.take(TenantId(1)).is_some()
    }

    #[test]
    fn a_file_keeps_its_turn_until_the_last_piece_of_it_is_taken() {
        rt::System::new().block_on(async {
            let turns = Turns::new(1, 1);
            let turn = turns.take(TenantId(1)).expect("a turn");
            let text = "line\r\n".repeat(10_000);
            let mut sending = Sending::of(text.clone(), turn);
            assert_eq!(sending.size(), BodySize::Sized(60_000));
            let mut sent = Vec::new();
            while sent.len() < text.len() {
                assert!(!is_free(&turns), "after {} bytes", sent.len());
                let piece = next(&mut sending).await.expect("a piece").expect("in time");
                assert!(piece.len() <= PIECE);
                sent.extend_from_slice(&piece);
            }
            assert_eq!(sent, text.as_bytes());
            assert!(is_free(&turns));
            assert!(next(&mut sending).await.is_none());
        });
    }

    #[test]
    fn a_file_that_nobody_reads_breaks_off_and_one_that_nobody_wants_is_dropped() {
        rt::System::new().block_on(async {
            let turns = Turns::new(1, 1);
            let turn = turns.take(TenantId(1)).expect("a turn");
            let text = "x".repeat(PIECE + 1);
            let mut sending = Sending::within(Duration::from_millis(1), text.clone(), turn);
            assert!(next(&mut sending).await.expect("a piece").is_ok());
            (&mut sending.end).await.expect("its time is over");
            assert!(is_free(&turns));
            let broken = next(&mut sending).await.expect("no end");
            assert_eq!(
                broken.expect_err("no piece").kind(),
                io::ErrorKind::TimedOut
            );
            let turn = turns.take(TenantId(1)).expect("a turn");
            drop(Sending::of(text, turn));
            assert!(is_free(&turns));
        });
    }
}
