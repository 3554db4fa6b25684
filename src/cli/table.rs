//! Tables for people: columns of text, as wide as their widest cell.

/// The rows below their headings, with the last column as wide as it likes. Control characters,
/// which may come from an attacker's login name, are shown escaped.
pub fn compose<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let rows: Vec<[String; N]> = std::iter::once(headings.map(str::to_owned))
        .chain(rows.into_iter().map(|row| row.map(|cell| printable(&cell))))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let line: String = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}  ", width = *width))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn printable(cell: &str) -> String {
    cell.chars()
        .flat_map(|char| {
            let escaped = char.is_control().then(|| char.escape_default());
            let plain = escaped.is_none().then_some(char);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_control_characters_escaped() {
        let rows = [["ada", "1"], ["\u{1b}[2J☃", "22"]].map(|row| row.map(str::to_owned));
        assert_eq!(compose(["NAME", "N"], rows), "NAME        N\nada         1\n\\u{1b}[2J☃  22\n");
    }
}
