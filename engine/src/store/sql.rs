//! One vocabulary of SQL: statements that read the same in both databases, and rows in bulk.
//!
//! Statements are constants. Scalars are `$n`. Rows in bulk arrive as `r` (see [`batch!`]): arrays
//! in PostgreSQL, one JSON text in SQLite.

/// A statement in both dialects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sql {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// Returns a statement that reads the same in both dialects.
pub(super) const fn both(text: &'static str) -> Sql {
    Sql {
        sqlite: text,
        postgres: text,
    }
}

/// A statement with row locks, which SQLite needs not have: its writer is alone.
macro_rules! locking {
    ($text:literal, $lock:literal) => {
        crate::store::sql::Sql {
            sqlite: $text,
            postgres: concat!($text, "\n", $lock),
        }
    };
}

/// A statement over rows in bulk: `head`, the rows `r`, `tail`.
///
/// The rows' columns are numbered from 1 and come first among the arguments; scalars follow. In
/// SQLite the rows are one JSON text in `$1`, an array of arrays with a zero at the start, so that
/// the columns have the same numbers in both.
macro_rules! batch {
    ($head:literal, ($n0:literal $name0:literal $ty0:literal
        $(, $n:literal $name:literal $ty:literal)* $(,)?), $tail:expr) => {
        batch!($head, ($n0 $name0 $ty0 $(, $n $name $ty)*), $tail, "")
    };
    ($head:literal, ($n0:literal $name0:literal $ty0:literal
        $(, $n:literal $name:literal $ty:literal)* $(,)?), $tail:expr, $lock:literal) => {
        crate::store::sql::Sql {
            sqlite: concat!(
                $head,
                "(SELECT value ->> ", $n0, " AS ", $name0,
                $(", value ->> ", $n, " AS ", $name,)*
                " FROM jsonb_each($1)) AS r ",
                $tail
            ),
            postgres: concat!(
                $head,
                "unnest($", $n0, "::", $ty0, "[]" $(, ", $", $n, "::", $ty, "[]")*,
                ") AS r (", $name0 $(, ", ", $name)*, ") ",
                $tail, "\n", $lock
            ),
        }
    };
}

pub(super) use {batch, locking};

/// One argument of a statement.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    Int(Option<i64>),
    Text(Option<String>),
    /// Columns of equal length: rows in bulk.
    Rows(Vec<Column>),
}

/// One column of rows in bulk.
#[derive(Clone, Debug)]
pub(super) enum Column {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
}

/// Arguments, written as a list of values.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$(crate::store::sql::Arg::from($value)),*] };
}

pub(super) use args;

/// A value that stands in a row in bulk.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Int(Option<i64>),
    Text(Option<String>),
}

/// What a scalar and a value in a row are made of.
macro_rules! from_values {
    ($($name:ident),*) => {
        $(
            impl From<i64> for $name {
                fn from(value: i64) -> Self {
                    Self::Int(Some(value))
                }
            }

            impl From<Option<i64>> for $name {
                fn from(value: Option<i64>) -> Self {
                    Self::Int(value)
                }
            }

            impl From<&str> for $name {
                fn from(value: &str) -> Self {
                    Self::Text(Some(value.to_owned()))
                }
            }

            impl From<String> for $name {
                fn from(value: String) -> Self {
                    Self::Text(Some(value))
                }
            }

            impl From<Option<String>> for $name {
                fn from(value: Option<String>) -> Self {
                    Self::Text(value)
                }
            }
        )*
    };
}

from_values!(Arg, Cell);

/// Rows in bulk, gathered row by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    columns: Vec<Column>,
    len: usize,
}

impl Batch {
    /// Adds a row; every row has the same cells.
    pub(super) fn push<const N: usize>(&mut self, cells: [Cell; N]) {
        if self.columns.is_empty() {
            self.columns = cells.iter().map(Column::for_cell).collect();
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.len += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the arguments of a statement over these rows, with `scalars` after them.
    pub(super) fn args(self, scalars: Vec<Arg>) -> Vec<Arg> {
        let mut args = Vec::with_capacity(1 + scalars.len());
        args.push(Arg::Rows(self.columns));
        args.extend(scalars);
        args
    }
}

/// Cells of one row, written as a list of values.
macro_rules! row {
    ($($value:expr),* $(,)?) => { [$(crate::store::sql::Cell::from($value)),*] };
}

pub(super) use row;

impl Column {
    fn for_cell(cell: &Cell) -> Self {
        match cell {
            Cell::Int(_) => Column::Ints(Vec::new()),
            Cell::Text(_) => Column::Texts(Vec::new()),
        }
    }

    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Column::Ints(values), Cell::Int(value)) => values.push(value),
            (Column::Texts(values), Cell::Text(value)) => values.push(value),
            (Column::Ints(values), Cell::Text(_)) => values.push(None),
            (Column::Texts(values), Cell::Int(_)) => values.push(None),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Column::Ints(values) => values.len(),
            Column::Texts(values) => values.len(),
        }
    }

    fn write_json(&self, row: usize, json: &mut String) {
        use std::fmt::Write;
        match self {
            Column::Ints(values) => match values[row] {
                // Writing to a String cannot fail.
                Some(value) => _ = write!(json, ",{value}"),
                None => json.push_str(",null"),
            },
            Column::Texts(values) => match &values[row] {
                Some(text) => {
                    json.push(',');
                    json.push_str(&serde_json::Value::from(text.as_str()).to_string());
                }
                None => json.push_str(",null"),
            },
        }
    }
}

/// Returns rows in bulk as SQLite takes them.
pub(super) fn rows_as_json(columns: &[Column]) -> String {
    let rows = columns.first().map_or(0, Column::len);
    let mut json = String::with_capacity(rows * columns.len() * 12 + 2);
    json.push('[');
    for row in 0..rows {
        json.push_str(if row == 0 { "[0" } else { ",[0" });
        columns
            .iter()
            .for_each(|column| column.write_json(row, &mut json));
        json.push(']');
    }
    json.push(']');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_bulk_have_the_same_numbers_in_both_dialects() {
        const SQL: Sql =
            batch!("SELECT r.id FROM ", (1 "id" "bigint", 2 "name" "text"), "WHERE true");
        assert_eq!(
            SQL.sqlite,
            "SELECT r.id FROM (SELECT value ->> 1 AS id, value ->> 2 AS name \
             FROM jsonb_each($1)) AS r WHERE true"
        );
        assert_eq!(
            SQL.postgres,
            "SELECT r.id FROM unnest($1::bigint[], $2::text[]) AS r (id, name) WHERE true\n"
        );
    }

    #[test]
    fn rows_become_arrays_that_start_with_a_zero() {
        let mut batch = Batch::default();
        batch.push(row![1, Some("a\"b".to_owned())]);
        batch.push(row![None::<i64>, None::<String>]);
        let Some(Arg::Rows(columns)) = batch.args(vec![]).into_iter().next() else {
            panic!("rows come first");
        };
        assert_eq!(rows_as_json(&columns), r#"[[0,1,"a\"b"],[0,null,null]]"#);
    }
}
