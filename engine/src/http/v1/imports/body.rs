//! A request's body on its way to a thread that reads it as a file: bounded in memory and time.

use std::io::{self, Read};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::super::problem::Problem;

/// How many pieces of a body wait to be read; a piece is at most what a connection buffers.
const WAITING_MAX: usize = 8;

/// What a body may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes in all.
    pub(super) bytes_max: u64,
    /// The longest silence.
    pub(super) silence_max: Duration,
    /// The whole of it.
    pub(super) whole_max: Duration,
    /// How many bytes come in each second of waiting for them, once the longest silence is over.
    pub(super) bytes_per_s_min: u64,
}

impl Limits {
    /// Returns how long the next piece may take after so many bytes, of whose way so much was
    /// spent waiting for them: what comes in drops does not come.
    fn patience(&self, bytes: u64, waited: Duration) -> Duration {
        let earned = Duration::from_secs(bytes / self.bytes_per_s_min);
        let left = (self.silence_max + earned).saturating_sub(waited);
        left.min(self.silence_max)
    }
}

/// Why a body did not come in to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    TooLarge,
    TooSlow,
    BrokeOff,
}

impl From<Cut> for Problem {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::TooLarge => Self::too_large(),
            Cut::TooSlow => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "the body took too long",
            ),
            Cut::BrokeOff => Self::malformed("the body broke off"),
        }
    }
}

enum Piece {
    Bytes(Bytes),
    End,
}

/// The end of a body that bytes are put into.
pub(super) struct Inlet(mpsc::Sender<Piece>);

/// The end that is read, by a thread that may wait.
pub(super) struct Outlet {
    pieces: mpsc::Receiver<Piece>,
    piece: Bytes,
    has_ended: bool,
}

pub(super) fn pipe() -> (Inlet, Outlet) {
    let (inlet, pieces) = mpsc::channel(WAITING_MAX);
    let outlet = Outlet {
        pieces,
        piece: Bytes::new(),
        has_ended: false,
    };
    (Inlet(inlet), outlet)
}

impl Inlet {
    /// Moves a body through, as fast as it is read. When nobody reads on, the rest is dropped as
    /// it comes, so that the answer finds a caller who listens.
    ///
    /// Whoever reads is told of an end only when the whole body came: that this was dropped is an
    /// error to them. `ms` tells milliseconds that never go back.
    pub(super) async fn fill<E>(
        self,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limits: Limits,
        ms: impl Fn() -> i64,
    ) -> Result<(), Cut> {
        let moved = async {
            let (mut bytes, mut waited) = (0, Duration::ZERO);
            loop {
                let patience = limits.patience(bytes, waited);
                if patience.is_zero() {
                    return Err(Cut::TooSlow);
                }
                let asked_ms = ms();
                let next = timeout(patience, body.next()).await;
                // How long whoever reads takes is not the sender's.
                let took_ms = ms().saturating_sub(asked_ms).max(0).unsigned_abs();
                waited += Duration::from_millis(took_ms);
                match next.map_err(|_| Cut::TooSlow)? {
                    None => break,
                    Some(Err(_)) => return Err(Cut::BrokeOff),
                    Some(Ok(piece)) => {
                        bytes += piece.len() as u64;
                        if bytes > limits.bytes_max {
                            return Err(Cut::TooLarge);
                        }
                        let _ = self.0.send(Piece::Bytes(piece)).await;
                    }
                }
            }
            let _ = self.0.send(Piece::End).await;
            Ok(())
        };
        let moved = timeout(limits.whole_max, moved).await;
        moved.unwrap_or(Err(Cut::TooSlow))
    }
}

