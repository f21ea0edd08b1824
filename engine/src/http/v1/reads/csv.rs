//! Lists as CSV (RFC 4180), for spreadsheets: no cell of it is taken for a formula.
//!
//! A file has a bounded number of rows; where more follow, its `Link` header says where.

use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, LINK};
use actix_web::http::header::{HeaderMap, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse};
use schedules::id::TenantId;

use super::super::super::problem::Problem;
use super::super::super::turns::{Turn, Turns};
use super::super::Answer;
use super::list::Paging;
use super::sending::Sending;

/// The most rows of a file.
pub(super) const ROWS_MAX: usize = 10_000;
/// The rows that are read at once.
pub(super) const CHUNK: u32 = 1_000;
/// The most readings of a file: behind a filter they may show few rows.
pub(super) const READINGS_MAX: usize = 100;
/// How many files a worker makes and sends at once.
const FILES_MAX: usize = 4;
/// How many of them are one tenant's.
const FILES_OF_TENANT_MAX: usize = 2;

/// The turns of files: each is held in memory until it is sent.
pub(in crate::http::v1) struct Exports(Turns);

impl Default for Exports {
    fn default() -> Self {
        Self(Turns::new(FILES_MAX, FILES_OF_TENANT_MAX))
    }
}

impl Exports {
    /// Takes a turn.
    ///
    /// # Errors
    /// 503 when others have them.
    pub(super) fn turn(&self, tenant: TenantId) -> Result<Turn, Problem> {
        let turn = self.0.take(tenant);
        turn.ok_or_else(|| Problem::busy("other files are being made"))
    }
}

/// Says whether a caller asks for CSV.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).filter_map(|it| it.to_str().ok());
    let mut ranges = accepted.flat_map(|it| it.split(','));
    ranges.any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/csv")
    })
}

/// A file in the making.
pub(super) struct File {
    text: String,
    rows: usize,
}

impl File {
    /// Begins a file with the names of its columns.
    pub(super) fn new(columns: &[&str]) -> Self {
        let (text, rows) = (String::new(), 0);
        let mut file = Self { text, rows };
        file.line(columns.iter().map(|name| (*name).to_owned()));
        file
    }

    /// Adds a row; every row has a cell for each column.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows += 1;
        self.line(cells);
    }

    /// Says how many rows there is room for.
    pub(super) fn room(&self) -> u32 {
        u32::try_from(ROWS_MAX - self.rows.min(ROWS_MAX)).unwrap_or(u32::MAX)
    }

    fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        for (at, cell) in cells.into_iter().enumerate() {
            self.text.push_str(if at == 0 { "\"" } else { ",\"" });
            self.text.push_str(&harmless(&cell).replace('"', "\"\""));
            self.text.push('"');
        }
        self.text.push_str("\r\n");
    }

    /// Answers with the file, and where the rest begins, if there is more; its turn lasts until it
    /// is sent.
    pub(super) fn answer(
        self,
        request: &HttpRequest,
        name: &'static str,
        next: Option<String>,
        turn: Turn,
    ) -> Answer {
        let mut response = HttpResponse::Ok();
        response
            .content_type("text/csv; charset=utf-8")
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((
                CONTENT_DISPOSITION,
                format!("attachment; filename=\"{name}.csv\""),
            ));
        if let Some(cursor) = next {
            response.insert_header((LINK, link(request, &cursor)));
        }
        Ok(response.body(Sending::of(self.text, turn)))
    }
}

/// Returns a paging of files: the length of a page is not theirs to choose.
pub(super) fn paging(paging: Paging) -> Paging {
    Paging {
        limit: None,
        ..paging
    }
}

/// Names the file that follows: the same path and filter, after a cursor.
fn link(request: &HttpRequest, cursor: &str) -> String {
    let query = request.query_string().split('&');
    let kept = query.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let cursor = format!("cursor={cursor}");
    let query: Vec<&str> = kept.chain([cursor.as_str()]).collect();
    format!("<{}?{}>; rel=\"next\"", request.path(), query.join("&"))
}

/// Puts an apostrophe before everything that a spreadsheet would take for a formula: at the start
/// of the cell, and at whatever another one would take for the start of a cell, as a semicolon is
/// where the comma is decimal. Source: OWASP, "CSV Injection".
fn harmless(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut starts = true;
    for c in cell.chars() {
        if starts && (begins_formula(c) || (text.is_empty() && c.is_control())) {
            text.push('\'');
        }
        // Blanks and quotes before a formula do not keep it from being one.
        starts = separates(c) || (starts && (c.is_whitespace() || is_unseen(c) || c == '"'));
        text.push(c);
    }
    text
}

/// Half and full width, and what some programs take for a minus.
const fn begins_formula(c: char) -> bool {
    matches!(
        c,
        '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}' | '\u{2212}'
    )
}

const fn separates(c: char) -> bool {
    matches!(c, ',' | ';' | '|' | '\t' | '\r' | '\n')
}

/// Characters of no width, which a program may drop.
fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_in_any_spreadsheet() {
        for (cell, written) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\r=1", "'\r'=1"),
            ("\n=1", "'\n'=1"),
            ("\u{0}=1", "'\u{0}'=1"),
            (" =1", " '=1"),
            ("\u{a0}=1", "\u{a0}'=1"),
            ("\u{feff}=1", "\u{feff}'=1"),
            ("\u{200b}=1", "\u{200b}'=1"),
            ("\"=1", "\"'=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("\u{ff0b}1", "'\u{ff0b}1"),
            ("\u{ff0d}1", "'\u{ff0d}1"),
            ("\u{ff20}a", "'\u{ff20}a"),
            ("\u{2212}1", "'\u{2212}1"),
            ("a;=1", "a;'=1"),
            ("a;\"=1", "a;\"'=1"),
            ("a, -1", "a, '-1"),
            ("a\n=1", "a\n'=1"),
        ] {
            assert_eq!(harmless(cell), written, "{cell:?}");
        }
    }

    #[test]
    fn what_is_no_formula_is_written_as_it_is() {
        for cell in [
            "",
            "NF-1",
            "2026-03-01",
            "a=1",
            "x@y",
            "R$ 1.234,56",
            "O'Neill",
            "1",
        ] {
            assert_eq!(harmless(cell), cell);
        }
    }

    #[test]
    fn every_cell_is_quoted_and_every_line_ends() {
        let mut file = File::new(&["id", "text"]);
        file.row(["1".to_owned(), "say \"a\",\r\nb;c".to_owned()]);
        let expected = "\"id\",\"text\"\r\n\"1\",\"say \"\"a\"\",\r\nb;c\"\r\n";
        assert_eq!(file.text, expected);
        assert_eq!(file.room(), ROWS_MAX as u32 - 1);
    }
}
