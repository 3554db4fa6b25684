//! What the author of a script may have misspelt, from what `lua/host/look.lua` saw in its
//! bytecode: the entry function's name, and the names of constants. Nothing is run. A script may
//! set names in ways that cannot be seen (`load`, a file module), so these are findings and no
//! errors.

use crate::auth::scripts::StageKind;
use crate::config::{Finding, FindingKind, nearest};
use crate::script::builtin;
use crate::script::entry::Entry;
use crate::script::sources::Script;
use mlua::Table;

/// `named`: name → line of everything that the script sets or names; `read`: the constants that it
/// reads, each `{name, line}`. Both none: the bytecode cannot be read.
pub(super) fn findings(
    script: &Script,
    named: Option<Table>,
    read: Option<Table>,
) -> mlua::Result<Vec<Finding>> {
    let (Some(named), Some(read)) = (named, read) else { return Ok(Vec::new()) };
    let mut findings = Vec::new();
    let named: Vec<(String, u32)> =
        named.pairs::<mlua::LuaString, u32>().filter_map(text_and_line).collect();
    if let Some(entry) = required(script.stage)
        && !named.iter().any(|(name, _)| name == entry)
    {
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        let near = nearest(entry, &names);
        let line = near
            .and_then(|near| named.iter().find(|(name, _)| name == near))
            .map_or(1, |(_, line)| *line);
        let instead = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        let text = format!(
            "the script does not define {entry}, the entry function of {} scripts{instead}",
            script.stage.name()
        );
        findings.push(Finding::in_script(FindingKind::NoEntry, &script.path, Some(line), text));
    }
    let mut known: Vec<&str> = builtin::constants().iter().map(|(name, _)| *name).collect();
    known.push(builtin::BACKEND_RESULT_ERROR);
    known.extend(builtin::FUNCTIONS.iter().map(|function| function.name));
    let mut told = Vec::new();
    for pair in read.sequence_values::<Table>() {
        let pair = pair?;
        let (name, line): (mlua::LuaString, u32) = (pair.get(1)?, pair.get(2)?);
        let name = name.to_string_lossy();
        if known.contains(&name.as_str()) || told.contains(&name) {
            continue;
        }
        let meant = nearest(&name, &known)
            .map(|near| format!(" (did you mean {near}?)"))
            .unwrap_or_default();
        let text = format!("nauthilus_builtin has no {name}: it reads as nil{meant}");
        findings.push(Finding::in_script(
            FindingKind::UnknownConstant,
            &script.path,
            Some(line),
            text,
        ));
        told.push(name);
    }
    Ok(findings)
}

fn text_and_line(pair: mlua::Result<(mlua::LuaString, u32)>) -> Option<(String, u32)> {
    pair.ok().map(|(name, line)| (name.to_string_lossy(), line))
}

/// The function without which a script of this stage does nothing.
fn required(stage: StageKind) -> Option<&'static str> {
    match stage {
        // What its top level does may be all that it is for.
        StageKind::Init => None,
        StageKind::Hook => Some(Entry::Hook.function()),
        stage => Entry::main(stage).map(Entry::function),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::testing::Bench;

    fn findings_of(stage: StageKind, source: &str) -> Vec<String> {
        let bench = Bench::new(&[(stage, source)]);
        bench.host.state().findings().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_script_without_its_entry_function_is_found_with_the_nearest_name() {
        let cases = [
            (StageKind::Feature, "nauthilus_call_feature", "nauthilus_call_faeture"),
            (StageKind::Filter, "nauthilus_call_filter", "nauthilus_call_filters"),
            (StageKind::Action, "nauthilus_call_action", "nauthilus_cal_action"),
            (
                StageKind::Backend,
                "nauthilus_backend_verify_password",
                "nauthilus_backend_verify_passwort",
            ),
            (StageKind::Hook, "nauthilus_run_hook", "nauthilus_runhook"),
        ];
        for (stage, entry, misspelt) in cases {
            let name = stage.name();
            let all =
                findings_of(stage, &format!("local x = 1\n\nfunction {misspelt}() return x end"));
            let expected = format!(
                "test/{name}0.lua:3: the script does not define {entry}, the entry function of {name} scripts (did you mean {misspelt}?)"
            );
            assert_eq!(all, [expected]);
            let all = findings_of(stage, "local x = 1");
            assert_eq!(
                all,
                [format!(
                    "test/{name}0.lua:1: the script does not define {entry}, the entry function of {name} scripts"
                )]
            );
            for sound in [
                format!("function {entry}() end"),
                format!("if os then {entry} = function() end end"),
                format!("_G.{entry} = print"),
                format!("rawset(_G, '{entry}', print)"),
                format!("local function define() {entry} = print end define()"),
            ] {
                assert_eq!(findings_of(stage, &sound), [""; 0], "{sound}");
            }
        }
        assert_eq!(findings_of(StageKind::Init, "local x = 1"), [""; 0]);
    }

    #[test]
    fn unknown_constants_are_found_with_the_nearest_name() {
        let source = "function nauthilus_call_filter()\n  local a = nauthilus_builtin.FILTER_ACCEPT\n  if a then\n    return nauthilus_builtin.FILTER_REJCT, nauthilus.NO_SUCH_THING, nauthilus_builtin.FILTER_REJCT\n  end\nend";
        assert_eq!(
            findings_of(StageKind::Filter, source),
            [
                "test/filter0.lua:4: nauthilus_builtin has no FILTER_REJCT: it reads as nil (did you mean FILTER_REJECT?)",
                "test/filter0.lua:4: nauthilus_builtin has no NO_SUCH_THING: it reads as nil",
            ]
        );
        let known = "function nauthilus_call_filter() nauthilus_builtin.custom_log_add('a', 1) return nauthilus_builtin.BACKEND_RESULT_ERROR, nauthilus.FEATURE_RESULT_YES end";
        assert_eq!(findings_of(StageKind::Filter, known), [""; 0]);
    }

    #[test]
    fn the_scripts_that_we_ship_have_none() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("lua/examples");
        let stages = [
            ("features", StageKind::Feature),
            ("filters", StageKind::Filter),
            ("actions", StageKind::Action),
            ("backends", StageKind::Backend),
            ("hooks", StageKind::Hook),
        ];
        for (name, stage) in stages {
            for entry in std::fs::read_dir(folder.join(name)).unwrap() {
                let path = entry.unwrap().path();
                if !path.to_string_lossy().ends_with("_test.lua") {
                    let source = std::fs::read_to_string(&path).unwrap();
                    assert_eq!(findings_of(stage, &source), [""; 0], "{}", path.display());
                }
            }
        }
    }
}