impl Read for Outlet {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.has_ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(piece)) => self.piece = piece,
                Some(Piece::End) => self.has_ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = to.len().min(self.piece.len());
        to[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use futures::stream;

    use super::*;

    const LIMITS: Limits = Limits {
        bytes_max: 100,
        silence_max: Duration::from_secs(60),
        whole_max: Duration::from_secs(60),
        bytes_per_s_min: 1,
    };

    fn pieces(texts: &[&'static str]) -> Vec<Result<Bytes, ()>> {
        let bytes = texts.iter().map(|text| Bytes::from_static(text.as_bytes()));
        bytes.map(Ok).collect()
    }

    async fn moved(
        body: impl Stream<Item = Result<Bytes, ()>> + Unpin,
        limits: Limits,
    ) -> (Result<(), Cut>, io::Result<String>) {
        let (inlet, mut outlet) = pipe();
        let read = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            outlet.read_to_string(&mut text).map(|_| text)
        });
        let filled = inlet.fill(body, limits, || 0).await;
        (filled, read.await.expect("a reader"))
    }

    #[tokio::test]
    async fn a_body_is_read_as_it_came_however_it_is_cut_into_pieces() {
        let body = stream::iter(pieces(&["a", "", "bc", "d\n", "e"]));
        let (filled, read) = moved(body, LIMITS).await;
        assert_eq!(filled, Ok(()));
        assert_eq!(read.expect("a text"), "abcd\ne");
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_to_its_end_has_none_for_its_reader() {
        let broken = pieces(&["a"]).into_iter().chain([Err(())]);
        let large: &'static str = "0123456789012345678901234567890123456789012345678901234567890";
        let quiet = stream::iter(pieces(&["a"])).chain(stream::pending());
        let endless = stream::repeat_with(|| Ok(Bytes::new()));
        let soon = Duration::from_millis(1);
        let impatient = Limits {
            silence_max: soon,
            ..LIMITS
        };
        let short = Limits {
            whole_max: soon,
            ..LIMITS
        };
        let cases = [
            (moved(stream::iter(broken), LIMITS).await, Cut::BrokeOff),
            (
                moved(stream::iter(pieces(&[large, large])), LIMITS).await,
                Cut::TooLarge,
            ),
            (moved(quiet, impatient).await, Cut::TooSlow),
            (moved(endless, short).await, Cut::TooSlow),
        ];
        for ((filled, read), cut) in cases {
            assert_eq!(filled, Err(cut));
            let error = read.expect_err("no end was told");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_drips_is_too_slow_though_it_is_never_silent() {
        // Each piece takes half of the longest silence.
        let half_ms = 30_000;
        let fill = async |pieces: usize, bytes: &'static [u8]| {
            let (inlet, outlet) = pipe();
            drop(outlet);
            let looks = Cell::new(0);
            let ms = || {
                looks.set(looks.get() + 1);
                looks.get() * half_ms
            };
            let drops = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(bytes)));
            inlet.fill(drops.take(pieces), LIMITS, ms).await
        };
        assert_eq!(fill(1, b"x").await, Ok(()));
        assert_eq!(fill(10, b"x").await, Err(Cut::TooSlow));
        assert_eq!(fill(3, &[b'x'; 31]).await, Ok(()), "each earns its time");
    }

    #[test]
    fn every_byte_earns_its_time_and_no_silence_is_longer_for_it() {
        let of = |bytes, waited| {
            let limits = Limits {
                bytes_per_s_min: 10,
                ..LIMITS
            };
            let patience = limits.patience(bytes, Duration::from_secs(waited));
            patience.as_secs()
        };
        assert_eq!([of(0, 0), of(0, 59), of(0, 60), of(0, 61)], [60, 1, 0, 0]);
        assert_eq!([of(100, 60), of(100, 69), of(100, 71)], [10, 1, 0]);
        assert_eq!(of(1_000_000, 900), 60);
    }

    #[tokio::test]
    async fn the_rest_is_taken_when_nobody_reads_on() {
        let (inlet, outlet) = pipe();
        drop(outlet);
        let many = (0..100).map(|_| Ok::<_, Infallible>(Bytes::from_static(b"x")));
        assert_eq!(inlet.fill(stream::iter(many), LIMITS, || 0).await, Ok(()));
    }
}
