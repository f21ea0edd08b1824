//! Turns the bytes of a file into text: UTF-8, UTF-16 with its mark, Windows-1252.

use std::io::{self, Chain, Cursor, Read};

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};

const CHUNK_BYTES: usize = 8 * 1024;

/// A source whose byte order mark has been taken off; UTF-16 comes out as UTF-8.
///
/// What is not valid UTF-16 comes out as U+FFFD, which no column accepts.
pub(super) enum Unmarked<R> {
    /// UTF-8 or a one-byte encoding, told apart row by row.
    Bytes(Chain<Cursor<Vec<u8>>, R>),
    /// UTF-16.
    Wide(Box<Transcoded<Chain<Cursor<Vec<u8>>, R>>>),
}

/// A source that is read in one encoding and handed on in UTF-8.
pub(super) struct Transcoded<R> {
    source: R,
    decoder: Decoder,
    /// Decoded and not handed on yet.
    decoded: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl<R: Read> Unmarked<R> {
    pub(super) fn open(mut source: R) -> io::Result<Self> {
        let mut start = Vec::new();
        source.by_ref().take(3).read_to_end(&mut start)?;
        let (mark, wide) = match start.as_slice() {
            [0xef, 0xbb, 0xbf] => (3, None),
            [0xff, 0xfe, ..] => (2, Some(UTF_16LE)),
            [0xfe, 0xff, ..] => (2, Some(UTF_16BE)),
            _ => (0, None),
        };
        let rest = Cursor::new(start.split_off(mark)).chain(source);
        Ok(match wide {
            None => Self::Bytes(rest),
            Some(encoding) => Self::Wide(Box::new(Transcoded {
                source: rest,
                decoder: encoding.new_decoder_without_bom_handling(),
                decoded: Vec::new(),
                taken: 0,
                ended: false,
            })),
        })
    }
}

impl<R: Read> Read for Unmarked<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Bytes(source) => source.read(to),
            Self::Wide(source) => source.read(to),
        }
    }
}

impl<R: Read> Transcoded<R> {
    fn decode_chunk(&mut self) -> io::Result<()> {
        let mut chunk = Vec::new();
        self.source
            .by_ref()
            .take(CHUNK_BYTES as u64)
            .read_to_end(&mut chunk)?;
        self.ended = chunk.len() < CHUNK_BYTES;
        // Two bytes become at most three; the decoder asks for a little more to close a pair.
        self.decoded = vec![0; 2 * CHUNK_BYTES + 16];
        let (result, _, written, _) =
            self.decoder
                .decode_to_utf8(&chunk, &mut self.decoded, self.ended);
        debug_assert_eq!(result, CoderResult::InputEmpty);
        self.decoded.truncate(written);
        self.taken = 0;
        Ok(())
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.decoded.len() && !self.ended {
            self.decode_chunk()?;
        }
        let read = (&self.decoded[self.taken..]).read(to)?;
        self.taken += read;
        Ok(read)
    }
}

/// Reads the fields of a row as UTF-8, or all of them as Windows-1252, of which ISO-8859-1 is
/// the part that people write.
pub(super) fn decoded(fields: Vec<Vec<u8>>) -> Vec<String> {
    let is_utf8 = fields
        .iter()
        .all(|field| std::str::from_utf8(field).is_ok());
    let decode = |field: Vec<u8>| match String::from_utf8(field) {
        Ok(text) if is_utf8 => text,
        Ok(text) => narrow(text.as_bytes()),
        Err(error) => narrow(error.as_bytes()),
    };
    fields.into_iter().map(decode).collect()
}

fn narrow(bytes: &[u8]) -> String {
    WINDOWS_1252
        .decode_without_bom_handling(bytes)
        .0
        .into_owned()
}
