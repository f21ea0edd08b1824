//! The line to a server: commands out, answers in, both bounded.

use std::io;

use futures::FutureExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

use super::reply::{self, LINE_BYTES_MAX, LINES_MAX, Reply};

/// What bytes go over: a socket, or TLS over one.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A line to a server.
pub(super) struct Line(BufReader<Box<dyn Stream>>);

/// The line broke, or what came over it is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("connection to the server broke")]
    Io(#[from] io::Error),
    #[error("server closed the connection")]
    Closed,
    #[error("server does not speak smtp")]
    Gibberish,
}

impl Line {
    pub(super) fn over(stream: impl Stream + 'static) -> Self {
        Self(BufReader::new(Box::new(stream)))
    }

    /// Gives the stream back, to protect it.
    ///
    /// What came in the clear behind the last answer is not passed on: it would be taken for an
    /// answer under protection.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, Broken> {
        match self.0.buffer() {
            [] => Ok(self.0.into_inner()),
            _ => Err(Broken::Gibberish),
        }
    }

    /// Sends a command, which is one line, and waits for the answer.
    pub(super) async fn ask(&mut self, command: &str) -> Result<Reply, Broken> {
        debug_assert!(!command.contains(['\r', '\n']));
        self.send(format!("{command}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// Sends bytes as they are. What came before them, a good-bye or anything else, nobody had
    /// asked for: it would be taken for their answer.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        match self.0.fill_buf().now_or_never() {
            None => {}
            Some(Ok([])) => return Err(Broken::Closed),
            Some(Ok(_)) => return Err(Broken::Gibberish),
            Some(Err(error)) => return Err(error.into()),
        }
        self.0.write_all(bytes).await?;
        Ok(self.0.flush().await?)
    }

    /// Waits for an answer.
    pub(super) async fn reply(&mut self) -> Result<Reply, Broken> {
        let mut lines = Vec::new();
        let mut first = None;
        while lines.len() < LINES_MAX {
            let bytes = self.line().await?;
            let (code, is_last, text) = reply::line(&bytes).ok_or(Broken::Gibberish)?;
            if *first.get_or_insert(code) != code {
                return Err(Broken::Gibberish);
            }
            lines.push(text.to_owned());
            if is_last {
                return Ok(Reply { code, lines });
            }
        }
        Err(Broken::Gibberish)
    }

    /// Reads up to a line break, and no more than a line may have.
    async fn line(&mut self) -> Result<Vec<u8>, Broken> {
        let mut line = Vec::new();
        loop {
            let bytes = self.0.fill_buf().await?;
            if bytes.is_empty() {
                return Err(Broken::Closed);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len(), |end| end + 1);
            line.extend_from_slice(&bytes[..taken]);
            self.0.consume(taken);
            if line.len() > LINE_BYTES_MAX {
                return Err(Broken::Gibberish);
            }
            if end.is_some() {
                let text = line.trim_ascii_end().len();
                line.truncate(text);
                return Ok(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a line from which these bytes come, in pieces of a size.
    async fn from(bytes: &[u8], piece: usize) -> Result<Reply, Broken> {
        let (near, mut far) = tokio::io::duplex(piece);
        let send = async {
            // Who has read enough may hang up.
            let _ = far.write_all(bytes).await;
            drop(far);
        };
        let read = async {
            let mut line = Line::over(near);
            line.reply().await
        };
        tokio::join!(send, read).1
    }

    #[tokio::test]
    async fn an_answer_comes_whole_however_it_is_cut() {
        for piece in [1, 2, 7, 1_000] {
            let reply = from(b"250-one\r\n250-two \n250 three\r\n250 more\r\n", piece).await;
            let reply = reply.expect("an answer");
            assert_eq!(
                (reply.code, reply.lines),
                (
                    250,
                    vec!["one".to_owned(), "two".to_owned(), "three".to_owned(),]
                )
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_refused_and_never_read_to_its_end() {
        let endless = [b'2'; 10_000];
        let lines = b"250-more\r\n".repeat(1_000);
        for bytes in [
            &endless[..],
            &lines,
            b"HTTP/1.1 400\r\n",
            b"250-a\r\n251 b\r\n",
            b"\r\n",
        ] {
            let refused = from(bytes, 64).await;
            assert!(matches!(refused, Err(Broken::Gibberish)), "{refused:?}");
        }
        assert!(matches!(from(b"250 cut", 64).await, Err(Broken::Closed)));
    }

    #[tokio::test]
    async fn what_comes_before_it_was_asked_for_is_no_answer() {
        for early in [&b"220 hello\r\n250 ok\r\n"[..], b"220 hello\r\n250"] {
            let (near, mut far) = tokio::io::duplex(1_000);
            far.write_all(early).await.expect("room");
            let mut line = Line::over(near);
            assert_eq!(line.reply().await.expect("an answer").code, 220);
            let asked = line.ask("NOOP").await;
            assert!(matches!(asked, Err(Broken::Gibberish)), "{asked:?}");
        }
        let (near, mut far) = tokio::io::duplex(1_000);
        far.write_all(b"220 hello\r\n").await.expect("room");
        let mut line = Line::over(near);
        assert_eq!(line.reply().await.expect("an answer").code, 220);
        // Not in the buffer yet when the first answer was read.
        far.write_all(b"421 bye\r\n").await.expect("room");
        let asked = line.ask("NOOP").await;
        assert!(matches!(asked, Err(Broken::Gibberish)), "{asked:?}");
    }

    #[tokio::test]
    async fn what_comes_before_the_protection_is_not_taken_for_what_comes_after() {
        let (near, mut far) = tokio::io::duplex(1_000);
        let injected = b"220 go ahead\r\n250 injected\r\n";
        far.write_all(injected).await.expect("room");
        let mut line = Line::over(near);
        assert_eq!(line.reply().await.expect("an answer").code, 220);
        assert!(matches!(line.into_stream(), Err(Broken::Gibberish)));
    }
}
