//! `stats`: median, percentile and standard deviation of a list of numbers.
//!
//! The reference counts as many zeros along with the list as it has members; here they are left
//! out. Failures are `nil, message`. Rules: `lua/modules/stats.md`.

use crate::script::ffi::{Call, Fault, Function, Kind};
use crate::script::modules::Module;

pub static MODULE: Module = Module {
    names: &["stats"],
    functions: &[
        Function { name: "median", body: |call| answer(call, |_, numbers| median(numbers)) },
        Function {
            name: "percentile",
            body: |call| answer(call, |call, numbers| percentile(numbers, call.number(2)?)),
        },
        Function {
            name: "standard_deviation",
            body: |call| answer(call, |_, numbers| standard_deviation(numbers)),
        },
    ],
    waiting: &[],
    setup: None,
    lua: None,
};

/// A number, or why there is none.
type Outcome = Result<f64, &'static str>;

/// Calls `work` with the sorted numbers of the first argument.
fn answer(
    call: &Call<'_>,
    work: fn(&Call<'_>, &[f64]) -> Result<Outcome, Fault>,
) -> Result<i32, Fault> {
    call.table(1)?;
    let mut numbers = Vec::new();
    for at in 1..=call.raw_len(1) {
        let kind = call.push_index(1, at);
        let number = call.raw_number(-1);
        call.pop(1);
        if kind != Kind::Number {
            return Ok(call.nil_and("only table of numbers is supported"));
        }
        numbers.push(number);
    }
    numbers.sort_by(f64::total_cmp);
    match work(call, &numbers)? {
        Ok(number) => call.push_number(number),
        Err(error) => return Ok(call.nil_and(error)),
    }
    Ok(1)
}

fn median(sorted: &[f64]) -> Result<Outcome, Fault> {
    let middle = sorted.len() / 2;
    Ok(match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(below), Some(above)) if sorted.len().is_multiple_of(2) => Ok((below + above) / 2.0),
        (_, Some(middle)) => Ok(*middle),
        _ => Err(EMPTY),
    })
}

/// The value below which `percent` of the values lie: a whole index counts as it is, one in between
/// as the mean of its neighbours.
fn percentile(sorted: &[f64], percent: f64) -> Result<Outcome, Fault> {
    let (Some(first), count) = (sorted.first(), sorted.len()) else { return Ok(Err(EMPTY)) };
    if count == 1 {
        return Ok(Ok(*first));
    }
    if percent.is_nan() || percent <= 0.0 || percent > 100.0 {
        return Ok(Err(OUT_OF_RANGE));
    }
    let index = percent / 100.0 * count as f64;
    if index < 1.0 {
        return Ok(Err(OUT_OF_RANGE));
    }
    let whole = index.floor() as usize;
    let below = sorted.get(whole - 1);
    let above = if index.fract() == 0.0 { below } else { sorted.get(whole) };
    Ok(below
        .zip(above)
        .map(|(below, above)| if index.fract() == 0.0 { *below } else { (below + above) / 2.0 })
        .ok_or(OUT_OF_RANGE))
}

/// Of the whole population.
fn standard_deviation(numbers: &[f64]) -> Result<Outcome, Fault> {
    if numbers.is_empty() {
        return Ok(Err(EMPTY));
    }
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    Ok(Ok((squares / count).sqrt()))
}

const EMPTY: &str = "Input must not be empty.";
const OUT_OF_RANGE: &str = "Input is outside of range.";

#[cfg(test)]
mod tests {
    use crate::script::testing::eval;
    use crate::value::Value;

    fn run(source: &str) -> Result<Value, String> {
        eval(&format!("local s = require('stats') return {source}"))
    }

    #[test]
    fn numbers_are_right() {
        for (source, result) in [
            ("s.median({ 3, 1, 2 })", 2.0),
            ("s.median({ 4, 1, 3, 2 })", 2.5),
            ("s.median({ 7 })", 7.0),
            ("s.percentile({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, 50)", 5.0),
            ("s.percentile({ 10, 1, 5 }, 50)", 3.0),
            ("s.percentile({ 1, 2, 3, 4 }, 90)", 3.5),
            ("s.percentile({ 1, 2, 3, 4 }, '100')", 4.0),
            ("s.percentile({ 9 }, 0)", 9.0),
            ("s.standard_deviation({ 2, 4, 4, 4, 5, 5, 7, 9 })", 2.0),
            ("s.standard_deviation({ 5 })", 0.0),
        ] {
            assert_eq!(run(source), Ok(Value::Number(result)), "{source}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_an_error() {
        for (source, error) in [
            ("s.median({})", "Input must not be empty."),
            ("s.percentile({}, 50)", "Input must not be empty."),
            ("s.standard_deviation({})", "Input must not be empty."),
            ("s.percentile({ 1, 2 }, 0)", "Input is outside of range."),
            ("s.percentile({ 1, 2 }, 101)", "Input is outside of range."),
            ("s.percentile({ 1, 2 }, 0/0)", "Input is outside of range."),
            ("s.percentile({ 1, 2, 3, 4 }, 20)", "Input is outside of range."),
            ("s.median({ 1, 'x' })", "only table of numbers is supported"),
        ] {
            assert_eq!(run(&format!("select(2, {source})")), Ok(Value::string(error)), "{source}");
        }
        assert!(
            run("s.median(5)")
                .unwrap_err()
                .contains("bad argument #1 to median (table expected, got number)")
        );
        assert!(
            run("s.percentile({ 1, 2 })")
                .unwrap_err()
                .contains("bad argument #2 to percentile (number expected, got nil)")
        );
    }
}
