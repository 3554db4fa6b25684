//! Which statements leave nothing behind on their connection.
//!
//! A shared connection is reset before the next request gets it (`database`), which costs a round
//! trip. The usual statement of a login, a plain SELECT, is known to need none. Whatever is not
//! known counts as changing the session: there are too many ways to do so.

use super::{How, Request};

/// Whether the next user of the connection could find something of this request on it: a variable,
/// a temporary table, a lock, an id that was inserted last.
pub(super) fn may_change_session(request: &Request) -> bool {
    match request.how {
        // The server only reads it.
        How::Prepare => false,
        How::InTransaction | How::Plain | How::Prepared(_) => !is_plain_select(&request.sql),
    }
}

/// One SELECT without assignments, INTO, locks, and calls of functions other than [`FUNCTIONS`].
/// Words in texts and comments count as if they were outside.
fn is_plain_select(sql: &[u8]) -> bool {
    let sql = sql.trim_ascii();
    let sql = sql.strip_suffix(b";").unwrap_or(sql);
    // Variables, more statements, and comments that MySQL executes.
    if sql.iter().any(|byte| matches!(byte, b'@' | b';'))
        || memchr::memmem::find(sql, b"/*").is_some()
    {
        return false;
    }
    let mut words = Words { rest: sql };
    if !words.next().is_some_and(|(word, _)| word.eq_ignore_ascii_case(b"select")) {
        return false;
    }
    words.all(|(word, is_called)| {
        let is =
            |list: &[&str]| list.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()));
        !is(REFUSED) && (!is_called || is(FUNCTIONS))
    })
}

/// Names and keywords, each with whether a parenthesis follows.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = (&'a [u8], bool);

    fn next(&mut self) -> Option<Self::Item> {
        // Quotes belong to words, so that a quoted name is never a known function.
        let is_word = |byte: &u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'$' | b'.' | b'"' | b'`' | b'[' | b']' | 0x80..)
        };
        let start = self.rest.iter().position(is_word)?;
        let rest = self.rest.get(start..)?;
        let len = rest.iter().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some((word, rest.trim_ascii_start().first() == Some(&b'(')))
    }
}

/// Words that make a SELECT more than that.
const REFUSED: &[&str] = &[
    "into",
    "lock",
    "share",
    "procedure",
    "create",
    "insert",
    "update",
    "delete",
    "set",
    "merge",
    "replace",
];

/// What may stand before a parenthesis: functions that only compute, and keywords.
const FUNCTIONS: &[&str] = &[
    "select",
    "from",
    "where",
    "and",
    "or",
    "not",
    "in",
    "exists",
    "on",
    "using",
    "as",
    "any",
    "all",
    "union",
    "except",
    "intersect",
    "join",
    "by",
    "having",
    "limit",
    "values",
    "case",
    "when",
    "then",
    "else",
    "between",
    "like",
    "distinct",
    "over",
    "filter",
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "lower",
    "upper",
    "length",
    "char_length",
    "octet_length",
    "coalesce",
    "nullif",
    "ifnull",
    "concat",
    "concat_ws",
    "substr",
    "substring",
    "trim",
    "ltrim",
    "rtrim",
    "replace",
    "round",
    "abs",
    "floor",
    "ceil",
    "cast",
    "now",
    "date",
    "unix_timestamp",
    "extract",
    "to_char",
    "md5",
    "sha1",
    "sha2",
    "hex",
    "unhex",
    "greatest",
    "least",
    "char",
    "varchar",
    "decimal",
    "numeric",
    "if",
    "group_concat",
    "string_agg",
    "array_agg",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn resets(sql: &str, how: How) -> bool {
        may_change_session(&Request { sql: sql.into(), how, rows: true })
    }

    #[test]
    fn a_plain_select_leaves_nothing() {
        for sql in [
            "SELECT hash FROM users WHERE name = ?",
            "  select u.hash, u.uid from users u join homes h on (h.uid = u.uid) where lower(u.name) = $1 limit 1;",
            "SELECT COUNT(*) FROM (SELECT DISTINCT name FROM users) AS x WHERE name IN ('a', 'b')",
            "SELECT COALESCE(MAX(id), 0) FROM t",
        ] {
            assert!(!resets(sql, How::Plain) && !resets(sql, How::Prepared(Vec::new())), "{sql}");
        }
        assert!(!resets("SET x = 1", How::Prepare));
    }

    #[test]
    fn whatever_may_leave_something_counts() {
        for sql in [
            "",
            ";",
            "SET search_path = evil",
            "SET @a = 1",
            "SELECT @a := 1",
            "SELECT 1 INTO @a",
            "SELECT 1 INTO TEMP t",
            "SELECT set_config('search_path', 'evil', false)",
            "SELECT GET_LOCK('a', 1)",
            "SELECT pg_advisory_lock (1)",
            "SELECT LAST_INSERT_ID(5)",
            "SELECT 1; SET x = 1",
            "SELECT /*! SQL_NO_CACHE */ 1",
            "SELECT \"lower\"(1)",
            "SELECT my.lower(1)",
            "CREATE TEMP TABLE users (name text)",
            "ATTACH '/tmp/x' AS y",
            "PRAGMA foreign_keys = 0",
            "USE other",
            "INSERT INTO t VALUES (1)",
            "WITH x AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT * FROM x",
            "SELECT * FROM t LOCK IN SHARE MODE",
            "PREPARE a AS SELECT 1",
            "LISTEN x",
            "BEGIN",
            "-- x\nSELECT 1",
            "SELECT nextval('s')",
            "CALL p()",
        ] {
            assert!(resets(sql, How::Plain), "{sql}");
        }
    }
}
