//! [`Table`]: a result set in two allocations, whatever its size.

use super::{Malformed, RESULT_BYTES_MAX};

/// Columns and rows. Texts of all cells lie behind one another in one buffer.
#[derive(Default)]
pub struct Table {
    columns: Vec<Vec<u8>>,
    cells: Vec<Slot>,
    text: Vec<u8>,
    /// Bytes of lists, which lie elsewhere.
    extra: usize,
}

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(&'a [u8]),
    List(&'a [Vec<u8>]),
}

/// A cell as it is kept.
enum Slot {
    Null,
    Bool(bool),
    Number(f64),
    /// Where the text lies: from, length. [`RESULT_BYTES_MAX`] fits into 32 bits.
    Text(u32, u32),
    List(Box<[Vec<u8>]>),
}

impl Table {
    pub fn new(columns: Vec<Vec<u8>>) -> Table {
        Table { columns, ..Table::default() }
    }

    pub fn columns(&self) -> &[Vec<u8>] {
        &self.columns
    }

    /// How many whole rows there are.
    pub fn len(&self) -> usize {
        self.cells.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, each as long as there are columns.
    pub fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = Cell<'_>>> {
        self.cells
            .chunks_exact(self.columns.len().max(1))
            .map(|row| row.iter().map(|slot| self.cell(slot)))
    }

    pub fn push_null(&mut self) {
        self.cells.push(Slot::Null);
    }

    pub fn push_bool(&mut self, value: bool) {
        self.cells.push(Slot::Bool(value));
    }

    pub fn push_number(&mut self, value: f64) {
        self.cells.push(Slot::Number(value));
    }

    /// # Errors
    /// [`Malformed::TooLarge`].
    pub fn push_text(&mut self, text: &[u8]) -> Result<(), Malformed> {
        let at = (u32::try_from(self.text.len()), u32::try_from(text.len()));
        let (Ok(from), Ok(len)) = at else { return Err(Malformed::TooLarge) };
        if self.bytes() + text.len() > RESULT_BYTES_MAX {
            return Err(Malformed::TooLarge);
        }
        self.text.extend_from_slice(text);
        self.cells.push(Slot::Text(from, len));
        Ok(())
    }

    pub fn push_list(&mut self, members: Vec<Vec<u8>>) {
        self.extra +=
            members.iter().map(|member| member.len() + size_of::<Vec<u8>>()).sum::<usize>();
        self.cells.push(Slot::List(members.into()));
    }

    /// To be called after each row.
    ///
    /// # Errors
    /// [`Malformed::TooLarge`] once the table is.
    pub fn check(&self) -> Result<(), Malformed> {
        if self.bytes() > RESULT_BYTES_MAX { Err(Malformed::TooLarge) } else { Ok(()) }
    }

    fn bytes(&self) -> usize {
        self.cells.len() * size_of::<Slot>() + self.text.len() + self.extra
    }

    fn cell<'a>(&'a self, slot: &'a Slot) -> Cell<'a> {
        match slot {
            Slot::Null => Cell::Null,
            Slot::Bool(value) => Cell::Bool(*value),
            Slot::Number(value) => Cell::Number(*value),
            Slot::Text(from, len) => {
                let from = *from as usize;
                Cell::Text(self.text.get(from..from + *len as usize).unwrap_or_default())
            }
            Slot::List(members) => Cell::List(members),
        }
    }
}

impl std::fmt::Debug for Table {
    /// The shape alone: contents are user data, password hashes among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} x {})", self.len(), self.columns.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in() {
        let mut table = Table::new(vec![b"a".to_vec(), b"b".to_vec()]);
        table.push_text(b"x").unwrap();
        table.push_null();
        table.push_list(vec![b"m".to_vec()]);
        table.push_number(2.5);
        table.push_bool(true);
        table.push_text(b"").unwrap();
        let rows: Vec<Vec<Cell<'_>>> = table.rows().map(Iterator::collect).collect();
        let list = [b"m".to_vec()];
        assert_eq!(
            rows,
            [
                vec![Cell::Text(b"x"), Cell::Null],
                vec![Cell::List(&list), Cell::Number(2.5)],
                vec![Cell::Bool(true), Cell::Text(b"")],
            ]
        );
        assert_eq!((table.len(), format!("{table:?}").as_str()), (3, "Table(3 x 2)"));
    }

    #[test]
    fn no_columns_means_no_rows() {
        let table = Table::default();
        assert_eq!((table.len(), table.rows().count(), table.is_empty()), (0, 0, true));
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let mut table = Table::new(vec![Vec::new()]);
        let piece = vec![b'x'; 1 << 20];
        let pushed = (0..64).take_while(|_| table.push_text(&piece).is_ok()).count();
        assert_eq!(pushed, 15);
        let mut table = Table::new(vec![Vec::new()]);
        while table.check().is_ok() {
            table.push_null();
        }
        assert!(table.len() * size_of::<Slot>() > RESULT_BYTES_MAX);
    }
}
